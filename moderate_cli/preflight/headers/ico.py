"""ICO: a directory of bitmaps and PNGs."""

from __future__ import annotations

from moderate_cli.preflight.headers.png import SIGNATURE, read_png
from moderate_cli.preflight.headers.window import Header, Window

_DIRECTORY_AT = 6
_ENTRY_SIZE = 16


def read_ico(window: Window) -> Header:
    """Read the last image, the only one that the service judges (the vendor's page of the sync operation, 2026-03-03).

    An entry has a byte for each side, in which 0 means 256; a PNG knows better.
    """
    (count,) = window.unpack("<H", 4)
    entry = _DIRECTORY_AT + _ENTRY_SIZE * (count - 1)
    width, height = window.unpack("BB", entry)
    size, start = window.unpack("<II", entry + 8)
    if window.read(start, len(SIGNATURE)) == SIGNATURE:
        picture = read_png(window, start)
        return Header(picture.width, picture.height, start + size)
    return Header(width or 256, height or 256, start + size)
