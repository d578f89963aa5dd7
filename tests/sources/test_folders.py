"""Folders, walked for images."""

from __future__ import annotations

import errno
import inspect
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import PNG, found, put, stat_of

from moderate_cli.app.run import unmatched
from moderate_cli.common.errors import InputError, RefusedError
from moderate_cli.models import BrokenInput, Item, LocalFile
from moderate_cli.preflight import check_file
from moderate_cli.sources import Selection, Sources, folders
from moderate_cli.sources.folders import walk

needs_fifos = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@pytest.fixture(params=["by descriptor", "by path"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to read a folder: systems differ in the ones they have."""
    if request.param == "by path":
        monkeypatch.setattr(folders, "_BY_DESCRIPTOR", False)


def _refuse(
    monkeypatch: pytest.MonkeyPatch, name: str, error: type[OSError] | None, *, code: int = errno.EACCES
) -> None:
    """Let a folder of some name refuse to be opened."""
    real = os.open

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).rstrip("/").endswith(name):
            raise (error or OSError)(code, os.strerror(code))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", opened)


@pytest.mark.usefixtures("way")
def test_files_come_in_the_order_of_names_and_before_the_folders_beside_them(tmp_path: Path) -> None:
    put(tmp_path, "c.png", "b/z.jpg", "b/a.webp", "a/deep/er/x.gif", "a/y.gif", ".hidden/h.png", "B.png")
    assert found(tmp_path) == ["B.png", "c.png", ".hidden/h.png", "a/y.gif", "a/deep/er/x.gif", "b/a.webp", "b/z.jpg"]


def test_paths_start_with_the_folder_as_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "photos/a.png")
    monkeypatch.chdir(tmp_path)
    for name, shown in (("photos", "photos/a.png"), ("./photos/", "./photos/a.png"), (".", "./photos/a.png")):
        assert [item.source for item in Sources([name])] == [shown]


@pytest.mark.usefixtures("way")
def test_a_file_comes_with_its_stat(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/b.png")
    (tmp_path / "link.png").symlink_to("sub/b.png")
    images = {item.source: item.image for item in Sources([str(tmp_path)])}
    for name in ("a.png", "sub/b.png", "link.png"):
        path = tmp_path / name
        assert images[str(path)] == LocalFile(path, stat_of(path))


@pytest.mark.parametrize("folder", [".git", ".hg", ".svn"])
def test_the_folders_of_version_control_are_left_out(tmp_path: Path, folder: str) -> None:
    put(tmp_path, f"{folder}/a.png", f"sub/{folder}/b.png", "sub/c.png")
    (tmp_path / "sub/deep").mkdir()
    (tmp_path / f"sub/deep/{folder}").symlink_to(tmp_path / "sub")
    assert found(tmp_path) == ["sub/c.png"]


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
        (".hidden.png", b"text", True),
        (".png", b"text", False),
        ("png", b"text", False),
        ("a.png.txt", b"text", False),
    ],
)
def test_a_name_or_the_content_makes_an_image(tmp_path: Path, name: str, content: bytes, is_image: bool) -> None:
    put(tmp_path, name, content=content)
    sources = Sources([str(tmp_path)])
    assert [item.source for item in sources] == ([str(tmp_path / name)] if is_image else [])
    assert sources.non_images == (not is_image)


def test_files_that_are_no_images_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/b.jpg")
    put(tmp_path, "README", "sub/c.txt", "sub/d.txt", ".git", content=b"text")
    sources = Sources([str(tmp_path)])
    assert [item.source for item in sources] == [str(tmp_path / "a.png"), str(tmp_path / "sub/b.jpg")]
    assert sources.non_images == 4


def test_a_file_named_like_an_image_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png", "secret")
    _refuse(monkeypatch, "a.png", PermissionError)
    assert found(tmp_path) == ["a.png", "secret"]


def test_a_file_that_cannot_be_read_is_an_image_by_its_name_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.png", "secret")
    _refuse(monkeypatch, "secret", PermissionError)
    assert found(tmp_path) == ["a.png"]


@pytest.mark.usefixtures("way")
def test_links_to_files_are_followed(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "sub/b.png")
    (tmp_path / "link").symlink_to("a.png")
    (tmp_path / "sub/link").symlink_to(tmp_path / "link")
    assert found(tmp_path) == ["a.png", "link", "sub/b.png", "sub/link"]


@pytest.mark.usefixtures("way")
def test_links_to_folders_are_followed_once_each(tmp_path: Path) -> None:
    put(tmp_path, "z/deep/a.png")
    for name in ("a", "b"):
        (tmp_path / name).symlink_to("z/deep")
    sources = Sources([str(tmp_path)])
    assert [os.path.relpath(item.source, tmp_path) for item in sources] == ["a/a.png", "z/deep/a.png"]
    assert sources.links == 0


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with two images and six links, of which four lead out of it, beside what they lead to."""
    put(tmp_path, "root/a.png", "root/sub/b.png", "rootless/c.png", "elsewhere/deep/d.png")
    root = tmp_path / "root"
    (root / "pics").symlink_to("../elsewhere")
    (root / "root.png").symlink_to("/")
    (root / "sub/pic").symlink_to(tmp_path / "rootless/c.png")
    (root / "sub/nowhere.png").symlink_to("../../nothing/there.png")
    (root / "inside").symlink_to("../root/sub/../a.png")
    (root / "sub/up").symlink_to("..")
    return root


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["root", "./root/", "named", "{}/root", "root/sub/.."])
def test_links_out_of_the_named_folder_are_counted_and_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outside: Path, name: str
) -> None:
    (tmp_path / "named").symlink_to("root")  # which was named, and is followed
    monkeypatch.chdir(tmp_path)
    sources = Sources([name.format(tmp_path)])
    assert [Path(item.source).name for item in sources] == ["a.png", "inside", "b.png"]
    assert (sources.links, sources.non_images, sources.ignored) == (4, 0, 0)
    monkeypatch.chdir(outside)
    sources = Sources(["sub", "."])
    assert [item.source for item in sources] == ["sub/b.png", "./a.png", "./inside", "./sub/b.png"]
    assert sources.links == 3 + 4  # `up` leads out of `sub`


@pytest.mark.usefixtures("way")
def test_a_link_that_was_named_is_followed_wherever_it_leads(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(outside)
    sources = Sources(["pics", "sub/pic", "pics/*/*.png"])
    assert [item.source for item in sources] == ["pics/deep/d.png", "sub/pic", "pics/deep/d.png"]
    assert sources.links == 0


def test_a_link_that_a_glob_matches_was_not_named(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(outside)
    for glob, links in (("pic?", 1), ("sub/pi*", 1), ("*/deep/*", 2)):
        sources = Sources([glob])
        assert list(sources) == []
        assert (sources.links, sources.unmatched) == (links, [])


@pytest.mark.usefixtures("way")
def test_links_out_of_the_folder_can_be_followed(tmp_path: Path, outside: Path) -> None:
    (outside / "root.png").unlink()
    (tmp_path / "elsewhere/back").symlink_to("../root")
    (tmp_path / "elsewhere/again").symlink_to("deep")
    sources = Sources([str(outside)], selection=Selection(follow_links=True))
    names = [os.path.relpath(item.source, outside) for item in sources]
    assert names == [
        "a.png",
        "inside",
        "pics/again/d.png",
        "pics/deep/d.png",
        "sub/b.png",
        "sub/pic",
        "sub/nowhere.png",
    ]
    assert sources.links == 0


def test_what_is_left_out_is_not_counted_as_a_link(outside: Path) -> None:
    (outside / ".git").symlink_to("../elsewhere")
    sources = Sources([str(outside)], selection=Selection(exclude=("pics", "pic")))
    assert len(list(sources)) == 3
    assert (sources.links, sources.ignored) == (2, 2)


@pytest.mark.usefixtures("way")
def test_links_do_not_lead_into_circles(tmp_path: Path) -> None:
    put(tmp_path, "root/sub/a.png", "outside/b.png")
    (tmp_path / "root/sub/up").symlink_to(tmp_path / "root")
    (tmp_path / "root/sub/here").symlink_to(".")
    (tmp_path / "root/sub/self").symlink_to("self")
    (tmp_path / "root/out").symlink_to("../outside")
    (tmp_path / "outside/back").symlink_to("../root")
    (tmp_path / "outside/above").symlink_to("..")
    everywhere = Selection(follow_links=True)
    assert found(tmp_path / "root", selection=everywhere) == ["out/b.png", "sub/a.png"]
    assert found(tmp_path / "root") == ["sub/a.png"]


def test_links_that_lead_to_each_other_are_followed_once_each(tmp_path: Path) -> None:
    # Each folder links twice to the next one: as many paths as there are powers of two lead to the last.
    for number in range(40):
        put(tmp_path, f"pool/{number}/{number}.png")
        for name in ("left", "right"):
            (tmp_path / f"pool/{number}/{name}").symlink_to(f"../{number + 1}")
    (tmp_path / "root").symlink_to("pool/0")
    names = [Path(name).name for name in found(tmp_path / "root", selection=Selection(follow_links=True))]
    assert sorted(names) == sorted(f"{number}.png" for number in range(40))


@pytest.mark.parametrize("target", ["nowhere.png", "broken.png"])
def test_a_broken_link_named_like_an_image_is_kept_so_that_it_gets_reported(tmp_path: Path, target: str) -> None:
    (tmp_path / "broken.png").symlink_to(target)
    (tmp_path / "broken").symlink_to(target)
    sources = Sources([str(tmp_path)])
    assert list(sources) == [Item(str(tmp_path / "broken.png"), LocalFile(tmp_path / "broken.png"))]
    assert sources.non_images == 1


@needs_fifos
def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link").symlink_to("pipe")
    put(tmp_path, "a.png")
    sources = Sources([str(tmp_path)])
    assert [item.source for item in sources] == [str(tmp_path / "a.png"), str(tmp_path / "pipe.png")]
    assert sources.non_images == 2


def test_a_root_that_vanished_is_reported(tmp_path: Path) -> None:
    (chunk,) = walk(str(tmp_path / "gone"))
    assert isinstance(chunk.error, FileNotFoundError)
    assert chunk.files == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("becomes", ["nothing", "a file"])
def test_what_vanishes_on_the_way_is_passed(tmp_path: Path, becomes: str) -> None:
    put(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    walked = iter(Sources([str(tmp_path)]))
    first = next(walked)
    shutil.rmtree(tmp_path / "b")
    if becomes == "a file":
        (tmp_path / "b").write_bytes(PNG)
    assert [first.source, *(item.source for item in walked)] == [str(tmp_path / "a/1.png"), str(tmp_path / "c/3.png")]


class _Vanishing:
    """An entry of a folder whose file is gone, or hidden, by the time that somebody asks for its stat."""

    def __init__(self, name: str, error: OSError) -> None:
        self.name = name
        self._error = error

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return True

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        raise self._error


@pytest.mark.parametrize(
    ("error", "kept"),
    [(FileNotFoundError(errno.ENOENT, "gone"), []), (PermissionError(errno.EACCES, "refused"), ["b.png"])],
)
def test_a_file_that_vanished_is_passed_and_one_without_stat_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, kept: list[str]
) -> None:
    put(tmp_path, "a.png")
    real = folders._Level._add
    extra: list[Any] = [_Vanishing("b.png", error)]
    monkeypatch.setattr(folders._Level, "_add", lambda level, entries, chunk: real(level, extra + entries, chunk))
    assert found(tmp_path) == ["a.png", *kept]


def test_a_folder_that_cannot_be_opened_is_an_outcome_and_the_walk_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a/1.png", "secret/2.png", "z/3.png")
    _refuse(monkeypatch, "secret", PermissionError)
    first, broken, last = Sources([str(tmp_path)])
    assert (first.source, last.source) == (str(tmp_path / "a/1.png"), str(tmp_path / "z/3.png"))
    assert broken.source == str(tmp_path / "secret")
    assert isinstance(broken.image, BrokenInput)
    assert isinstance(broken.image.error, InputError)
    assert broken.image.error.message == "cannot list the folder: Permission denied"
    assert broken.image.error.code == "unreadable"


@pytest.mark.parametrize("failing", ["stat", "scandir"])
def test_no_descriptor_stays_open_when_a_folder_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    closed: list[int] = []
    real = os.close
    monkeypatch.setattr(os, "close", lambda descriptor: (closed.append(descriptor), real(descriptor)))
    with monkeypatch.context() as patch:
        patch.setattr(folders.os, failing, fail)
        (chunk,) = walk(str(tmp_path))
    assert chunk.error is not None
    assert len(closed) == 1


def test_a_listing_that_breaks_off_keeps_what_it_showed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png", "sub/b.png")
    real = os.scandir

    class Breaking:
        def __init__(self, path: Any) -> None:
            self._entries = real(path)

        def __iter__(self) -> Breaking:
            return self

        def __next__(self) -> os.DirEntry[str]:
            for entry in self._entries:
                return entry
            raise OSError(errno.EIO, "Input/output error")

        def close(self) -> None:
            self._entries.close()

    with monkeypatch.context() as patch:
        patch.setattr(folders.os, "scandir", Breaking)
        first, broken, *rest = Sources([str(tmp_path)])
    assert first.source == str(tmp_path / "a.png")
    assert broken.source == str(tmp_path)
    assert isinstance(broken.image, BrokenInput)
    assert [item.source for item in rest] == [str(tmp_path / "sub/b.png"), str(tmp_path / "sub")]


@pytest.mark.usefixtures("way")
def test_names_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    raw = [b"\xff.png", b"\xfe\xfd", b"\xe9t\xe9/\x80.jpg"]
    for name in raw:
        path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - Path takes no bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(PNG)
    sources = [item.source for item in Sources([str(tmp_path)])]
    assert sorted(map(os.fsencode, sources)) == sorted(os.fsencode(tmp_path) + b"/" + name for name in raw)


@pytest.mark.parametrize("name", ["a\nb.png", "-rf.png", " .png", "[1].png", "*.png", "a\tb\x1b[31m.png", "图.png"])
def test_odd_names_survive(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, f"{name.removesuffix('.png')}/x.png")
    assert found(tmp_path) == [name, f"{name.removesuffix('.png')}/x.png"]


def test_folders_nested_deeper_than_pythons_stack_are_walked(tmp_path: Path) -> None:
    depth = 200
    (tmp_path / Path(*["a"] * depth)).mkdir(parents=True)
    put(tmp_path / Path(*["a"] * depth), "x.png")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + depth // 2)
    try:
        paths = [file[0] for chunk in walk(str(tmp_path)) for file in chunk.files]
    finally:
        sys.setrecursionlimit(limit)
    assert paths == ["x.png"]


@pytest.fixture
def open_descriptors() -> Callable[[], int]:
    """Count the files that this process has open."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    return lambda: sum(1 for _ in folder.iterdir())


@pytest.fixture
def crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 25 files and 7 folders with one file each, which is crowded."""
    monkeypatch.setattr(folders, "CHUNK", 10)
    put(tmp_path, *(f"{number:02}.png" for number in range(25)), *(f"folder{number}/x.png" for number in range(7)))
    return tmp_path


def test_a_crowded_folder_is_held_in_chunks(crowd: Path, open_descriptors: Callable[[], int]) -> None:
    before = open_descriptors()
    sizes = []
    names = set()
    for chunk in walk(str(crowd)):
        if chunk.folder == str(crowd):
            assert not chunk.is_whole
            assert [file[0] for file in chunk.files] == sorted(file[0] for file in chunk.files)
            sizes.append(len(chunk.files))
        else:
            assert chunk.is_whole
            assert open_descriptors() <= before + 2  # the crowded folder, and its listing
        names.update(f"{chunk.folder}/{file[0]}" for file in chunk.files)
    assert len(sizes) == 4
    assert max(sizes) <= 10
    assert sum(sizes) == 25
    assert len(names) == 32
    assert open_descriptors() == before


def test_a_walk_that_is_given_up_closes_its_folders(crowd: Path, open_descriptors: Callable[[], int]) -> None:
    before = open_descriptors()
    walked = walk(str(crowd))
    next(walked)
    assert open_descriptors() > before
    walked.close()
    assert open_descriptors() == before


def test_a_folder_of_25000_files_is_not_read_ahead(tmp_path: Path) -> None:
    for number in range(25_000):
        os.close(os.open(tmp_path / f"{number:05d}.png", os.O_CREAT | os.O_WRONLY))
    sizes = [len(chunk.files) for chunk in walk(str(tmp_path))]
    assert max(sizes) == folders.CHUNK
    assert sum(sizes) == 25_000
    items = iter(Sources([str(tmp_path)]))
    next(items)
    for path in tmp_path.iterdir():
        path.unlink()
    assert sum(1 for _ in items) < 2 * folders.CHUNK  # what the system had read, and the chunk itself


CAMERA_RAW = [
    ("a.cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(40)),
    ("a.CR3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"),
    ("a.nef", b"MM\0*" + bytes(60)),
    ("a.DNG", b"II*\0" + bytes(60)),
    ("a.arw", b"II*\0" + bytes(60)),
    ("a.raf", b"FUJIFILMCCD-RAW 0201" + bytes(60)),
    ("a.rw2", b"IIU\0" + bytes(60)),
    ("a.orf", b"IIRO" + bytes(60)),
    ("a.pef", b"nothing that is known"),
]


@pytest.mark.parametrize(("name", "content"), CAMERA_RAW)
def test_camera_raw_is_passed_over_in_a_folder_and_refused_where_it_is_named(
    tmp_path: Path, name: str, content: bytes
) -> None:
    put(tmp_path, name, content=content)
    sources = Sources([str(tmp_path)])
    assert list(sources) == []
    assert (sources.camera_raw, sources.non_images) == (1, 0)
    with (tmp_path / name).open("rb") as file, pytest.raises(RefusedError) as caught:
        check_file(file, len(content))
    assert (caught.value.code, caught.value.hint) == ("camera_raw", "export it as JPEG, PNG or TIFF")


def test_the_content_decides_what_else_the_name_of_camera_raw_is(tmp_path: Path) -> None:
    put(tmp_path, "a.nef")
    assert found(tmp_path) == ["a.nef"]


def test_an_empty_folder_is_told_as_a_glob_without_a_match_is(tmp_path: Path) -> None:
    put(tmp_path, "a/a.png", "text/a.txt", content=PNG)
    (tmp_path / "empty/below").mkdir(parents=True)
    names = [str(tmp_path / name) for name in ("a", "empty", "text", "*.gif")]
    sources = Sources(names)
    assert len(list(sources)) == 2
    assert sources.unmatched == [names[1], names[3]]
    assert unmatched(sources) == [f"no file in {names[1]}", f"no file matches {names[3]}"]
