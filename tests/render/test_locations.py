"""How reports name an input: relative to the repository where they can, and always as a URI that can be read."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from render_builders import HOSTILE_NAMES

from moderate_cli.models import ImageUrl, Item, LocalFile, OssObject, Post, QueuedTask
from moderate_cli.render.locations import Locations


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, and a folder in it as the current one."""
    root = tmp_path / "repository"
    (root / "assets").mkdir(parents=True)
    (root / ".git").mkdir()
    monkeypatch.chdir(root / "assets")
    return root


def _file(path: str | Path) -> Item:
    return Item(str(path), LocalFile(Path(path)))


@pytest.mark.parametrize("name", ["a.png", "./a.png", "../assets/a.png"])
def test_a_file_is_named_by_the_root_of_the_repository(repository: Path, name: str) -> None:
    for item in (_file(name), _file(repository / "assets" / name)):
        assert Locations().path(item) == "assets/a.png"
        assert Locations().uri(item) == ("assets/a.png", True)


def test_a_work_tree_has_a_file_in_place_of_the_folder(repository: Path) -> None:
    (repository / ".git").rmdir()
    (repository / ".git").write_text("gitdir: elsewhere")
    assert Locations().path(_file("a.png")) == "assets/a.png"


def test_without_a_repository_the_current_folder_is_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Locations().uri(_file("x/a.png")) == ("x/a.png", True)


def test_a_file_elsewhere_is_an_absolute_uri_and_no_path_of_the_repository(repository: Path) -> None:
    item = _file("../../other/a b.png")
    assert Locations().path(item) is None
    assert Locations().uri(item) == ((repository.parent / "other/a b.png").as_uri(), False)


def test_a_repository_behind_a_link_is_known_by_both_names(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(repository)
    assert Locations().path(_file(tmp_path / "link/assets/a.png")) == "assets/a.png"
    monkeypatch.chdir(tmp_path / "link")
    assert Locations().path(_file(repository / "assets/a.png")) == "assets/a.png"


@pytest.mark.usefixtures("repository")
def test_a_link_in_the_repository_is_named_by_its_own_name(tmp_path: Path) -> None:
    Path("link.png").symlink_to(tmp_path / "elsewhere.png")
    assert Locations().path(_file("link.png")) == "assets/link.png"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "100%.png", "a b#c?.png"])
def test_every_name_is_an_encoded_uri(name: str) -> None:
    name = name.replace("/", "_")
    uri = Locations().uri(_file(name))
    assert uri.text.isascii()
    assert urlsplit(uri.text).path == uri.text
    assert unquote(uri.text, errors="surrogateescape") == f"assets/{name}"


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("https://example.com/a%20b.png", "example.com/a%20b.png"),
        ("https://example.com/a b.png", "example.com/a%20b.png"),
        ("https://example.com/100%.png", "example.com/100%25.png"),
        ("https://example.com/图 1.png", "example.com/%E5%9B%BE%201.png"),
        ('HTTP://example.com/"<x>', "example.com/%22%3Cx%3E"),
        ("https://example.com/a.png?x=1&y=%2F#z", "example.com/a.png%3Fx=1&y=%2F"),
        ("https://user:secret@example.com:8443/a:b.png", "example.com%3A8443/a:b.png"),
        ("https://[::1]:80/a.png", "%5B%3A%3A1%5D%3A80/a.png"),
        ("https://example.com/../../etc/./a.png", "example.com/etc/a.png"),
        ("https://example.com", "example.com"),
        ("http://[bad/a.png", "%5Bbad/a.png"),
        ("https://example.com/\ud800.png", "example.com/%EF%BF%BD.png"),
    ],
)
def test_an_address_is_its_host_and_path(address: str, uri: str) -> None:
    item = Item(address, ImageUrl(address))
    assert Locations().path(item) is None
    assert Locations().is_remote(item)
    assert Locations().uri(item) == (uri, False)
    assert not urlsplit(uri).scheme


def test_a_masked_signature_stays_masked() -> None:
    item = Item("https://example.com/a.png?Signature=***", ImageUrl("https://example.com/a.png?Signature=geheim"))
    assert Locations().uri(item).text == "example.com/a.png%3FSignature=***"


@pytest.mark.parametrize(
    ("key", "uri"),
    [
        ("a b.png", "bucket/a%20b.png"),
        ("100%41.png", "bucket/100%2541.png"),
        ("x?y#z.png", "bucket/x%3Fy%23z.png"),
        ("../../a.png", "bucket/a.png"),
    ],
)
def test_an_object_is_its_bucket_and_key(key: str, uri: str) -> None:
    item = Item(f"oss://bucket/{key}?region=cn-shanghai", OssObject("bucket", key, "cn-shanghai"))
    assert Locations().uri(item) == (uri, False)


@pytest.mark.usefixtures("repository")
def test_the_folder_of_an_input() -> None:
    found = {
        "a.png": "assets",
        "../a.png": "",
        "x/y/a.png": "assets/x/y",
        "/elsewhere/x/a.png": "/elsewhere/x",
        "https://example.com/x/a.png?y=/z": "example.com/x",
        "oss://bucket/x/a.png": "bucket/x",
    }
    for source, folder in found.items():
        item = Item(source, ImageUrl(source)) if "://" in source else _file(source)
        assert Locations().folder(item) == folder


@pytest.mark.usefixtures("repository")
def test_a_post_is_where_its_file_is() -> None:
    assert Locations().path(Item("posts.yaml#2", Post({}))) == "assets/posts.yaml"
    assert Locations().path(Item("posts.yaml#2", QueuedTask("Q1", "multimodal"))) == "assets/posts.yaml"
    assert Locations().path(_file("photo#2")) == "assets/photo#2"
