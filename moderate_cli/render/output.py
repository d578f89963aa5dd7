"""Where does a report go? To standard output, or to a file that is replaced atomically."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from moderate_cli.common.errors import ExitCode, ModerateError, UsageError
from moderate_cli.common.files import AtomicFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class ReportError(ModerateError):
    """A report cannot be completed; an older file of its name stays as it was."""

    exit_code = ExitCode.FATAL


class RenderingError(ReportError):
    """A report cannot be made, because of a bug in moderate."""

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(
            f"a bug in moderate: it cannot make the {name} report: {type(error).__name__}: {error}",
            code="bug",
            hint="the other reports and the store have all results; run again with --debug",
        )


class OutputError(ReportError):
    """A file can no longer be written, most often for a full disk."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"cannot write {str(path)!r}: {error.strerror or error}",
            code="output_failed",
            hint="make room, or choose another file",
        )


def as_utf8(stdout: TextIO) -> TextIO:
    """Return standard output for programs: in UTF-8, with newlines as they are, whatever the locale says.

    What people read keeps the encoding of their terminal.
    """
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    return stdout


def _ignore(_: str) -> None:
    """No-op."""


@contextmanager
def open_output(
    path: Path | None, stdout: TextIO, *, for_people: bool = False, note: Callable[[str], None] = _ignore
) -> Iterator[TextIO]:
    """Yield the stream to write to: standard output for None, `for_people` in their own encoding, else a file.

    The file takes its name, and the place of an older one, only when all is written; a device or a pipe is written as
    it is, and so is, at the end and with a `note`, a file whose place cannot be taken. What was written before an error
    is kept, because verdicts were paid for. Raises UsageError at once where the file cannot be written, OSError where
    standard output is closed, and OutputError where a file can no longer be written; then an older one stays as it was.
    """
    if path is None:
        check_open(stdout)
        yield stdout if for_people else as_utf8(stdout)
        return
    if str(path) == "-":
        hint = "leave the option out for standard output, or write ./- for a file of that name"
        raise UsageError("- is not a file name here", code="output_unwritable", hint=hint)
    try:
        file = _Report(path)
    except OSError as error:
        message = f"cannot write {str(path)!r}: {error.strerror or error}"
        raise UsageError(message, code="output_unwritable", hint="choose another file") from error
    try:
        with _text(file) as stream:
            yield stream
            stream.flush()
            file.sync()
    except BaseException as error:
        if file.is_worth_keeping(error):
            file.keep(note)
        else:
            file.discard()
        raise
    file.keep(note)


def check_open(stdout: TextIO) -> None:
    """Raise OSError for a standard output that is closed, before anything is paid for that nobody could read."""
    try:
        os.write(stdout.fileno(), b"")
    except OSError as error:  # a stream of a program's own has no number; other errors may pass, and are told later
        if error.errno == errno.EBADF:
            raise


class _Report(AtomicFile):
    """A file whose errors say under which name it was asked for."""

    def __init__(self, path: Path) -> None:
        self._shown = path
        super().__init__(path)

    def write(self, data: Buffer) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(self._shown, error) from error

    def sync(self) -> None:
        try:
            super().sync()
        except OSError as error:
            raise OutputError(self._shown, error) from error

    def is_worth_keeping(self, error: BaseException) -> bool:
        """Tell whether what was written before an error is worth more than an older report, if there is one."""
        if isinstance(error, ReportError) and self.target.exists():
            return False
        return not self.is_empty

    def keep(self, note: Callable[[str], None]) -> None:
        """Give what was written its name; raises OutputError where that cannot be done."""
        try:
            was_replaced = self.commit()
        except OSError as error:
            raise OutputError(self._shown, error) from error
        if not was_replaced:
            note(f"{self._shown} was written in place: it cannot be replaced atomically")


def _text(file: _Report) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", newline="\n", line_buffering=file.isatty())
