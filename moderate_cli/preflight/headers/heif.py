"""HEIF, of which HEIC is a kind: ISO/IEC 23008-12, in the boxes of ISO/IEC 14496-12."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from moderate_cli.preflight.headers.window import DamagedError, Header, UnknownSizeError, Window


class _Box(NamedTuple):
    kind: bytes
    start: int  # offset of the content
    end: int


def read_heif(window: Window) -> Header:
    """Read the size of the primary item, turned where its properties say so.

    An image put together from tiles has such a size of its own. A sequence without a primary item tells none.
    """
    top = set()
    for box in _boxes(window, 0, window.size):
        if box.kind == b"meta":
            return _primary_size(window, box)
        top.add(box.kind)
    if b"moov" in top:
        raise UnknownSizeError
    raise DamagedError("it describes no image")


def _primary_size(window: Window, meta: _Box) -> Header:
    children = {box.kind: box for box in _boxes(window, meta.start + 4, meta.end)}
    if not {b"pitm", b"iprp"} <= children.keys():
        raise UnknownSizeError
    primary = _item_id(window, children[b"pitm"].start + 4, wide=_version(window, children[b"pitm"]) > 0)
    size, turned = None, False
    for box in _properties(window, children[b"iprp"], primary):
        if box.kind == b"ispe":
            size = window.unpack(">II", box.start + 4)
        elif box.kind == b"irot":
            turned = bool(window.unpack("B", box.start)[0] & 1)  # by a quarter, or by three
    if size is None:
        raise UnknownSizeError
    width, height = size[::-1] if turned else size
    return Header(width, height)


def _properties(window: Window, iprp: _Box, item: int) -> list[_Box]:
    """Return the properties of an item."""
    known: list[_Box] = []
    indexes: list[int] = []
    for box in _boxes(window, iprp.start, iprp.end):
        if box.kind == b"ipco":
            known = list(_boxes(window, box.start, box.end))
        elif box.kind == b"ipma":
            indexes += _associated(window, box, item)
    return [known[index - 1] for index in indexes if 0 < index <= len(known)]


def _associated(window: Window, ipma: _Box, item: int) -> list[int]:
    """Return the indexes of the properties that a box of associations gives an item; they count from 1."""
    wide_id = _version(window, ipma) > 0
    wide_index = window.unpack("B", ipma.start + 3)[0] & 1
    (entries,) = window.unpack(">I", ipma.start + 4)
    layout, mask, size = (">H", 0x7FFF, 2) if wide_index else ("B", 0x7F, 1)  # the highest bit: essential
    at = ipma.start + 8
    for _ in range(entries):
        found = _item_id(window, at, wide=wide_id)
        at += 4 if wide_id else 2
        (count,) = window.unpack("B", at)
        at += 1
        if found == item:
            return [window.unpack(layout, at + size * number)[0] & mask for number in range(count)]
        at += size * count
    return []


def _version(window: Window, box: _Box) -> int:
    return window.unpack("B", box.start)[0]


def _item_id(window: Window, at: int, *, wide: bool) -> int:
    return window.unpack(">I" if wide else ">H", at)[0]


def _boxes(window: Window, at: int, end: int) -> Iterator[_Box]:
    while at + 8 <= end:
        (size,) = window.unpack(">I", at)
        kind, start = window.read(at + 4, 4), at + 8
        if size == 1:
            (size,) = window.unpack(">Q", start)
            start += 8
        elif size == 0:  # up to the end
            size = end - at
        if size < start - at:
            raise DamagedError("a box is shorter than its header")
        yield _Box(kind, start, at + size)
        at += size
