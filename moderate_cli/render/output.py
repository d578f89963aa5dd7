"""Where a report goes: standard output, or a file that appears in one piece."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from moderate_cli.errors import ExitCode, ModerateError, UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

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


@contextmanager
def open_output(path: Path | None, stdout: TextIO) -> Iterator[TextIO]:
    """Yield the stream to write to: standard output for None, else a file.

    The file takes its name, and the place of an older one, only when all is written; a device or a pipe is written as
    it is. What was written before an error is kept, because verdicts were paid for. Raises UsageError at once where the
    file cannot be written, and OutputError where it cannot be written any more.
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
        temporary = target if is_device else _temporary(target)
        stream = _open(temporary, path, "w" if is_device else "x")
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
    except BaseException:
        _keep(temporary, target, only_if_written=True)
        raise
    _keep(temporary, target)


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


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}.partial")


def _open(path: Path, shown: Path, mode: str) -> TextIO:
    raw = _File(path, shown, mode)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", newline="\n", line_buffering=raw.isatty())


def _sync(stream: TextIO, shown: Path) -> None:
    stream.flush()
    try:
        os.fsync(stream.fileno())
    except OSError as error:
        raise OutputError(shown, error) from error


def _keep(temporary: Path, target: Path, *, only_if_written: bool = False) -> None:
    if only_if_written and not temporary.stat().st_size:
        temporary.unlink()
        return
    with suppress(OSError):  # there is no older file, or a file system without permissions
        temporary.chmod(target.stat().st_mode)
    temporary.replace(target)
