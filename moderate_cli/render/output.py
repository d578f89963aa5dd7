"""Where a report goes: standard output, or a file that appears in one piece."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from moderate_cli.errors import UsageError


@contextmanager
def open_output(path: Path | None, stdout: TextIO) -> Iterator[TextIO]:
    """Yield the stream to write to: standard output for None, else a file.

    The file takes its name, and the place of an older one, only when all is written. What was written before an error
    is kept, because verdicts were paid for. Raises UsageError at once where the file cannot be written.
    """
    if path is None:
        yield stdout
        return
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="\n") as device:
                yield device
            return
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial")
    except OSError as error:
        message = f"cannot write {str(path)!r}: {error.strerror}"
        raise UsageError(message, code="output_unwritable", hint="choose another --output") from error
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
        try:
            yield stream
        except BaseException:
            _keep(stream, Path(temporary), target, only_if_written=True)
            raise
        _keep(stream, Path(temporary), target)


def _keep(stream: TextIO, temporary: Path, target: Path, *, only_if_written: bool = False) -> None:
    if only_if_written and not stream.tell():
        temporary.unlink()
        return
    stream.flush()
    os.fsync(stream.fileno())
    with suppress(OSError):  # a file system without permissions
        temporary.chmod(0o666 & ~_umask())
    temporary.replace(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
