"""Names that look like addresses: what is read, and what is refused with the way to write it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from trees import put, sources_of

from moderate_cli.models import BrokenInput, ImageUrl, Item, LocalFile, Post
from moderate_cli.sources import SourceList, Sources, addresses
from moderate_cli.sources.posts import post_of_flags


def _refused(name: str) -> tuple[str, str, str | None]:
    """Return the code, the message and the hint of a name, which are the same for an argument and in a list."""
    (item,) = Sources([name])
    stdin = io.TextIOWrapper(io.BytesIO(os.fsencode(name) + b"\n"))
    (listed,) = Sources([], lists=[SourceList("-")], stdin=stdin)
    assert isinstance(item.image, BrokenInput)
    assert isinstance(listed.image, BrokenInput)
    error, other = item.image.error, listed.image.error
    assert (error.code, error.message, error.hint) == (other.code, other.message, other.hint)
    return error.code, error.message, error.hint


@pytest.mark.parametrize("start", ["file://", "file:", "FILE://", "file://localhost", "file://LocalHost"])
def test_the_uri_of_a_file_is_its_path(tmp_path: Path, start: str) -> None:
    path = tmp_path / "ä b%[1].png"
    path.write_bytes(b"")
    uri = start + path.as_uri().removeprefix("file://")
    expected = Item(str(path), LocalFile(path))
    assert list(Sources([uri])) == [expected]
    assert list(Sources([], lists=[SourceList("-")], stdin=io.StringIO(uri))) == [expected]
    assert list(Sources([start + str(path).replace("%", "%25")])) == [expected]


def test_the_uri_of_a_folder_is_walked_and_that_of_a_glob_is_none(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    assert sources_of(list(Sources([tmp_path.as_uri()]))) == [f"{tmp_path}/a.png"]
    assert sources_of(list(Sources([f"{tmp_path.as_uri()}/*.png"]))) == [f"{tmp_path}/*.png"]


def test_bytes_that_are_no_utf_8_stay_what_they_are() -> None:
    assert sources_of(list(Sources(["file:///tmp/%FF.png"]))) == ["/tmp/\udcff.png"]


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///C:/a%20b.png", "C:/a b.png"),
        ("file:///c|/a.png", "c:/a.png"),
        ("file://C:/a.png", "C:/a.png"),
        ("file:/C:/a.png", "C:/a.png"),
        ("file://server/share/a.png", "//server/share/a.png"),
        ("file:///photos/a.png", "/photos/a.png"),
    ],
)
def test_drives_and_shares_of_windows(monkeypatch: pytest.MonkeyPatch, uri: str, path: str) -> None:
    monkeypatch.setattr(addresses, "_IS_WINDOWS", True)
    assert addresses.path_of(uri) == path


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file://server/a.png", "'server' is another machine"),
        ("file://", "no path is named"),
        ("file:///a%00b.png", "a file name has no NUL"),
    ],
)
def test_the_uri_of_no_file_here_is_refused(uri: str, message: str) -> None:
    assert _refused(uri)[:2] == ("source_invalid", message)


@pytest.mark.parametrize(
    ("name", "scheme", "hint"),
    [
        ("s3a://b/k.png", "s3a://", "signed https://"),
        ("S3A://b/*.png", "s3a://", "signed https://"),
        ("gs://b/k?x=[1]", "gs://", "signed https://"),
        ("ftp://h/a.png", "ftp://", "download it first"),
        ("git+ssh://h/a", "git+ssh://", "download it first"),
        ("htps://h/a.png", "htps://", "write https://"),
        ("data:image/png;base64,iVBORw0KGgo=", "data:", "pipe its bytes"),
    ],
)
def test_a_scheme_that_is_not_read_is_named(name: str, scheme: str, hint: str) -> None:
    code, message, said = _refused(name)
    assert (code, message) == ("scheme_unsupported", f"{scheme} addresses are not read")
    assert hint in (said or "")


@pytest.mark.parametrize("name", ["http:/h/a.png", "https:\\\\h\\a", " https://h/a.png", "oss:/b/k", "s3:/b/k"])
def test_an_address_that_is_written_in_a_wrong_way_is_refused(name: str) -> None:
    code, message, hint = _refused(name)
    assert code == "source_invalid"
    assert message.startswith("not an address of ")
    assert hint


@pytest.mark.parametrize("name", ["example.com/a.png", "www.example.com/a?b=c", "//h.example/a.png", "localhost:80/a"])
def test_an_address_without_a_scheme_is_told_how_to_be_written(name: str) -> None:
    expected = f"for an address write https://{name.lstrip('/')}"
    assert _refused(name) == ("not_found", "no such file", expected)


@pytest.mark.parametrize("name", ["example.com/a.png", "s3:/b/k.png", "data:x"])
def test_a_file_that_is_there_is_a_file_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(tmp_path, name)
    monkeypatch.chdir(tmp_path)
    assert list(Sources([name])) == [Item(name, LocalFile(Path(name)))]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://h/a b.png", "the address contains a space at character 12"),
        ("https://h/a.png ", "the address contains a space at character 16"),
        ("https://h/a\tb", "the address contains the character '\\t' at 12"),
        ("https://h/a\x7fb", "the address contains the character '\\x7f' at 12"),
        ("https://h/a\u3000b", "the address contains the character '\\u3000' at 12"),
        ("https://h/a\u200bb", "the address contains the character '\\u200b' at 12"),
        ("https://", "the address names no host"),
        ("https:///a.png", "the address names no host"),
        ("http://?a", "the address names no host"),
    ],
)
def test_an_address_that_cannot_be_sent_is_refused(url: str, message: str) -> None:
    assert _refused(url)[:2] == ("source_invalid", message)


def test_of_data_only_the_start_is_told() -> None:
    (item,) = Sources(["data:image/png;base64," + "A" * 100_000])
    assert item.source == "data:image/png;base64,AAAAAAAAAAAAAAAAAA..."


def _image_of_post(name: str) -> object:
    item = post_of_flags("a title", None, [name], [])
    return item.image.content["mainData"]["mainImages"] if isinstance(item.image, Post) else item.image


def test_images_of_posts_are_named_alike(tmp_path: Path) -> None:
    assert _image_of_post((tmp_path / "a b.png").as_uri()) == [{"file": str(tmp_path / "a b.png")}]
    assert _image_of_post("https://h/a.png") == [{"imageUrl": "https://h/a.png"}]
    assert _image_of_post("a.png") == [{"file": "a.png"}]
    for name, words in (
        ("s3://b/k.png", "s3:// addresses are not read"),
        ("https://h/a b.png", "contains a space"),
        ("example.com/a.png", "no such file"),
        ("file://server/a.png", "another machine"),
    ):
        broken = _image_of_post(name)
        assert isinstance(broken, BrokenInput)
        assert words in broken.error.message
        assert broken.error.hint


def test_a_list_of_addresses_is_an_image_each() -> None:
    assert list(Sources(["http://h", "https://h/ü.png"])) == [
        Item("http://h", ImageUrl("http://h")),
        Item("https://h/ü.png", ImageUrl("https://h/ü.png")),
    ]
