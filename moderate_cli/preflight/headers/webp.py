"""WEBP: RFC 9649, and RFC 6386 for the lossy key frame."""

from __future__ import annotations

from moderate_cli.preflight.headers.window import DamagedError, Header, Window

_START_CODE = b"\x9d\x01\x2a"
_LOSSLESS_SIGNATURE = b"\x2f"


def read_webp(window: Window) -> Header:
    """Read the first chunk: the canvas of an extended file, animated ones too, else the picture itself."""
    kind = window.read(12, 4)
    end = 8 + window.unpack("<I", 4)[0]
    if kind == b"VP8X":
        canvas = window.read(24, 6)
        return Header(int.from_bytes(canvas[:3], "little") + 1, int.from_bytes(canvas[3:], "little") + 1, end)
    if kind == b"VP8L" and window.read(20, 1) == _LOSSLESS_SIGNATURE:
        (bits,) = window.unpack("<I", 21)
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, end)
    if kind == b"VP8 " and window.read(23, 3) == _START_CODE:
        width, height = window.unpack("<HH", 26)
        return Header(width & 0x3FFF, height & 0x3FFF, end)
    raise DamagedError("its first chunk is no picture")
