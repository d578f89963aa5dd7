"""GIF: the specifications 87a and 89a."""

from __future__ import annotations

from moderate_cli.preflight.headers.window import DamagedError, Header, Window

_SCREEN_END = 13
_IMAGE, _EXTENSION, _TRAILER = b",", b"!", b";"


def read_gif(window: Window) -> Header:
    """Read the screen and the first frame, which makes the screen larger where it reaches beyond it."""
    width, height, flags = window.unpack("<HHB", 6)
    at = _SCREEN_END + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while (kind := window.read(at, 1)) != _IMAGE:
        if kind == _TRAILER:
            raise DamagedError("it has no frame")
        at = _behind_blocks(window, at + 2) if kind == _EXTENSION else at + 1
    left, top, frame_width, frame_height = window.unpack("<4H", at + 1)
    return Header(max(width, left + frame_width), max(height, top + frame_height))


def _behind_blocks(window: Window, at: int) -> int:
    while size := window.unpack("B", at)[0]:
        at += 1 + size
    return at + 1
