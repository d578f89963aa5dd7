"""The items behind the SOURCE arguments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trees import PNG, put, sources_of, stat_of

from moderate_cli.models import BrokenInput, ImageUrl, Item, LocalFile, OssObject
from moderate_cli.sources import Shard, Sources


@pytest.mark.parametrize(
    "url", ["http://example.com/a.png", "https://example.com/a.png?x=1", "HTTPS://EXAMPLE.COM/A", "http://[::1]/é"]
)
def test_an_address_is_an_image_that_the_service_downloads(url: str) -> None:
    assert list(Sources([url])) == [Item(url, ImageUrl(url))]


@pytest.mark.parametrize("name", ["missing.png", "notes.txt", "C:/a.png", "a:b", "a\0b"])
def test_everything_else_is_a_file_whether_it_is_there_or_not(name: str) -> None:
    assert list(Sources([name])) == [Item(name, LocalFile(Path(name)))]


def test_what_was_named_is_never_passed_over(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("text")
    sources = Sources([str(text)])
    assert list(sources) == [Item(str(text), LocalFile(text))]
    assert sources.non_images == 0


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
    assert [item.image for item in Sources([str(path), str(tmp_path)])] == [
        LocalFile(path),
        LocalFile(path, stat_of(path)),
    ]
    assert path.stat().st_atime_ns == old


def test_a_name_too_long_for_the_file_system_is_an_item() -> None:
    name = "x" * 300
    assert list(Sources([name])) == [Item(name, LocalFile(Path(name)))]


def test_the_same_file_reached_twice_is_two_items(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    assert [item.source for item in Sources([str(path), str(tmp_path), str(tmp_path / "?.png")])] == [str(path)] * 3


@pytest.mark.parametrize(
    ("name", "there", "expected"),
    [
        ("*.png", ["*.png", "bad.png", "a.jpg"], ["*.png", "bad.png"]),
        ("./sub//*.png", ["sub/*.png", "sub/bad.png"], ["./sub//*.png", "./sub//bad.png"]),
        ("sub/**/*.png", ["sub/**/*.png", "sub/bad.png"], ["sub/**/*.png", "sub/bad.png"]),
        ("sub/**", ["sub/**/a.png", "sub/b.png"], ["sub/**/a.png", "sub/b.png"]),
        ("*/", ["*/a.png", "sub/bad.png"], ["*/a.png", "sub/bad.png"]),
        ("a[1].png", ["a[1].png", "a1.png"], ["a[1].png", "a1.png"]),
        ("a[1].png", ["a[1].png"], ["a[1].png"]),
        ("[1]", ["[1]/a.png", "1/b.png"], ["[1]/a.png", "1/b.png"]),
    ],
)
def test_what_has_the_name_of_a_glob_hides_nothing_that_the_glob_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, there: list[str], expected: list[str]
) -> None:
    put(tmp_path, *there)
    monkeypatch.chdir(tmp_path)
    sources = Sources([name])
    assert sources_of(list(sources)) == expected
    assert (sources.unmatched, sources.non_images, sources.ignored) == ([], 0, 0)
    parts = [Sources([name], shard=Shard(number, 2)) for number in (1, 2)]
    assert sorted(source for part in parts for source in sources_of(list(part))) == sorted(expected)


def test_a_file_with_the_name_of_a_glob_is_named_and_never_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "*.png", "bad.png")
    (tmp_path / ".gitignore").write_text("*.png\n")
    monkeypatch.chdir(tmp_path)
    assert sources_of(list(Sources(["*.png"]))) == ["*.png"]


@pytest.mark.parametrize(
    ("source", "image"),
    [
        ("oss://bucket/a.png", OssObject("bucket", "a.png")),
        ("OSS://bucket/folder/a b", OssObject("bucket", "folder/a b")),
        ("oss://bucket//a.png", OssObject("bucket", "/a.png")),
        ("oss://bucket/a.png?region=CN-Beijing ", OssObject("bucket", "a.png", "cn-beijing")),
        ("oss://bucket/a?region=b/c.png", OssObject("bucket", "a?region=b/c.png")),
    ],
)
def test_one_object_needs_no_listing(source: str, image: OssObject) -> None:
    assert list(Sources([source])) == [Item(source, image)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "the name is empty"),
        ("oss://", "no bucket is named"),
        ("oss:///a.png", "no bucket is named"),
        ("oss://bucket/a.png?region=", "'' is not a region id"),
        ("oss://bucket/a.png?region=cn-beijing&x=1", "'cn-beijing&x=1' is not a region id"),
        ("oss://bucket/a.png?region=a?region=b", "'a?region=b' is not a region id"),
        ("https://", "the address names no host"),
        ("http://[", "the address names no host"),
        ("https://:80/a.png", "the address names no host"),
        ("oss://bucket/photos/?region=cn-beijing", "buckets cannot be listed here"),
        ("https://example.com/\udcff.png", "not UTF-8 text"),
        ("oss://bucket/\udcff.png", "not UTF-8 text"),
        ("oss://bucket/photos/", "buckets cannot be listed here"),
    ],
)
def test_an_address_that_cannot_be_sent_is_an_outcome(source: str, message: str) -> None:
    (item,) = Sources([source])
    assert item.source == source
    assert isinstance(item.image, BrokenInput)
    assert item.image.error.message == message
