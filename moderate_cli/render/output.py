"""Where a report goes: standard output, or a file that appears in one piece."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from moderate_cli.errors import ExitCode, ModerateError, UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

# What a rename, or a new file beside another, fails with where the other one may still be written.
_NO_PLACE = frozenset({errno.EBUSY, errno.EPERM, errno.EACCES, errno.EXDEV, errno.EROFS})
_LONGEST_NAME = 100  # characters of the file's own name inside its temporary one; file systems bear 255 bytes


class OutputError(ModerateError):
    """A file that was being written cannot be written any more; a full disk, most often."""

    exit_code = ExitCode.FATAL

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write {str(path)!r}: {error.strerror or error}",
            code="output_failed",
            hint="make room, or choose another file",
        )


def _ignore(_: str) -> None:
    """Tell nobody."""


@contextmanager
def open_output(path: Path | None, stdout: TextIO, *, note: Callable[[str], None] = _ignore) -> Iterator[TextIO]:
    """Yield the stream to write to: standard output for None, else a file.

    The file takes its name, and the place of an older one, only when all is written; a device or a pipe is written as
    it is, and so is, at the end and with a `note`, a file whose place cannot be taken. What was written before an error
    is kept, because verdicts were paid for. Raises UsageError at once where the file cannot be written, and OutputError
    where it cannot be written any more; then an older file stays as it was.
    """
    if path is None:
        yield stdout
        return
    if str(path) == "-":
        hint = "leave the option out for standard output, or write ./- for a file of that name"
        raise UsageError("- is no name of a file here", code="output_unwritable", hint=hint)
    try:
        is_device = path.exists() and not path.is_file()
        target = path if is_device else path.resolve()
        temporary, stream = (target, _open(target, path, "w")) if is_device else _open_temporary(target, path)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle of links; ValueError: no name at all
        message = f"cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message, code="output_unwritable", hint="choose another file") from error
    if is_device:
        with stream:
            yield stream
        return
    try:
        with stream:
            yield stream
            _sync(stream, path)
    except BaseException as error:
        if isinstance(error, OutputError) and target.exists():  # an older report that is whole is worth more
            temporary.unlink(missing_ok=True)
            raise
        if temporary.stat().st_size:
            _keep(temporary, target, path, note)
        else:
            temporary.unlink()
        raise
    _keep(temporary, target, path, note)


class _File(io.FileIO):
    """A file that says under which name it was asked for, where it cannot be written any more."""

    def __init__(self, path: Path, shown: Path, mode: str) -> None:
        self._shown = shown
        super().__init__(path, mode)

    def write(self, data: Buffer) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(self._shown, error) from error


def _open_temporary(target: Path, shown: Path) -> tuple[Path, TextIO]:
    """Open a file beside a target, or, where its folder takes none and it is there, in the system's own place."""
    name = f".{target.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}.partial"
    beside = target.with_name(name)
    try:
        return beside, _open(beside, shown, "x")
    except OSError as error:
        if error.errno not in _NO_PLACE or not os.access(target, os.W_OK):
            raise
        elsewhere = Path(tempfile.gettempdir(), name)
        return elsewhere, _open(elsewhere, shown, "x")


def _open(path: Path, shown: Path, mode: str) -> TextIO:
    raw = _File(path, shown, mode)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", newline="\n", line_buffering=raw.isatty())


def _sync(stream: TextIO, shown: Path) -> None:
    stream.flush()
    try:
        os.fsync(stream.fileno())
    except OSError as error:
        raise OutputError(shown, error) from error


def _keep(temporary: Path, target: Path, shown: Path, note: Callable[[str], None]) -> None:
    """Give what was written its name; raises OutputError where that cannot be done."""
    with suppress(OSError):  # there is no older file, or a file system without permissions
        temporary.chmod(target.stat().st_mode)
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno not in _NO_PLACE:
            temporary.unlink(missing_ok=True)
            raise OutputError(shown, error) from error
    else:
        return
    # A mounted file, one of somebody else in a sticky folder, or a folder that takes no new names.
    try:
        with temporary.open("rb") as source, target.open("r+b") as file:
            shutil.copyfileobj(source, file)
            file.truncate()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(shown, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    note(f"{shown} was written in place: another file cannot take its name")
