"""What is in the folder after the next? A second process lists it while the walk is busy with the one before.

`git status` has threads for this; those of Python share one lock, and two take twice as long as one. The process runs
this file alone, without the packages that are installed, and so is there in 15 ms (November 2026).
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subprocess import Popen

Listing = tuple[tuple[int, int], list[tuple[str, int, int, int]], list[str]]
"""A folder's device and inode, its files as the walk finds them, and its folders; both in the order of their names."""

# Names of one folder that are held at once: with what is known of their files this takes 3 MB, and 9 MB for 10,000.
CHUNK = 2_000

_FRESH = 1.0  # seconds after which an answer is not used, for a file may have changed since
_LENGTH = 4  # bytes that tell how long a message is


class ReadAhead:
    """Lists one folder at a time in a process of its own, which `close` ends.

    Where that cannot be, or goes wrong, there are no answers, and the walk lists all folders itself.
    """

    def __init__(self) -> None:
        self._process = _started()
        self._asked: str | None = None
        self._asked_at = 0.0

    def expects(self, folder: str) -> bool:
        """Tell whether this is the folder that was asked for."""
        return folder == self._asked

    def ask(self, folder: str) -> None:
        """Begin to list a folder; an answer that is still expected is dropped."""
        if self._asked is not None:
            self.answer(self._asked)
        if self._process is None or self._process.stdin is None:
            return
        self._asked, self._asked_at = folder, time.monotonic()
        try:
            _send(self._process.stdin, folder)
        except OSError:
            self.close()

    def answer(self, folder: str) -> Listing | None:
        """Return what is in a folder; None if that was not asked for, is too old or has to be read by the walk."""
        if self._process is None or self._process.stdout is None or folder != self._asked:
            return None
        self._asked = None
        try:
            listing: Listing | None = _receive(self._process.stdout)
        except (OSError, EOFError):
            self.close()
            return None
        return listing if time.monotonic() < self._asked_at + _FRESH else None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _started() -> Popen[bytes] | None:
    from subprocess import DEVNULL, PIPE, Popen  # the process itself is there sooner without

    if getattr(sys, "frozen", False) or not sys.executable:  # a frozen program would start itself
        return None
    try:
        command = [sys.executable, "-I", "-S", __file__]
        return Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)  # noqa: S603 - this file
    except OSError:
        return None


def _send(stream: IO[bytes], message: str | Listing | None) -> None:
    content = marshal.dumps(message)
    stream.write(len(content).to_bytes(_LENGTH, "big") + content)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    length = int.from_bytes(stream.read(_LENGTH), "big")
    content = stream.read(length)
    if not length or len(content) < length:
        raise EOFError
    return marshal.loads(content)  # noqa: S302 - from a process of our own


def listing_of(folder: str) -> Listing | None:
    """Return what is in a folder; None if it is large, holds a link or anything odd, or cannot be read to its end."""
    files = []
    folders = []
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    seen = entry.stat(follow_symlinks=False)
                    files.append((entry.name, seen.st_size, seen.st_mtime_ns, seen.st_ino))
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    return None
                if len(files) + len(folders) == CHUNK:  # the walk reads it in parts
                    return None
        itself = os.fstat(opened)
    finally:
        os.close(opened)
    files.sort()
    folders.sort()
    return (itself.st_dev, itself.st_ino), files, folders


def _serve() -> None:
    """Answer until nobody asks."""
    with suppress(OSError, EOFError, KeyboardInterrupt):
        while True:
            folder = _receive(sys.stdin.buffer)
            listing = None
            with suppress(OSError):
                listing = listing_of(folder)
            _send(sys.stdout.buffer, listing)


if __name__ == "__main__":
    _serve()
