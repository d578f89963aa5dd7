"""Folders, walked for images."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from pathlib import Path

import pytest

from moderate_cli.sources import Sources
from moderate_cli.sources.folders import walk

PNG = b"\x89PNG\r\n\x1a\n"
needs_fifos = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


def _put(folder: Path, *names: str, content: bytes = PNG) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _walk(folder: Path) -> dict[str, bool]:
    return {os.path.relpath(path, folder): is_image for path, is_image in walk(str(folder))}


def test_nested_folders_are_walked_in_the_order_of_names(tmp_path: Path) -> None:
    _put(tmp_path, "c.png", "b/z.jpg", "b/a.webp", "a/deep/er/x.gif", ".hidden/h.png")
    names = [os.path.relpath(path, tmp_path) for path, _ in walk(str(tmp_path))]
    assert names == [".hidden/h.png", "a/deep/er/x.gif", "b/a.webp", "b/z.jpg", "c.png"]


def test_paths_start_with_the_folder_as_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(tmp_path, "photos/a.png")
    monkeypatch.chdir(tmp_path)
    assert [path for path, _ in walk("photos")] == ["photos/a.png"]
    assert [path for path, _ in walk("./photos/")] == ["./photos/a.png"]


@pytest.mark.parametrize("folder", [".git", ".hg", ".svn"])
def test_the_folders_of_version_control_are_left_out(tmp_path: Path, folder: str) -> None:
    _put(tmp_path, f"{folder}/a.png", f"sub/{folder}/b.png", "sub/c.png")
    assert _walk(tmp_path) == {"sub/c.png": True}


def test_a_file_named_like_such_a_folder_is_left_out_too(tmp_path: Path) -> None:
    _put(tmp_path, ".git", content=b"gitdir: elsewhere\n")
    assert _walk(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "content", "is_image"),
    [
        ("a.txt", b"text", False),
        ("empty", b"", False),
        ("text.jpg", b"text", True),
        ("empty.PNG", b"", True),
        ("a.Jpeg", b"text", True),
        ("a.avif", b"text", True),
        ("a.heic", b"text", True),
        ("no_suffix", PNG, True),
        ("wrong.txt", PNG, True),
        (".png", b"text", False),
    ],
)
def test_a_name_or_the_content_makes_an_image(tmp_path: Path, name: str, content: bytes, is_image: bool) -> None:
    _put(tmp_path, name, content=content)
    assert _walk(tmp_path) == {name: is_image}


def test_links_to_folders_do_not_lead_into_circles(tmp_path: Path) -> None:
    _put(tmp_path, "sub/a.png")
    (tmp_path / "sub/up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "sub/self").symlink_to("self")
    assert _walk(tmp_path) == {"sub/a.png": True}


def test_links_to_files_are_followed(tmp_path: Path) -> None:
    _put(tmp_path, "a.png")
    (tmp_path / "link").symlink_to("a.png")
    assert _walk(tmp_path) == {"a.png": True, "link": True}


@pytest.mark.parametrize("target", ["nowhere.png", "broken.png"])
def test_a_broken_link_named_like_an_image_is_kept_so_that_it_gets_reported(tmp_path: Path, target: str) -> None:
    (tmp_path / "broken.png").symlink_to(target)
    assert _walk(tmp_path) == {"broken.png": True}


@needs_fifos
def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    _put(tmp_path, "a.png")
    assert _walk(tmp_path) == {"a.png": True}


def test_a_file_that_cannot_be_read_is_an_image_by_its_name_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    _put(tmp_path, "a.png", "secret")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert _walk(tmp_path) == {"a.png": True, "secret": False}


def test_a_folder_that_vanished_is_reported_and_not_lost(tmp_path: Path) -> None:
    assert list(walk(str(tmp_path / "gone"))) == [(str(tmp_path / "gone"), True)]


def test_a_folder_that_vanishes_on_the_way_does_not_end_the_walk(tmp_path: Path) -> None:
    _put(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    walked = walk(str(tmp_path))
    first = next(walked)
    shutil.rmtree(tmp_path / "b")
    rest = [(os.path.relpath(path, tmp_path), is_image) for path, is_image in walked]
    assert first == (str(tmp_path / "a/1.png"), True)
    assert rest == [("b", True), ("c/3.png", True)]


def test_names_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    raw = [b"\xff.png", b"\xfe\xfd", b"\xe9t\xe9/\x80.jpg"]
    for name in raw:
        path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - Path takes no bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(PNG)
    found = [path for path, is_image in walk(str(tmp_path)) if is_image]
    assert sorted(os.fsencode(path) for path in found) == sorted(os.fsencode(tmp_path) + b"/" + name for name in raw)


def test_files_of_folders_that_are_no_images_are_counted(tmp_path: Path) -> None:
    _put(tmp_path, "a.png", "sub/b.jpg")
    _put(tmp_path, "README", "sub/c.txt", "sub/d.txt", content=b"text")
    sources = Sources([str(tmp_path)])
    assert [item.source for item in sources] == [str(tmp_path / "a.png"), str(tmp_path / "sub/b.jpg")]
    assert sources.passed_over == 3


def test_folders_nested_deeper_than_pythons_stack_are_walked(tmp_path: Path) -> None:
    depth = 200
    (tmp_path / Path(*["a"] * depth)).mkdir(parents=True)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + depth // 2)
    try:
        paths = [path for path, _ in walk(str(tmp_path))]
    finally:
        sys.setrecursionlimit(limit)
    assert paths == []
