"""Where a report goes: standard output, or a file in one piece."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.render.output import OutputError, open_output

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def _write(path: Path, text: str) -> None:
    with open_output(path, io.StringIO()) as stream:
        stream.write(text)


def test_without_a_file_it_is_standard_output_and_stays_open() -> None:
    stdout = io.StringIO()
    with open_output(None, stdout) as stream:
        assert stream is stdout
        stream.write("data")
    assert stdout.getvalue() == "data"


def test_a_file_is_written_as_utf_8_with_plain_newlines(tmp_path: Path) -> None:
    _write(tmp_path / "out.json", "图\n")
    assert (tmp_path / "out.json").read_bytes() == "图\n".encode()


def test_an_empty_report_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("old")
    _write(tmp_path / "out.json", "")
    assert (tmp_path / "out.json").read_text() == ""


def test_the_older_file_stays_until_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    with open_output(target, io.StringIO()) as stream:
        stream.write("new")
        stream.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["out.json"]  # noqa: PTH208


def test_a_reader_of_the_older_file_is_not_disturbed(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    with target.open() as reader:
        _write(target, "new")
        assert reader.read() == "old"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real/out.json", tmp_path / "link.json"
    if exists:
        target.write_text("old")
    link.symlink_to(target)
    _write(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["out.json"]


@posix
def test_a_device_stays_a_device() -> None:
    _write(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116


def _a_folder(folder: Path) -> Path:
    return folder


def _in_a_missing_folder(folder: Path) -> Path:
    return folder / "missing/out.json"


def _below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file/out.json"


@pytest.mark.parametrize("make", [_a_folder, _in_a_missing_folder, _below_a_file])
def test_a_place_that_cannot_be_written_is_a_usage_error_at_once(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    with pytest.raises(UsageError) as caught, open_output(path, io.StringIO()):
        pytest.fail("nothing may be judged before it is known where the result goes")
    assert (caught.value.exit_code, caught.value.code) == (ExitCode.USAGE, "output_unwritable")
    assert str(path) in caught.value.message


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), OSError("disk")])
def test_an_error_before_anything_was_written_keeps_the_older_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    with pytest.raises(type(error)), open_output(target, io.StringIO()):
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_before_anything_was_written_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), open_output(tmp_path / "out.json", io.StringIO()):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_an_error_afterwards_keeps_what_was_paid_for(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    with pytest.raises(type(error)), open_output(target, io.StringIO()) as stream:
        stream.write("one verdict\n")
        raise error
    assert target.read_text() == "one verdict\n"
    assert list(tmp_path.iterdir()) == [target]


@posix
@pytest.mark.usefixtures("umask")
def test_permissions_of_a_new_file_follow_the_umask(tmp_path: Path) -> None:
    _write(tmp_path / "out.json", "new")
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o640
    assert os.umask(0o027) == 0o027


@posix
def test_a_report_keeps_the_permissions_of_the_one_it_replaces(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.touch(0o600)
    _write(target, "new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@posix
def test_a_pipe_by_its_descriptor_is_written() -> None:
    reader, writer = os.pipe()
    _write(Path(f"/dev/fd/{writer}"), "data")
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        assert file.read() == "data"


@posix
def test_an_error_of_the_run_is_not_taken_for_one_of_the_device() -> None:
    with pytest.raises(BrokenPipeError), open_output(Path("/dev/null"), io.StringIO()):
        raise BrokenPipeError


@posix
def test_a_link_to_itself_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError):
        _write(tmp_path / "loop", "x")


def test_a_long_name_is_no_obstacle(tmp_path: Path) -> None:
    _write(tmp_path / ("x" * 250), "data")
    assert (tmp_path / ("x" * 250)).read_text(encoding="utf-8") == "data"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("text", ["short", "x" * 1_000_000])
def test_a_full_device_ends_the_run_and_is_named(text: str) -> None:
    with pytest.raises(OutputError) as caught:
        _write(Path("/dev/full"), text)
    assert (caught.value.exit_code, caught.value.code) == (ExitCode.FATAL, "output_failed")
    assert caught.value.message == "cannot write '/dev/full': No space left on device"


@pytest.mark.parametrize("lines", [1, 100_000])
def test_what_fitted_on_a_full_disk_is_kept(tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.jsonl"

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        _write(target, "{}\n" * lines)
    assert str(target) in caught.value.message
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "{}\n" * lines


@posix
def test_a_pipe_whose_reader_has_gone_is_no_full_disk() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        _write(Path(f"/dev/fd/{writer}"), "data")
    os.close(writer)


def test_a_name_that_is_no_name_says_so() -> None:
    with pytest.raises(UsageError, match="directory"):
        _write(Path(), "data")
