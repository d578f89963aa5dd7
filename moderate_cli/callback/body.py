"""The body of a request: how long it is, and its bytes, whether it comes in one piece or in chunks."""

from __future__ import annotations

import re
from email.errors import MissingHeaderBodySeparatorDefect
from email.message import Message
from http import HTTPStatus
from io import BufferedIOBase

_LONGEST_NUMBER = 18  # digits of a length; Python itself refuses to read those with thousands
_MOST_FRAMING = 64 * 1024  # bytes of chunk sizes, extensions and trailers, beside as many as the body may have
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")


class BodyError(Exception):
    """A body that is not read: the status with which it is refused, and why. Where the next request begins is open."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def length_of(headers: Message, most: int, *, is_required: bool) -> int | None:
    """Return the length of a body, None where it comes in chunks. Raises BodyError where it cannot be told, or is more.

    A load balancer and we must see the same requests in the same bytes (RFC 9112, 6.3 and 11.2): what may be read in
    two ways is refused.
    """
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in headers.defects):
        raise BodyError(HTTPStatus.BAD_REQUEST, "a line of the head is no header")  # those below it were not read
    codings = headers.get_all("Transfer-Encoding", [])
    lengths = set(headers.get_all("Content-Length", []))
    if codings:
        if lengths:
            raise BodyError(HTTPStatus.BAD_REQUEST, "both Content-Length and Transfer-Encoding")
        if [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise BodyError(HTTPStatus.NOT_IMPLEMENTED, "a Transfer-Encoding that is not chunked")
        return None
    if not lengths and not is_required:
        return 0
    text = lengths.pop().strip() if len(lengths) == 1 else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise BodyError(HTTPStatus.LENGTH_REQUIRED, "no readable Content-Length")
    if int(text) > most:
        raise _too_large(most)
    return int(text)


def read_body(file: BufferedIOBase, length: int | None, most: int) -> bytes:
    """Return a body of that length, or in chunks. Raises BodyError, or ConnectionError where it is cut off."""
    return _Chunks(file, most).read() if length is None else _exactly(file, length)


class _Chunks:
    """A body in chunks, at most so many bytes of it (RFC 9112, 7.1)."""

    def __init__(self, file: BufferedIOBase, most: int) -> None:
        self._file = file
        self._most = most
        self._framing = most + _MOST_FRAMING

    def read(self) -> bytes:
        """Return the chunks as one; extensions and trailers are passed over."""
        body = bytearray()
        while size := self._size():
            if len(body) + size > self._most:
                raise _too_large(self._most)
            body += _exactly(self._file, size)
            if _exactly(self._file, 2) != b"\r\n":
                raise BodyError(HTTPStatus.BAD_REQUEST, "a chunk that is longer than its size")
        while self._line() != b"\r\n":
            pass
        return bytes(body)

    def _size(self) -> int:
        found = _SIZE_LINE.fullmatch(self._line())
        if not found:
            raise BodyError(HTTPStatus.BAD_REQUEST, "a chunk without a readable size")
        return int(found[1], 16)

    def _line(self) -> bytes:
        line = self._file.readline(self._framing + 1)
        self._framing -= len(line)
        if self._framing < 0:
            raise _too_large(self._most)
        if not line.endswith(b"\n"):
            raise _cut_off()
        return line


def _exactly(file: BufferedIOBase, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise _cut_off()
    return data


def _too_large(most: int) -> BodyError:
    return BodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {most} bytes")


def _cut_off() -> ConnectionError:
    return ConnectionAbortedError("the client hung up, or was too slow")
