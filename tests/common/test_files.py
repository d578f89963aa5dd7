"""Files: what stands at a name is the old content or the new one, and nothing is read beyond its limit."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moderate_cli.common.errors import ExitCode
from moderate_cli.common.files import AtomicFile, FileError, atomic_write, nearest, read_bytes, read_text, upward

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("content", "expected"), [("图\n", "图\n".encode()), (b"\xff", b"\xff"), ("", b"")])
def test_a_whole_file_is_written_and_nothing_is_left_beside_it(
    tmp_path: Path, content: str | bytes, expected: bytes
) -> None:
    for _ in range(2):
        atomic_write(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == expected
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@posix
@pytest.mark.usefixtures("umask")
def test_the_mode_is_the_given_one_else_the_old_one_else_what_the_umask_allows(tmp_path: Path) -> None:
    path = tmp_path / "a"
    atomic_write(path, "x")
    assert _mode(path) == 0o640
    path.chmod(0o604)
    atomic_write(path, "y")
    assert _mode(path) == 0o604
    atomic_write(path, "z", mode=0o600)
    assert _mode(path) == 0o600


@posix
def test_nobody_reads_a_secret_out_of_the_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch(0o600)
    file = AtomicFile(tmp_path / "a")
    assert {_mode(path) for path in tmp_path.iterdir()} == {0o600}
    file.discard()


def test_two_writers_at_once_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    first, second = AtomicFile(tmp_path / "a"), AtomicFile(tmp_path / "a")
    first.write(b"first")
    second.write(b"second")
    assert first.commit()
    assert second.commit()
    assert (tmp_path / "a").read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.parametrize("seam", ["fsync", "replace"])
def test_an_older_file_survives_a_full_disk(tmp_path: Path, seam: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if seam == "fsync" else Path, seam, full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_text_that_cannot_be_encoded_touches_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        atomic_write(tmp_path / "a", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_what_is_discarded_was_never_there(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"x")
    assert not file.is_empty
    file.discard()
    file.discard()
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "real").mkdir()
    if exists:
        (tmp_path / "real" / "a").write_text("old")
    (tmp_path / "link").symlink_to("real/a")
    atomic_write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_text() == "new"


@posix
def test_a_circle_of_links_and_an_impossible_name_are_errors_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="links"):
        atomic_write(tmp_path / "loop", "x")
    with pytest.raises(OSError, match="null"):
        atomic_write(tmp_path / "a\0b", "x")
    assert (tmp_path / "loop").is_symlink()


@posix
@pytest.mark.parametrize("letter", ["x", "图", "😀"])
def test_a_name_as_long_as_the_file_system_bears(tmp_path: Path, letter: str) -> None:
    path = tmp_path / (letter * (255 // len(letter.encode())))
    atomic_write(path, "x")
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_pipe_and_a_device_are_written_directly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    atomic_write(Path(f"/dev/fd/{writer}"), "data")
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read() == "data"
    atomic_write(Path("/dev/null"), "data")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@posix
def test_an_open_file_under_a_streams_name_is_added_to(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        log.write("before\n")
        log.flush()
        atomic_write(Path(f"/dev/fd/{log.fileno()}"), "after\n")
    assert (tmp_path / "log").read_text() == "before\nafter\n"


@posix
@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM])
def test_a_file_that_cannot_be_replaced_is_written_over(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("an old and longer text")
    before = (tmp_path / "a").stat().st_ino

    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    file = AtomicFile(tmp_path / "a")
    file.write(b"new")
    assert not file.commit()
    assert ((tmp_path / "a").read_text(), (tmp_path / "a").stat().st_ino) == ("new", before)
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_takes_no_new_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("an old and longer text")
    folder.chmod(0o555)
    try:
        atomic_write(folder / "a", "new")
        with pytest.raises(PermissionError):
            atomic_write(folder / "b", "new")
    finally:
        folder.chmod(0o755)
    assert (folder / "a").read_text() == "new"


def test_a_folder_on_a_file_system_that_takes_no_new_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("an old and longer text")
    really_open = os.open

    def refuse(path: Any, flags: int, *more: int) -> int:
        if Path(path).parent == tmp_path:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return really_open(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)
    file = AtomicFile(tmp_path / "a")
    file.write(b"new")
    monkeypatch.setattr(Path, "replace", lambda *_: refuse(tmp_path / "a", 0))
    assert not file.commit()
    assert (tmp_path / "a").read_text() == "new"
    with pytest.raises(OSError, match="Read-only"):
        AtomicFile(tmp_path / "b")


def test_a_text_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path, 6) == "abc"
    assert read_bytes(path, 6) == b"\xef\xbb\xbfabc"


@pytest.mark.parametrize(
    ("limit", "words"), [(1_000, "1 KB"), (4_096, "4 KB"), (1_024 * 1_024, "1 MB"), (10_000_000, "10 MB")]
)
def test_what_is_too_large_is_refused(tmp_path: Path, limit: int, words: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(limit + 1))
    with pytest.raises(FileError) as caught:
        read_bytes(path, limit, name="a.yaml")
    error = caught.value
    assert (error.message, error.reason, error.code) == (
        f"a.yaml: larger than {words}",
        f"larger than {words}",
        "too_large",
    )
    assert error.exit_code is ExitCode.USAGE


def test_each_error_says_what_is_wrong(tmp_path: Path) -> None:
    def refused(name: str, **more: Any) -> tuple[str, str, str | None]:
        with pytest.raises(FileError) as caught:
            read_text(tmp_path / name, 10, name=name, what="rules file", hint="check --rules", **more)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        return caught.value.message, caught.value.code, caught.value.hint

    (tmp_path / "latin").write_bytes(b"a\nb\n\xe9")
    assert refused("missing") == ("there is no rules file missing", "not_found", "check --rules")
    assert refused("latin") == ("latin:3: not UTF-8 text", "not_text", None)
    assert refused(".") == ("cannot read .: Is a directory", "not_a_file", None)
    assert refused(".", regular_only=True) == ("cannot read .: not a regular file", "not_a_file", None)
    assert refused("a\0b") == ("cannot read a\0b: embedded null byte", "unreadable", None)


@posix
def test_a_pipe_is_not_waited_for_where_a_file_is_meant(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="not a regular file"):
        read_bytes(tmp_path / "pipe", 10, regular_only=True)


@posix
def test_a_pipe_that_was_asked_for_is_read() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as file:
        file.write("data")
    assert read_text(Path(f"/dev/fd/{reader}"), 10) == "data"
    os.close(reader)


def test_the_nearest_folder_that_holds_something_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    name = "mark-of-this-test"
    assert nearest(name, str(deep)) is None
    (tmp_path / name).mkdir()
    assert nearest(name, str(deep)) == str(tmp_path)
    (deep / name).touch()
    assert nearest(name, str(deep)) == str(deep)
    assert list(upward(str(deep)))[:3] == [str(deep), str(tmp_path / "a"), str(tmp_path)]
    assert list(upward(os.sep)) == [os.sep]
