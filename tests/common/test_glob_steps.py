"""Globs, against `glob` of the standard library and on their own."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest
from trees import PNG, put

from moderate_cli.models import Item, LocalFile
from moderate_cli.sources import Selection, Sources

FILES = (
    *("a.png", "b.png", "ab.jpg", ".hidden.png", "sub/a.png", "sub/deep/a.png", "sub/deep/er/c.png", ".dot/a.png"),
    *("x.d/a.png", "x.d/y/b.png", "sub/x.d/c.png", "[1].png", "d[1]/a.png", "a\nb.png", "é.png"),
)


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *FILES)
    monkeypatch.chdir(tmp_path)


def _names(pattern: str) -> list[str]:
    return [item.source for item in Sources([pattern])]


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.png", "a.*", "?.png", "[ab].png", "[!a].png", "[[]1].png", "*/*.png", "sub/*.png", "sub/*/*.png"),
        *("./*.png", "sub/../*.png", "**/*.png", "**/a.png", "sub/**/a.png", "**/deep/*.png", "**/deep/**/*.png"),
        *("s*/**/c.png", "**/**/a.png", ".*/*.png", "d[[]1]/*.png", "sub//*.png", "*[!x]/a.png"),
    ],
)
def test_globs_match_the_files_that_the_standard_library_finds(pattern: str) -> None:
    found = glob.glob(pattern, recursive=True, include_hidden=True)  # noqa: PTH207 - Path.glob has other rules
    expected = {name for name in found if Path(name).is_file()}
    names = _names(pattern)
    assert {os.path.normpath(name) for name in names} == {os.path.normpath(name) for name in expected}
    assert len(names) == len(set(names))
    assert names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.d", ["x.d/a.png", "x.d/y/b.png"]),
        ("**/*.d", ["sub/x.d/c.png", "x.d/a.png", "x.d/y/b.png"]),
        ("x*/", ["x.d/a.png", "x.d/y/b.png"]),
        ("sub/d*/", ["sub/deep/a.png", "sub/deep/er/c.png"]),
        ("sub/**", ["sub/a.png", "sub/deep/a.png", "sub/deep/er/c.png", "sub/x.d/c.png"]),
    ],
)
def test_folders_that_match_count_with_all_below_them(pattern: str, names: list[str]) -> None:
    assert _names(pattern) == names


def test_paths_start_as_the_glob_does(tmp_path: Path) -> None:
    assert _names("?.png") == ["a.png", "b.png", "é.png"]
    assert _names("./?.png") == ["./a.png", "./b.png", "./é.png"]
    assert _names(f"{tmp_path}/sub/?.png") == [f"{tmp_path}/sub/a.png"]


@pytest.mark.parametrize("name", ["[1].png", "d[1]"])
def test_a_name_that_exists_is_no_glob(name: str) -> None:
    items = list(Sources([name]))
    assert items[0].source == (name if name.endswith(".png") else f"{name}/a.png")
    assert len(items) == 1


def test_a_broken_link_is_no_glob(tmp_path: Path) -> None:
    (tmp_path / "[2].png").symlink_to("nowhere")
    assert list(Sources(["[2].png"])) == [Item("[2].png", LocalFile(Path("[2].png")))]


@pytest.mark.parametrize("pattern", ["*.gif", "nowhere/*.png", "a.png/*", "*/*/*/*/*/*", "sub/*.d/*.jpg", "[z-a].png"])
def test_a_glob_that_matches_nothing_is_remembered(pattern: str) -> None:
    sources = Sources([pattern, "a.png"])
    assert [item.source for item in sources] == ["a.png"]
    assert sources.unmatched == [pattern]


def test_only_some_globs_are_remembered() -> None:
    sources = Sources([f"*.{number}" for number in range(1000)])
    assert list(sources) == []
    assert 0 < len(sources.unmatched) < 100


@pytest.mark.parametrize("pattern", ["*.txt", "*.jpg", "a*"])
def test_a_glob_that_matches_something_is_not(tmp_path: Path, pattern: str) -> None:
    put(tmp_path, "c.txt", content=b"text")
    put(tmp_path, "abc")
    (tmp_path / ".gitignore").write_text("*.jpg\n")
    sources = Sources([pattern])
    assert len(list(sources)) == {"*.txt": 0, "*.jpg": 0, "a*": 3}[pattern]
    assert sources.unmatched == []


def test_the_folders_of_version_control_and_ignored_files_match_nothing(tmp_path: Path) -> None:
    put(tmp_path, ".git/a.png", "raw/a.png")
    (tmp_path / ".gitignore").write_text("raw/\n")
    sources = Sources(["**/a.png"], selection=Selection(exclude=("deep",)))
    assert [item.source for item in sources] == ["a.png", ".dot/a.png", "d[1]/a.png", "sub/a.png", "x.d/a.png"]
    assert sources.ignored == 2


def test_links_do_not_lead_into_circles(tmp_path: Path) -> None:
    (tmp_path / "sub/loop").symlink_to("..")
    assert "sub/loop/a.png" not in _names("**/a.png")


@pytest.mark.parametrize("url", ["https://example.com/*.png", "HTTP://example.com/a?b=[1]", "oss://bucket/*.png"])
def test_addresses_are_no_globs(url: str) -> None:
    assert _names(url) == [url]


def test_files_beside_the_matches_are_neither_opened_nor_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "notes", content=b"text")
    monkeypatch.setattr("moderate_cli.sources.folders.has_image_content", lambda _: pytest.fail("opened"))
    sources = Sources(["*.jpg"])
    assert [item.source for item in sources] == ["ab.jpg"]
    assert sources.non_images == 0


def test_a_glob_may_match_by_content_too(tmp_path: Path) -> None:
    put(tmp_path, "scan1", "scan2", content=PNG)
    put(tmp_path, "scan3", content=b"text")
    assert _names("scan*") == ["scan1", "scan2"]
