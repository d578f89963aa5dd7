"""PNG: ISO/IEC 15948."""

from __future__ import annotations

import zlib

from moderate_cli.preflight.headers.window import DamagedError, Header, Window

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR_SIZE = 13


def read_png(window: Window, start: int = 0) -> Header:
    """Read the header chunk of a PNG that begins at the offset `start`, an animated one too."""
    at = start + len(SIGNATURE)
    if window.read(at + 4, 4) == b"CgBI":  # Apple's variant for phones puts a chunk of its own first
        at += 12 + window.unpack(">I", at)[0]
    chunk = window.read(at, 12 + _IHDR_SIZE)
    if chunk[:8] != _IHDR_SIZE.to_bytes(4, "big") + b"IHDR":
        raise DamagedError("its first chunk is not the header")
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        raise DamagedError("the checksum of its header is wrong")
    return Header(int.from_bytes(chunk[8:12], "big"), int.from_bytes(chunk[12:16], "big"))
