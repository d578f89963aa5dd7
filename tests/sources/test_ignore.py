"""What of a folder is wanted: ignore files, which Git itself is asked about, and patterns of the command line."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from trees import found, put

from moderate_cli.common.errors import UsageError
from moderate_cli.sources import Selection, SourceList, Sources
from moderate_cli.sources.folders import walk
from moderate_cli.sources.ignore import IGNORE_FILES, read_ignore_file

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

NAMES = ["a", "b", "c", "d.png", "e.png", "f.jpg", "ab", "a b", "build", "x[1].png", "ü.png", ".hid", "n.tar.gz", "!x"]
PATTERNS = [
    *("a", "b/", "*.png", "!*.png", "/a", "/b/", "a/b", "a/**", "**/a", "**/b/", "a/**/c", "*", "!*/", "!a", "!b/"),
    *("!d.png", "*.jpg", "?", "[ab]", "[!a]", "\\!x", "# comment", "", "a*", "*b", "/*", "!/a", "!/b", "a/*", "!a/c"),
    *("b/*.png", "**", "*/", "x\\[1\\].png", "x[[]1].png", "build/", "!build/d.png", "n.*", "*.gz", "a b", "a\\ b "),
    *("d.png   ", "[z-a]", "**/c/d.png", "/a/b/", "c/**/", "*/b", "!*/b", "/**/a", "a**", "ü.*", "a\\"),
]


def _ignore(folder: Path, *lines: str, name: str = ".gitignore") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")


def _grow(jitter: random.Random, folder: Path, depth: int) -> None:
    """Make a folder with files, folders and now and then an ignore file."""
    for name in jitter.sample(NAMES, jitter.randint(2, 6)):
        if depth and jitter.random() < 0.55 and not name.endswith(("png", "jpg")):
            (folder / name).mkdir()
            _grow(jitter, folder / name, depth - 1)
        else:
            (folder / name).touch()
    if jitter.random() < 0.5:
        _ignore(folder, *jitter.choices(PATTERNS, k=jitter.randint(1, 6)))


def _kept_by_git(root: Path) -> set[str]:
    files = [
        os.path.relpath(path, root)
        for path in root.rglob("*")
        if not path.is_dir() and ".git" not in path.relative_to(root).parts
    ]
    command = ["git", "-C", str(root), "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(command, input="\0".join(files).encode(), capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(files) - set(done.stdout.decode().split("\0"))


def _kept(root: Path, below: str = "") -> set[str]:
    return {os.path.relpath(chunk.prefix + file[0], root) for chunk in walk(str(root / below)) for file in chunk.files}


@needs_git
@pytest.mark.parametrize("seed", range(40))
def test_ignore_files_mean_what_they_mean_to_git(tmp_path: Path, seed: int) -> None:
    _grow(random.Random(seed), tmp_path, 3)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    kept = _kept_by_git(tmp_path)
    assert _kept(tmp_path) == kept
    for folder in (path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != ".git"):
        expected = {name for name in kept if name.startswith(f"{folder}/")}
        if expected:  # a folder that Git ignores was named all the same
            assert _kept(tmp_path, folder) == expected


def test_what_is_left_out_is_counted_and_folders_are_not_entered(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png", "raw/1.png", "raw/2.png", "sub/b.png")
    _ignore(tmp_path, "b.png", "raw/")
    sources = Sources([str(tmp_path)])
    assert [Path(item.source).name for item in sources] == ["a.png"]
    assert (sources.ignored, sources.non_images) == (3, 1)


@pytest.mark.parametrize(
    ("git", "own", "kept"),
    [
        (["*.png"], [], []),
        ([], ["*.png"], []),
        (["*.png"], ["!a.png"], ["a.png", "sub/a.png"]),
        (["!a.png"], ["*.png"], []),
        (["a.png", "", "# b.png"], ["b.png"], ["sub/c.png"]),
    ],
)
def test_our_own_ignore_file_has_the_last_word_in_a_folder(
    tmp_path: Path, git: list[str], own: list[str], kept: list[str]
) -> None:
    put(tmp_path, "a.png", "b.png", "sub/a.png", "sub/c.png")
    _ignore(tmp_path, *git)
    _ignore(tmp_path, *own, name=".moderateignore")
    assert found(tmp_path) == kept


def test_a_deeper_ignore_file_has_the_last_word(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/a.png", "sub/deep/a.png", "sub/keep/a.png")
    _ignore(tmp_path, "*.png", name=".moderateignore")
    _ignore(tmp_path / "sub", "!a.png", "!keep/")
    _ignore(tmp_path / "sub/deep", "a.png")
    assert found(tmp_path) == ["sub/a.png", "sub/keep/a.png"]


def test_ignore_files_above_count_up_to_the_repository(tmp_path: Path) -> None:
    put(tmp_path, "repository/photos/x/a.png", "repository/photos/x/b.png", "repository/photos/x/c.png")
    _ignore(tmp_path, "a.png")
    _ignore(tmp_path / "repository", "b.png")
    _ignore(tmp_path / "repository/photos", "/x/c.png")
    photos = tmp_path / "repository/photos/x"
    assert found(photos) == ["a.png", "b.png", "c.png"]
    (tmp_path / "repository/.git").mkdir()
    assert found(photos) == ["a.png"]
    (tmp_path / "repository/.git").rmdir()
    (photos / ".git").write_text("gitdir: elsewhere\n")
    assert found(photos) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("named", ["build", "build/out"])
def test_a_named_folder_is_looked_into_even_if_it_is_ignored(tmp_path: Path, named: str) -> None:
    put(tmp_path, "build/out/a.png", "build/out/b.png")
    (tmp_path / ".git").mkdir()
    _ignore(tmp_path, "build/", "b.png")
    assert found(tmp_path) == []
    _ignore(tmp_path / "build/out", "a.png")
    assert found(tmp_path / named) == [os.path.relpath(tmp_path / "build/out/b.png", tmp_path / named)]


def test_a_named_file_is_never_left_out(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    _ignore(tmp_path, "*")
    path = str(tmp_path / "a.png")
    for selection in (Selection(), Selection(exclude=("*",)), Selection(include=("*.jpg",))):
        sources = Sources([path, "https://example.com/a.png"], selection=selection)
        assert [item.source for item in sources] == [path, "https://example.com/a.png"]
        assert sources.ignored == 0


def test_ignore_files_can_be_turned_off(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    _ignore(tmp_path, "a.png")
    assert found(tmp_path, selection=Selection(ignore_files=False)) == ["a.png", "b.png"]
    assert found(tmp_path, selection=Selection(exclude=("b.png",), ignore_files=False)) == ["a.png"]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa.png\r\nb.png\r\n", b"a.png\nb.png", "a.png\nb.png\nü\n".encode()])
def test_ignore_files_are_read_as_they_come(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / ".gitignore").write_bytes(content)
    assert found(tmp_path) == ["c.png"]


def test_names_that_are_not_utf_8_can_be_ignored(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    put(tmp_path, name, "a.png")
    (tmp_path / ".gitignore").write_bytes(b"\xff.png\n")
    assert found(tmp_path) == ["a.png"]


def test_names_with_line_feeds_can_be_ignored(tmp_path: Path) -> None:
    put(tmp_path, "x\ny/a.png", "x\ny/b.jpg", "c\n.png")
    _ignore(tmp_path, "x*/*.png", "c?.png")
    assert found(tmp_path) == ["x\ny/b.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_ignore_file_that_is_none_ignores_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/b.png")
    (tmp_path / ".gitignore").mkdir()
    os.mkfifo(tmp_path / ".moderateignore")
    (tmp_path / "sub/.gitignore").symlink_to("nowhere")
    assert found(tmp_path) == ["a.png", "sub/b.png"]


def test_an_ignore_file_that_cannot_be_read_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "a.png")
    _ignore(tmp_path, "a.png")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse)
        kept = found(tmp_path)
    assert kept == ["a.png"]
    assert caplog.messages == [f"{tmp_path / '.gitignore'} cannot be read: Permission denied"]


@pytest.mark.parametrize(
    ("include", "exclude", "kept"),
    [
        ((), (), ["a.png", "b.jpg", "sub/a.png", "sub/raw/c.png"]),
        (("*.png",), (), ["a.png", "sub/a.png", "sub/raw/c.png"]),
        (("/*.png",), (), ["a.png"]),
        (("sub/",), (), ["sub/a.png", "sub/raw/c.png"]),
        (("sub/**/*.png", "*.jpg"), (), ["b.jpg", "sub/a.png", "sub/raw/c.png"]),
        (("*.png", "!a.png"), (), ["sub/raw/c.png"]),
        ((), ("raw",), ["a.png", "b.jpg", "sub/a.png"]),
        ((), ("a.png", "!/sub/a.png"), ["b.jpg", "sub/a.png", "sub/raw/c.png"]),
        (("*.png",), ("sub",), ["a.png"]),
        (("*.gif",), (), []),
    ],
)
def test_patterns_of_the_command_line(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], kept: list[str]
) -> None:
    put(tmp_path, "a.png", "b.jpg", "sub/a.png", "sub/raw/c.png")
    assert found(tmp_path, selection=Selection(include, exclude)) == kept


def test_patterns_are_relative_to_each_root(tmp_path: Path) -> None:
    put(tmp_path, "one/a.png", "one/sub/a.png", "two/a.png", "two/sub/a.png")
    sources = Sources([str(tmp_path / "one"), str(tmp_path / "two")], selection=Selection(exclude=("/a.png",)))
    assert [item.source for item in sources] == [str(tmp_path / "one/sub/a.png"), str(tmp_path / "two/sub/a.png")]
    assert sources.ignored == 2


def test_what_is_included_can_still_be_ignored(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    _ignore(tmp_path, "a.png")
    assert found(tmp_path, selection=Selection(include=("*.png",))) == ["b.png"]


@pytest.mark.parametrize("text", ["", "  ", "# comment", "/", "a\\", "[", "[[:foo:]]"])
def test_what_is_no_pattern_is_a_mistake_of_the_command_line(text: str) -> None:
    for selection in (Selection(include=(text,)), Selection(exclude=("a", text))):
        with pytest.raises(UsageError) as caught:
            Sources([], selection=selection)
        assert repr(text) in caught.value.message


HARD = "*a*a*a*a*a*a*ab*"  # years for a regular expression that backtracks, beside a name of many a's


@pytest.mark.parametrize(
    "pattern", [HARD, f"**/{HARD}", f"x/**/{HARD}/**/*", "*?*?*?*?*?*b", "[a-z]*[a-z]*[!b]*[a-z]*b"]
)
@pytest.mark.parametrize("place", [*IGNORE_FILES, "include", "exclude", "list", "source"])
def test_no_pattern_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, place: str) -> None:
    put(tmp_path, "a" * 255, f"x/y/{'a' * 255}")
    monkeypatch.chdir(tmp_path)
    if place in IGNORE_FILES:
        _ignore(tmp_path, pattern, name=place)
    chosen = {place: (pattern,)} if place in {"include", "exclude"} else {}
    listed = io.StringIO(f"x/y/{'a' * 255}") if place == "list" else None
    if place == "list":
        _ignore(tmp_path, pattern)
    started = time.process_time()
    names = {"source": pattern, "list": "-"}.get(place, ".")
    count = len(list(Sources([names], selection=Selection(**chosen), stdin=listed)))
    assert time.process_time() - started < 0.1
    assert count == {"include": 0, "list": 1, "source": 0}.get(place, 2)


def test_a_long_ignore_file_counts_to_its_last_whole_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "a.png", "b.png")
    (tmp_path / ".gitignore").write_bytes(b"a.png\n" + b"#" * (1024 * 1024 - 8) + b"\n*.png\n")
    assert found(tmp_path) == ["b.png"]
    assert caplog.messages == [f"{tmp_path / '.gitignore'} is larger than 1 MB; the rest is ignored"]


def test_another_reader_of_ignore_files(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/b.png", "sub/c.png")
    _ignore(tmp_path, "*")
    contents = {f"{tmp_path}/sub/.moderateignore": b"c.png"}
    assert found(tmp_path, selection=Selection(read_ignore_file=contents.get)) == ["a.png", "sub/b.png"]


# --- what was named in lists, or is left out by force


def _named(names: Iterable[str], *, by: str = "list", **options: Any) -> tuple[list[str], int]:
    """Return what is judged of some names, and how many were left out."""
    if by == "list":
        stdin = io.StringIO("".join(f"{name}\n" for name in names))
        sources = Sources(["-"], selection=Selection(**options), stdin=stdin)
    else:
        sources = Sources(list(names), selection=Selection(**options, force_exclude=by == "force"))
    return [item.source for item in sources], sources.ignored


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository to work in, with ignore files on two levels."""
    put(tmp_path, "repository/a.png", "repository/b.png", "repository/raw/c.png", "repository/sub/a.png")
    put(tmp_path, "repository/sub/deep/d.png", "repository/sub/deep/a.png", "repository/sub/raw.png")
    root = tmp_path / "repository"
    (root / ".git").mkdir()
    _ignore(tmp_path, "*")
    _ignore(root, "raw/", "b.png", "/a.png")
    _ignore(root / "sub", "deep/a.png", name=".moderateignore")
    monkeypatch.chdir(root)
    return root


LISTED = ["a.png", "b.png", "raw/c.png", "./sub/a.png", "sub/deep/d.png", "sub/../sub/deep/a.png", "sub/raw.png"]
WANTED = ["./sub/a.png", "sub/deep/d.png", "sub/raw.png"]


@pytest.mark.parametrize("by", ["list", "force"])
def test_listed_files_are_left_out_by_ignore_files(repository: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    assert _named(LISTED, by=by) == (WANTED, 4)
    assert _named(LISTED, by=by, ignore_files=False) == (LISTED, 0)
    absolute = [str(repository / name) for name in LISTED]
    assert _named(absolute, by=by) == ([str(repository / name) for name in WANTED], 4)
    monkeypatch.chdir(repository / "sub")
    assert _named(["../a.png", "../b.png", "deep/a.png", "a.png"], by=by) == (["a.png"], 3)


def test_arguments_are_judged_all_the_same(repository: Path) -> None:
    assert _named(LISTED, by="argument", exclude=("*",)) == (LISTED, 0)
    assert _named(["raw"], by="argument") == (["raw/c.png"], 0)


@pytest.mark.parametrize("by", ["list", "force"])
def test_listed_files_are_left_out_by_patterns_of_the_command_line(repository: Path, by: str) -> None:
    names = [*LISTED, str(repository / "sub/raw.png")]
    assert _named(names, by=by, ignore_files=False, exclude=("raw*",))[0] == [
        *("a.png", "b.png", "./sub/a.png", "sub/deep/d.png", "sub/../sub/deep/a.png")
    ]
    assert _named(names, by=by, ignore_files=False, exclude=("/sub", "b.png")) == (["a.png", "raw/c.png"], 6)
    assert _named(names, by=by, ignore_files=False, exclude=("sub", "!a.png"))[0] == ["a.png", "b.png", "raw/c.png"]
    assert _named(names, by=by, ignore_files=False, include=("/sub/*.png",))[0] == [
        *("./sub/a.png", "sub/raw.png", str(repository / "sub/raw.png"))
    ]
    assert _named(names, by=by, include=("raw*",)) == (["sub/raw.png", str(repository / "sub/raw.png")], 6)


@pytest.mark.parametrize("by", ["list", "force"])
def test_files_outside_of_the_working_folder(tmp_path: Path, repository: Path, by: str) -> None:
    put(tmp_path, "other/a.png", "other/b.png", "other/c/d.png")
    _ignore(tmp_path / "other", "b.png")
    names = ["../other/a.png", str(tmp_path / "other/b.png"), "../other/c/d.png"]
    assert _named(names, by=by) == ([names[0], names[2]], 1)
    assert _named(names, by=by, exclude=("c/", "a.png")) == ([], 3)


@pytest.mark.parametrize("by", ["list", "force"])
def test_without_a_repository_ignore_files_count_from_the_working_folder(
    tmp_path: Path, repository: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / ".git").rmdir()
    assert _named(LISTED, by=by) == (WANTED, 4)
    monkeypatch.chdir(repository / "sub")
    assert _named(["deep/a.png", "../raw/c.png", "../a.png"], by=by) == (["../raw/c.png"], 2)


@pytest.mark.parametrize("by", ["list", "force"])
def test_listed_folders(repository: Path, by: str) -> None:
    assert _named(["raw", "sub/", "."], by=by) == (
        ["sub/a.png", "sub/raw.png", "sub/deep/d.png", "./sub/a.png", "./sub/raw.png", "./sub/deep/d.png"],
        1 + 1 + 4,
    )
    assert _named(["raw", "sub"], by=by, exclude=("sub/",), ignore_files=False) == (["raw/c.png"], 1)


@pytest.mark.parametrize("by", ["list", "force"])
def test_addresses_in_lists_are_never_left_out(repository: Path, by: str) -> None:
    names = ["https://example.com/a.png", "HTTP://example.com/raw/b.png", "oss://bucket/raw/a.png", "https://\udcff/a"]
    assert _named(names, by=by, exclude=("*",), include=("nothing",)) == (names, 0)


@pytest.mark.parametrize("by", ["list", "force"])
@pytest.mark.parametrize("name", ["gone.png", "x/gone.png", "caf\udce9.png", "a" * 5000, "-"])
def test_names_of_nothing_are_left_out_by_their_name_alone(repository: Path, name: str, by: str) -> None:
    name = "./-" if name == "-" else name
    assert _named([name], by=by) == ([name], 0)
    assert _named([name], by=by, exclude=(name.removeprefix("./"),)) == ([], 1)


def test_names_that_no_file_can_have_are_kept_so_that_they_get_reported(repository: Path) -> None:
    for name in ("a\0b.png", "\ud800.png"):
        assert _named([name], by="force", exclude=("*.jpg",)) == ([name], 0)


def test_a_working_folder_that_was_removed_leaves_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert _named(["a.png"]) == (["a.png"], 0)


def test_ignore_files_are_read_once_for_a_list_in_order(repository: Path) -> None:
    put(repository, *(f"many/{number}/{name}.png" for number in range(20) for name in range(20)))
    read: list[str] = []

    def reader(path: str) -> bytes | None:
        read.append(path)
        return read_ignore_file(path)

    names = [f"many/{number}/{name}.png" for number in range(20) for name in range(20)]
    assert _named(names, read_ignore_file=reader) == (names, 0)
    assert len(read) == len(set(read)) == 2 * 22


def test_named_files_that_are_left_out_are_counted_by_the_file_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / ".moderateignore").write_text("b.png\n", encoding="utf-8")
    (tmp_path / "a" / ".gitignore").write_text("c.png\n", encoding="utf-8")
    for name in ("b.png", "a/c.png", "d.png", "e.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "list").write_text("b.png\na/c.png\nd.png\ne.png\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    sources = Sources((), lists=(SourceList("list"),), selection=Selection(exclude=("d.png",)))
    assert [item.source for item in sources] == ["e.png"]
    assert sources.ignored == 3
    assert sources.ignored_by == {".moderateignore": 1, "a/.gitignore": 1}
