"""BMP: the headers of Windows (3 to 5) and of OS/2 (1 and 2)."""

from __future__ import annotations

from moderate_cli.preflight.headers.window import DamagedError, Header, Window

_OS2_HEADER_SIZE = 12
_UNCOMPRESSED = frozenset({0, 3, 6})  # BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS


def read_bmp(window: Window) -> Header:
    """Read the information header; a negative height means rows from top to bottom."""
    pixels, header_size = window.unpack("<II", 10)
    if header_size == _OS2_HEADER_SIZE:
        width, height, _, depth = window.unpack("<HHHH", 18)
        compression = 0
    else:
        width, height, _, depth, compression = window.unpack("<iiHHI", 18)
    if width < 0:
        raise DamagedError("its width is negative")
    row = (width * depth + 31) // 32 * 4
    return Header(width, abs(height), pixels + row * abs(height) if compression in _UNCOMPRESSED else 0)
