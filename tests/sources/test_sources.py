"""The items behind the SOURCE arguments."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest

from moderate_cli.sources import Sources
from moderate_cli.verdicts import ImageUrl, Item, LocalFile

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    "url", ["http://example.com/a.png", "https://example.com/a.png?x=1", "HTTPS://EXAMPLE.COM/A", "https://"]
)
def test_an_address_is_an_image_that_the_service_downloads(url: str) -> None:
    assert list(Sources([url])) == [Item(url, ImageUrl(url))]


@pytest.mark.parametrize("name", ["missing.png", "notes.txt", "ftp://example.com/a.png", "http:/one-slash", "a\0b"])
def test_everything_else_is_a_file_whether_it_is_there_or_not(name: str) -> None:
    assert list(Sources([name])) == [Item(name, LocalFile(Path(name)))]


def test_what_was_named_is_never_passed_over(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("text")
    sources = Sources([str(text)])
    assert list(sources) == [Item(str(text), LocalFile(text))]
    assert sources.passed_over == 0


def test_sources_keep_the_order_in_which_they_were_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.png").write_bytes(PNG)
    names = ["https://example.com/z", str(tmp_path / "folder"), "missing.png"]
    assert [item.source for item in Sources(names)] == [names[0], str(tmp_path / "folder/a.png"), names[2]]


def test_a_link_that_was_named_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.png").write_bytes(PNG)
    (tmp_path / "link").symlink_to("folder", target_is_directory=True)
    assert [item.source for item in Sources([str(tmp_path / "link")])] == [str(tmp_path / "link/a.png")]


def test_an_empty_folder_has_no_items(tmp_path: Path) -> None:
    assert list(Sources([str(tmp_path)])) == []


def test_a_folder_is_opened_only_when_its_turn_comes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(PNG)
    items = iter(Sources([str(tmp_path / "one"), str(tmp_path / "two")]))
    first = next(items)
    (tmp_path / "two/b.png").write_bytes(PNG)
    (tmp_path / "three.png").write_bytes(PNG)
    assert [first.source, *(item.source for item in items)] == [
        str(tmp_path / "one/a.png"),
        str(tmp_path / "two/a.png"),
        str(tmp_path / "two/b.png"),
    ]


def test_an_item_does_not_open_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    before = path.stat().st_atime_ns
    os.utime(path, ns=(before - 10**12, path.stat().st_mtime_ns))
    old = path.stat().st_atime_ns
    assert [item.image for item in islice(Sources([str(path), str(tmp_path)]), 2)] == [LocalFile(path)] * 2
    assert path.stat().st_atime_ns == old


def test_a_name_too_long_for_the_file_system_is_an_item() -> None:
    name = "x" * 300
    assert list(Sources([name])) == [Item(name, LocalFile(Path(name)))]
