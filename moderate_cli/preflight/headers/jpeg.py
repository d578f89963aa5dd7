"""JPEG: ISO/IEC 10918-1, annex B."""

from __future__ import annotations

from moderate_cli.preflight.headers.window import DamagedError, Header, UnknownSizeError, Window

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; the three left out mean other things
_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}  # restart markers, SOI and TEM have no length
_ENDS = frozenset({0xD9, 0xDA})  # the end of the image, and the start of its pixels


def read_jpeg(window: Window) -> Header:
    """Read the first frame header; thumbnails are within segments, which are stepped over."""
    marker, at = _next_marker(window, 2)
    while marker not in _FRAMES:
        if marker in _ENDS:
            raise DamagedError("it has no frame header before its pixels")
        if marker not in _ALONE:
            # A length below 2 is wrong, but decoders go on behind it.
            at += max(2, *window.unpack(">H", at))
        marker, at = _next_marker(window, at)
    height, width = window.unpack(">HH", at + 3)
    if height == 0:  # told behind the pixels, by a DNL segment
        raise UnknownSizeError
    return Header(width, height)


def _next_marker(window: Window, at: int) -> tuple[int, int]:
    """Return the next marker and the offset behind it; like decoders do, step over whatever is no marker."""
    while True:
        first, second = window.read(at, 2)
        if first == 0xFF and 0 < second < 0xFF:
            return second, at + 2
        at += 1
