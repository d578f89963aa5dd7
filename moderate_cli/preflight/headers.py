"""How large an image is in pixels, by its header, read with the standard library."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader

from msgspec import Struct

from moderate_cli.preflight.formats import (
    CUT_OFF,
    GIF_EXTENSION,
    GIF_IMAGE,
    GIF_SCREEN_END,
    GIF_TRAILER,
    HEAD_SIZE,
    SMALL,
    SMALL_SIDE,
    Box,
    Format,
    gif_palette_size,
    svg_root,
)

__all__ = [
    *("BUDGET", "READERS", "CameraRawError", "DamagedError", "Header", "UnknownSizeError", "Window"),
    *("find_pixels", "opened_window", "read_header"),
]

BUDGET = 64 * 1024  # bytes that are read of one file, its head included
_BLOCK = 256  # bytes that are read at least: what follows a field is often needed next


class DamagedError(Exception):
    """The header is damaged, so that no decoder could read the image; the text says what is wrong with it."""


class UnknownSizeError(Exception):
    """The image may be fine, but its header does not tell the size, or not within reach."""


class CameraRawError(UnknownSizeError):
    """A TIFF is camera raw: what its header describes is a preview, or what a sensor saw."""


class Header(Struct, frozen=True):
    """What a header says: the size in pixels, and at which offset in bytes the image ends (0: not told).

    The pixels begin at the offset `rest`, or behind what else describes them there.
    """

    width: int
    height: int
    end: int = 0
    rest: int = 0


class Window:
    """The bytes of a file of `size` bytes, of which no more than BUDGET are ever read.

    `head` are the first HEAD_SIZE of them, or all. It bypasses the buffer of the file, which would read 8 KB for each
    field (128 KB from Python 3.14 on).
    """

    def __init__(self, file: BufferedReader, size: int) -> None:
        self.size = size
        self._file = file.raw
        self._left = BUDGET
        self._at, self._block = 0, b""
        self.head = self._fetch(0, HEAD_SIZE)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on.

        Raises DamagedError if the file ends before that, and UnknownSizeError if too much was read already.
        """
        end = offset + length
        self.check(end)
        if end <= len(self.head):
            return self.head[offset:end]
        if not self._at <= offset <= end <= self._at + len(self._block):
            if length > self._left:
                raise UnknownSizeError
            self._at, self._block = offset, self._fetch(offset, min(max(length, _BLOCK), self._left))
        found = self._block[offset - self._at : end - self._at]
        if len(found) < length:
            raise DamagedError("the file became shorter while it was read")
        return found

    def check(self, end: int) -> None:
        """Raise DamagedError if the file ends before an offset."""
        if end > self.size:
            raise DamagedError("the file ends within its header")

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """Return the numbers at `offset` by a `layout` of the module struct; raises as `read` does."""
        return struct.unpack(layout, self.read(offset, struct.calcsize(layout)))

    def _fetch(self, offset: int, length: int) -> bytes:
        self._file.seek(offset, os.SEEK_SET)
        data = b""
        while len(data) < length and (more := self._file.read(length - len(data))):
            data += more
        self._left -= len(data)
        return data


@contextmanager
def opened_window(file: BufferedReader, size: int) -> Iterator[Window]:
    """Yield a window on an open file of `size` bytes, whose position is kept."""
    start = file.raw.tell()
    try:
        yield Window(file, size)
    finally:
        file.raw.seek(start, os.SEEK_SET)


# BMP: the headers of Windows (3 to 5) and of OS/2 (1 and 2).
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
    return Header(width, abs(height), pixels + row * abs(height) if compression in _UNCOMPRESSED else 0, pixels)


def read_gif(window: Window) -> Header:
    """Read the screen and the first frame, which enlarges the screen if it reaches beyond it (GIF 87a and 89a)."""
    width, height, flags = window.unpack("<HHB", 6)
    at = GIF_SCREEN_END + gif_palette_size(flags)
    while (kind := window.read(at, 1)) != GIF_IMAGE:
        if kind == GIF_TRAILER:
            raise DamagedError("it has no frame")
        at = _after_blocks(window, at + 2) if kind == GIF_EXTENSION else at + 1
    left, top, frame_width, frame_height = window.unpack("<4H", at + 1)
    return Header(max(width, left + frame_width), max(height, top + frame_height), rest=at + 9)


def _find_gif_pixels(window: Window, at: int) -> None:
    """Look behind the palette of the first frame, for the size of its codes and its first block."""
    window.read(at + 1 + gif_palette_size(*window.unpack("B", at)), 2)


def _after_blocks(window: Window, at: int) -> int:
    while size := window.unpack("B", at)[0]:
        at += 1 + size
    return at + 1


def read_heif(window: Window) -> Header:
    """Read the size of the primary item, rotated if its properties say so.

    An image made of tiles has a size of its own. A sequence without a primary item has none. HEIF, of which HEIC is a
    kind: ISO/IEC 23008-12, in the boxes of ISO/IEC 14496-12.
    """
    top = set()
    for box in _boxes(window, 0, window.size):
        if box.kind == b"meta":
            return _primary_size(window, box)
        top.add(box.kind)
    if b"moov" in top:
        raise UnknownSizeError
    raise DamagedError("it describes no image")


def _primary_size(window: Window, meta: Box) -> Header:
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


def _properties(window: Window, iprp: Box, item: int) -> list[Box]:
    """Return the properties of an item."""
    known: list[Box] = []
    indexes: list[int] = []
    for box in _boxes(window, iprp.start, iprp.end):
        if box.kind == b"ipco":
            known = list(_boxes(window, box.start, box.end))
        elif box.kind == b"ipma":
            indexes += _associated(window, box, item)
    return [known[index - 1] for index in indexes if 0 < index <= len(known)]


def _associated(window: Window, ipma: Box, item: int) -> list[int]:
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


def _version(window: Window, box: Box) -> int:
    return window.unpack("B", box.start)[0]


def _item_id(window: Window, at: int, *, wide: bool) -> int:
    return window.unpack(">I" if wide else ">H", at)[0]


def _boxes(window: Window, at: int, end: int) -> Iterator[Box]:
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
        yield Box(kind, start, at + size)
        at += size


# JPEG: ISO/IEC 10918-1, annex B.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; the three left out mean other things
_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}  # restart markers, SOI and TEM have no length
_END, _SCAN = 0xD9, 0xDA
_ENDS = frozenset({_END, _SCAN})  # the end of the image, and the start of its pixels


def read_jpeg(window: Window) -> Header:
    """Read the first frame header; thumbnails are within segments, which are skipped."""
    marker, at = _next_marker(window, 2)
    while marker not in _FRAMES:
        if marker in _ENDS:
            raise DamagedError("it has no frame header before its pixels")
        if marker not in _ALONE:
            # A length below 2 is wrong, but decoders carry on after it.
            at += max(2, *window.unpack(">H", at))
        marker, at = _next_marker(window, at)
    height, width = window.unpack(">HH", at + 3)
    if height == 0:  # told after the pixels, by a DNL segment
        raise UnknownSizeError
    return Header(width, height, rest=at)


def _find_jpeg_pixels(window: Window, at: int) -> None:
    """Look behind the tables for the first scan."""
    marker = 0
    while marker != _SCAN:
        if marker not in _ALONE:
            at += max(2, *window.unpack(">H", at))
            window.check(at)
        if at == window.size:
            return
        marker, at = _next_marker(window, at)
        if marker == _END:
            raise DamagedError("it has no pixels")
    window.read(at + window.unpack(">H", at)[0], 1)


def _next_marker(window: Window, at: int) -> tuple[int, int]:
    """Return the next marker and the offset after it; like decoders do, skip whatever is not a marker."""
    while True:
        first, second = window.read(at, 2)
        if first == 0xFF and 0 < second < 0xFF:
            return second, at + 2
        at += 1


# PNG: ISO/IEC 15948.
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
    width, height = struct.unpack_from(">II", chunk, 8)
    return Header(width, height, rest=at + len(chunk))


def _find_png_pixels(window: Window, at: int) -> None:
    """Look behind all other chunks for the first with pixels."""
    while at + 12 <= window.size:
        (length,), kind = window.unpack(">I", at), window.read(at + 4, 4)
        if kind == b"IDAT":
            window.read(at + 8, min(length, 1))
        if kind == b"IDAT" or not kind.isalpha():
            return
        window.read(at + 8 + length, 4)
        at += 12 + length


# ICO: a directory of bitmaps and PNGs.
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


# SVG: version 1.1, chapter 7, and the units of CSS.
# Repetitions are possessive: no text may take long, whatever it is.
_TAG = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE = re.compile(r"""\s([\w:.-]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')""")
_LENGTH = re.compile(
    r"\s*+\+?((?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?)(px|pt|pc|in|cm|mm|q|em|ex)?\s*+", re.ASCII | re.IGNORECASE
)
# Pixels of a unit; em and ex are those of text in the usual size of 16 pixels.
_CM = 96 / 2.54
_PIXELS = {"px": 1, "pt": 4 / 3, "pc": 16, "in": 96, "cm": _CM, "mm": _CM / 10, "q": _CM / 40, "em": 16, "ex": 8}
_MAX_LENGTH = 1e9  # pixels: beyond any limit, and printable


def read_svg(window: Window) -> Header:
    """Read the root element: its width and height, else its view box.

    Where one of the two is missing, it follows from the other and the shape of the view box.
    """
    attributes = _root_attributes(window)
    width, height = _pixels(attributes.get("width", "")), _pixels(attributes.get("height", ""))
    if width is None or height is None:
        box_width, box_height = _view_box(attributes.get("viewBox", ""))
        if width is not None:
            height = width * box_height / box_width
        elif height is not None:
            width = height * box_width / box_height
        else:
            width, height = box_width, box_height
    return Header(_rounded(width), _rounded(height))


def _root_attributes(window: Window) -> Mapping[str, str]:
    tag = _start_tag(window.head)
    if tag is None:
        data = window.head + window.read(HEAD_SIZE, min(window.size, BUDGET) - HEAD_SIZE)
        tag = _start_tag(data)
    if tag is None and window.size > BUDGET:
        raise UnknownSizeError
    if tag is None:
        raise DamagedError("its first tag has no end")
    return {name: double or single for name, double, single in _ATTRIBUTE.findall(tag)}


def _start_tag(data: bytes) -> str | None:
    root = svg_root(data)
    found = _TAG.match(root) if root else None
    return found.group() if found else None


def _pixels(length: str) -> float | None:
    found = _LENGTH.fullmatch(length)
    pixels = float(found[1]) * _PIXELS[(found[2] or "px").lower()] if found else 0.0
    return min(pixels, _MAX_LENGTH) or None  # none given, given in percent, or no size at all


def _view_box(text: str) -> tuple[float, float]:
    parts = re.split(r"[\s,]+", text.strip())
    width, height = (_pixels(part) for part in parts[2:]) if len(parts) == 4 else (None, None)
    if width is None or height is None:
        raise UnknownSizeError
    return width, height


def _rounded(pixels: float) -> int:
    return max(1, round(min(pixels, _MAX_LENGTH)))


# TIFF: revision 6.0, and BigTIFF.
_SUBFILE, _WIDTH, _HEIGHT, _PHOTOMETRIC, _SUBIFDS = 254, 256, 257, 262, 330  # tags
_DNG_VERSION = 50706
_SENSOR = frozenset({32803, 34892})  # values of the photometric tag, both of Adobe's DNG: CFA and linear raw


class _Layout(Struct, frozen=True):
    """Where the numbers of a variant of TIFF are, and how long they are, in the notation of the module struct."""

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
    """Read the first directory, that of the first page; raises CameraRawError for one that no picture has."""
    order = "<" if window.read(0, 1) == b"I" else ">"
    layout = _BIG if b"+" in window.read(2, 2) else _CLASSIC
    (directory,) = window.unpack(order + layout.offset, layout.directory_at)
    (count,) = window.unpack(order + layout.count, directory)
    entries: dict[int, tuple[int, int]] = {}
    at = directory + layout.count_size
    try:
        for _ in range(count):
            tag, kind = window.unpack(order + "HH", at)
            entries.setdefault(tag, (kind, at))
            at += layout.entry_size
    except UnknownSizeError:
        if not {_WIDTH, _HEIGHT} <= entries.keys():
            raise
    found = {
        tag: _value(window, order, layout, *entries[tag])
        for tag in (_WIDTH, _HEIGHT, _SUBFILE, _PHOTOMETRIC)
        if tag in entries
    }
    is_preview = found.get(_SUBFILE, 0) & 1 and _SUBIFDS in entries
    if _DNG_VERSION in entries or found.get(_PHOTOMETRIC) in _SENSOR or is_preview:
        raise CameraRawError
    if not {_WIDTH, _HEIGHT} <= found.keys():
        raise DamagedError("its first directory has no size")
    return Header(found[_WIDTH], found[_HEIGHT])


def _value(window: Window, order: str, layout: _Layout, kind: int, entry: int) -> int:
    if kind not in layout.types:
        raise UnknownSizeError
    return window.unpack(order + layout.types[kind], entry + layout.value_at)[0]


# WEBP: RFC 9649, and RFC 6386 for the lossy key frame.
_START_CODE = b"\x9d\x01\x2a"
_LOSSLESS_SIGNATURE = b"\x2f"
_PICTURES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def read_webp(window: Window) -> Header:
    """Read the first chunk: the canvas of an extended file, animated ones too, else the picture itself."""
    kind = window.read(12, 4)
    end = 8 + window.unpack("<I", 4)[0]
    if kind == b"VP8X":
        canvas = window.read(24, 6)
        return Header(int.from_bytes(canvas[:3], "little") + 1, int.from_bytes(canvas[3:], "little") + 1, end, 30)
    if kind == b"VP8L" and window.read(20, 1) == _LOSSLESS_SIGNATURE:
        (bits,) = window.unpack("<I", 21)
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, end)
    if kind == b"VP8 " and window.read(23, 3) == _START_CODE:
        width, height = window.unpack("<HH", 26)
        return Header(width & 0x3FFF, height & 0x3FFF, end)
    raise DamagedError("its first chunk is no picture")


def _find_webp_pixels(window: Window, at: int) -> None:
    """Look behind the profile, or whatever else an extended file begins with, for its first picture."""
    while at < window.size:
        kind, (size,) = window.read(at, 4), window.unpack("<I", at + 4)
        if kind in _PICTURES:
            window.read(at + 8, 1)
            return
        at += 8 + size
        window.check(at)
        at += size % 2


READERS: Mapping[Format, Callable[[Window], Header]] = {
    Format.PNG: read_png,
    Format.JPEG: read_jpeg,
    Format.GIF: read_gif,
    Format.BMP: read_bmp,
    Format.WEBP: read_webp,
    Format.TIFF: read_tiff,
    Format.ICO: read_ico,
    Format.HEIC: read_heif,
    Format.SVG: read_svg,
}


_FINDERS: Mapping[Format, Callable[[Window, int], object]] = {
    Format.PNG: _find_png_pixels,
    Format.JPEG: _find_jpeg_pixels,
    Format.GIF: _find_gif_pixels,
    Format.BMP: lambda window, at: window.read(at, 1),
    Format.WEBP: _find_webp_pixels,
}


def find_pixels(found: Format, window: Window, header: Header) -> None:
    """Look where the pixels of an image begin.

    Raises DamagedError if the file ends within what describes them, and UnknownSizeError if they are not within reach.
    A file that ends between two parts of its header is not cut off there for certain.
    """
    if header.rest not in {0, window.size} and found in _FINDERS:
        _FINDERS[found](window, header.rest)


def read_header(found: Format, window: Window) -> Header:
    """Return what the header of an accepted format says.

    Raises DamagedError if no decoder could use it, and UnknownSizeError if it does not tell the size, or not within
    reach.
    """
    header = READERS[found](window)
    if header.width == 0 or header.height == 0:
        raise DamagedError("it has no pixels")
    return header


def notes_on(header: Header, size: int) -> tuple[str, ...]:
    """Return notes on an image whose file has `size` bytes."""
    notes = []
    if min(header.width, header.height) < SMALL_SIDE:
        notes.append(SMALL)
    if header.end > size:
        notes.append(CUT_OFF)
    return tuple(notes)
