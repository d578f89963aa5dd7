"""A large PNG strip by strip: Pillow alone decodes one in a piece, which takes 670 MB for the largest that is allowed.

Each row of a PNG is filtered by the row above it. So a strip is packed as a PNG's data again, behind the last row of
the strip before it, unfiltered, and Pillow's own decoder undoes the filters.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image, ImageFile

MEMORY = 32_000_000
"""Bytes that it takes: a strip, filtered, packed again and unfiltered."""

_LARGE = 16_000_000
"""Pixels beyond which it is worth the trouble: Pillow alone is quicker."""

_STRIP = 4_000_000
"""Bytes of a strip."""

_SIGNATURE = 8
_HEAD = struct.Struct(">I4s")
_CHECKSUM = 4
_UNFILTERED = b"\0"

# Eight bits each, so that Pillow's pixels are the bytes of the file.
_RAW_MODES = ("RGB", "RGBA", "LA")


def fits(image: ImageFile.ImageFile) -> bool:
    """Tell whether an open image is a PNG that had better be decoded in strips, and can be."""
    return (
        image.format == "PNG"
        and image.width * image.height > _LARGE
        and len(image.tile) == 1
        and image.tile[0].args in _RAW_MODES
        and not image.info.get("interlace")
    )


def strips(image: ImageFile.ImageFile, content: bytes, multiple: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield each strip of an open PNG with its top, which is a multiple of a number of rows.

    Raises ValueError and zlib.error for one that is damaged.
    """
    width, mode = image.width, image.mode
    length = 1 + width * len(image.getbands())
    height = max(1, _STRIP // length // multiple) * multiple
    rows = _Rows(content)
    above = b""
    for top in range(0, image.height, height):
        count = min(height, image.height - top)
        strip = _unfiltered(mode, width, above + rows.read(length * count), count + bool(above))
        above = _UNFILTERED + strip.crop((0, strip.height - 1, width, strip.height)).tobytes()
        strip = strip.crop((0, strip.height - count, width, strip.height))
        strip.info.update(image.info)
        yield top, strip


def _unfiltered(mode: str, width: int, data: bytes, rows: int) -> Image.Image:
    """Return filtered rows as an image."""
    from PIL import Image

    return Image.frombytes(mode, (width, rows), zlib.compress(data, 0), "zip", mode, 0)


class _Rows:
    """The filtered rows of a PNG, unpacked as far as they are asked for."""

    def __init__(self, content: bytes) -> None:
        self._chunks = _image_data(content)
        self._unpacker = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Return so many bytes; raises ValueError where there are fewer."""
        data = bytearray()
        while len(data) < size:
            packed = self._unpacker.unconsumed_tail or next(self._chunks, b"")
            more = self._unpacker.decompress(packed, size - len(data))
            if not more and not packed:
                raise ValueError("the image is cut off")
            data += more
        return bytes(data)


def _image_data(content: bytes) -> Iterator[bytes]:
    """Yield what the chunks of a PNG hold of its first picture."""
    at = _SIGNATURE
    while at + _HEAD.size <= len(content):
        length, kind = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if kind == b"IDAT" and length:
            yield content[at : at + length]
        at += length + _CHECKSUM
