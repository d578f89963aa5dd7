"""Where a report goes: standard output, or a file that appears in one piece."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from moderate_cli.errors import UsageError

_LONGEST_NAME = 100  # characters of the file's own name inside its temporary one; file systems bear 255 bytes


@contextmanager
def open_output(path: Path | None, stdout: TextIO) -> Iterator[TextIO]:
    """Yield the stream to write to: standard output for None, else a file.

    The file takes its name, and the place of an older one, only when all is written; a device or a pipe is written as
    it is. What was written before an error is kept, because verdicts were paid for. Raises UsageError at once where the
    file cannot be written.
    """
    if path is None:
        yield stdout
        return
    try:
        is_device = path.exists() and not path.is_file()
        target = path if is_device else path.resolve()
        temporary = target.with_name(f".{target.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}.partial")
        stream = (target if is_device else temporary).open("w" if is_device else "x", encoding="utf-8", newline="\n")
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle of links; ValueError: no name at all
        message = f"cannot write {str(path)!r}: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message, code="output_unwritable", hint="choose another file") from error
    with stream:
        try:
            yield stream
        except BaseException:
            if not is_device:
                _keep(stream, temporary, target, only_if_written=True)
            raise
        if not is_device:
            _keep(stream, temporary, target)


def _keep(stream: TextIO, temporary: Path, target: Path, *, only_if_written: bool = False) -> None:
    is_empty = not stream.tell()
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()
    if only_if_written and is_empty:
        temporary.unlink()
        return
    with suppress(OSError):  # there is no older file, or a file system without permissions
        temporary.chmod(target.stat().st_mode)
    temporary.replace(target)
