"""The part of a file from which its header is read: any bytes of it, but few in total."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader

from moderate_cli.preflight.formats import HEAD_SIZE

BUDGET = 64 * 1024  # bytes that are read of one file, the head among them
_BLOCK = 256  # bytes that are read at least: what stands behind a field is often asked for next


class DamagedError(Exception):
    """The header is broken, so that no decoder could read the image; the text says what is wrong with it."""


class UnknownSizeError(Exception):
    """The image may be good, but its size is not told, or not within reach."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says: the size in pixels, and at which offset in bytes the image ends (0: not told)."""

    width: int
    height: int
    end: int = 0


class Window:
    """The bytes of a file of `size` bytes, of which no more than BUDGET are ever read.

    `head` are the first HEAD_SIZE of them, or all. It goes past the buffer of the file, which would fetch 8 KB for each
    field (128 KB from Python 3.14 on).
    """

    def __init__(self, file: BufferedReader, size: int) -> None:
        self.size = size
        self._file = file.raw
        self._left = BUDGET
        self._at, self._block = 0, b""
        self.head = self._fetch(0, HEAD_SIZE)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on.

        Raises DamagedError where the file ends before that, and UnknownSizeError where too much was read already.
        """
        end = offset + length
        if end > self.size:
            raise DamagedError("the file ends within its header")
        if end <= len(self.head):
            return self.head[offset:end]
        if not self._at <= offset <= end <= self._at + len(self._block):
            if length > self._left:
                raise UnknownSizeError
            self._at, self._block = offset, self._fetch(offset, min(max(length, _BLOCK), self._left))
        found = self._block[offset - self._at : end - self._at]
        if len(found) < length:
            raise DamagedError("the file became shorter while it was read")
        return found

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """Return the numbers that stand at `offset`, `layout` being one of the module struct; raises as read() does."""
        return struct.unpack(layout, self.read(offset, struct.calcsize(layout)))

    def _fetch(self, offset: int, length: int) -> bytes:
        self._file.seek(offset, os.SEEK_SET)
        data = b""
        while len(data) < length and (more := self._file.read(length - len(data))):
            data += more
        self._left -= len(data)
        return data


@contextmanager
def opened_window(file: BufferedReader, size: int) -> Iterator[Window]:
    """Give the window on an open file of `size` bytes, which is left where it stood."""
    start = file.raw.tell()
    try:
        yield Window(file, size)
    finally:
        file.raw.seek(start, os.SEEK_SET)
