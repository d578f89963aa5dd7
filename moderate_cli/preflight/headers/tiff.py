"""TIFF: revision 6.0, and BigTIFF."""

from __future__ import annotations

from dataclasses import dataclass

from moderate_cli.preflight.headers.window import DamagedError, Header, UnknownSizeError, Window

_WIDTH, _HEIGHT = 256, 257


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the numbers of a variant stand, and how long they are, as the module struct spells it."""

    directory_at: int  # offset of the first directory's offset
    offset: str
    count: str
    count_size: int
    entry_size: int
    value_at: int  # within an entry
    types: dict[int, str]  # SHORT, LONG and, where it fits into an entry, LONG8


_CLASSIC = _Layout(4, "I", "H", 2, 12, 8, {3: "H", 4: "I"})
_BIG = _Layout(8, "Q", "Q", 8, 20, 12, {3: "H", 4: "I", 16: "Q"})


def read_tiff(window: Window) -> Header:
    """Read the first directory, that of the first page."""
    order = "<" if window.read(0, 1) == b"I" else ">"
    layout = _BIG if b"+" in window.read(2, 2) else _CLASSIC
    (directory,) = window.unpack(order + layout.offset, layout.directory_at)
    (count,) = window.unpack(order + layout.count, directory)
    found: dict[int, int] = {}
    at = directory + layout.count_size
    for _ in range(count):
        tag, kind = window.unpack(order + "HH", at)
        if tag in {_WIDTH, _HEIGHT}:
            found[tag] = _value(window, order, layout, kind, at)
        if len(found) == 2:
            return Header(found[_WIDTH], found[_HEIGHT])
        at += layout.entry_size
    raise DamagedError("its first directory has no size")


def _value(window: Window, order: str, layout: _Layout, kind: int, entry: int) -> int:
    if kind not in layout.types:
        raise UnknownSizeError
    return window.unpack(order + layout.types[kind], entry + layout.value_at)[0]
