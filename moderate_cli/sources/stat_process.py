"""What a second process does for a long walk: it looks at files, so that two of them are looked at at a time.

Most of a walk is the system's work, and Python lets one thread at a time ask for it. This file is run as a script by
`stats.py`, without the rest of the program: the bytes that come in are a length and a marshalled list of folders, each
with names, and what goes out is a length and a marshalled list of what was found in each.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
from collections.abc import Sequence
from typing import IO

LENGTH = 4  # bytes

Found = tuple[str, int, int, int]
"""A file that a walk came upon: its name, and the size, mtime_ns and inode of a `FileStat`."""

Looks = tuple[list[Found], list[str]]
"""What names in one folder stand for: files, and the names of what has no stat. What vanished is in neither."""


def look_at(folder: str, names: Sequence[str]) -> Looks:
    """Return what files of a folder look like, by names of which none is a link; raises OSError for the folder."""
    files: list[Found] = []
    odd: list[str] = []
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            try:
                seen = os.stat(name, dir_fd=opened, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError:
                odd.append(name)
            else:
                files.append((name, seen.st_size, seen.st_mtime_ns, seen.st_ino))
    finally:
        os.close(opened)
    return files, odd


def send(content: list, stream: IO[bytes]) -> None:  # type: ignore[type-arg]
    """Write a length and a list."""
    data = marshal.dumps(content)
    stream.write(len(data).to_bytes(LENGTH) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> list | None:  # type: ignore[type-arg]
    """Return the next list, or None at the end; what is cut off there is lost."""
    length = int.from_bytes(stream.read(LENGTH))
    data = stream.read(length)
    return marshal.loads(data) if data and len(data) == length else None  # noqa: S302 - the other end is ours


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer one request after another; a folder that cannot be opened is None in the answer."""
    while (folders := receive(requests)) is not None:
        send([_look_or_none(folder, names) for folder, names in folders], replies)


def _look_or_none(folder: str, names: Sequence[str]) -> Looks | None:
    try:
        return look_at(folder, names)
    except OSError:
        return None


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that ends this one
    serve(sys.stdin.buffer, sys.stdout.buffer)
