"""What does an image file say about itself? Its XMP, its texts and its C2PA store, without decoding a pixel."""

from __future__ import annotations

import codecs
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from moderate_cli.preflight.formats import (
    GIF_EXTENSION,
    GIF_IMAGE,
    GIF_SCREEN_END,
    GIF_TRAILER,
    HEAD_SIZE,
    Box,
    Format,
    gif_palette_size,
    sniff,
)

_MAX_STEPS = 20_000
"""Chunks, segments, boxes and the like that are looked at: what has more was made to take long."""

_MAX_PART = 4 * 1024 * 1024  # bytes of one part; a C2PA store with previews has up to 1 MB
_MAX_BYTES = 16 * 1024 * 1024  # of all parts, unpacked


class Kind(StrEnum):
    """What a part of the metadata is."""

    XMP = "XMP"
    TEXT = "text"
    JUMBF = "JUMBF"
    """Boxes of ISO/IEC 19566-5, in which C2PA keeps its manifests."""


class Part(NamedTuple):
    """A part of the metadata: XMP and JUMBF as they are, text in UTF-8; the key is that of a text, if it has one."""

    kind: Kind
    data: bytes
    key: str = ""


class _TooMuchError(Exception):
    """The metadata have more parts than are looked at."""


def read_metadata(content: bytes) -> Iterator[Part]:
    """Yield the parts of the metadata of a JPEG, PNG, WebP, GIF, TIFF, HEIC or AVIF, as far as they can be read.

    It never raises, and reads only what stands outside of the pixels. Of the files of 20 MB that were made to take long
    in tests, each took half a second at most (November 2026).
    """
    found = sniff(content[:HEAD_SIZE])
    if found in _READERS:
        try:
            yield from _READERS[found](_Scan(content))
        except (_TooMuchError, struct.error, IndexError, ValueError):  # damaged, or made to take long
            return


class _Scan:
    """The bytes of a file, of which only so many are taken in so many steps."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._steps = _MAX_STEPS
        self._bytes = _MAX_BYTES

    def step(self, steps: int = 1) -> None:
        """Count steps; raises _TooMuchError."""
        self._steps -= steps
        if self._steps < 0:
            raise _TooMuchError

    def take(self, start: int, end: int) -> bytes:
        """Return a part of the content, cut at the longest that a part may be; raises _TooMuchError."""
        return self.count(self.content[start : min(end, start + _MAX_PART)])

    def count(self, data: bytes) -> bytes:
        """Return some data, having counted their bytes; raises _TooMuchError."""
        self._bytes -= len(data)
        if self._bytes < 0:
            raise _TooMuchError
        return data


# JPEG: ISO/IEC 10918-1; XMP part 3 for APP1; ISO/IEC 19566-5 annex D for APP11.
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_PIXELS = frozenset({0xD9, 0xDA})
_APP1, _APP11, _COMMENT = 0xE1, 0xEB, 0xFE
_EXIF = b"Exif\0\0"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_MORE_XMP = struct.Struct(">32sII")  # the digest that all pieces share, their length together, the place of this one
_PIECE = struct.Struct(">2sHII4s")  # mark, number of the box, number of the piece, length and kind of the box
_PIECE_HEAD = 8  # bytes before the box


def _jpeg(scan: _Scan) -> Iterator[Part]:
    more_xmp: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    boxes: dict[int, dict[int, bytes]] = defaultdict(dict)
    for marker, start, end in _segments(scan):
        body = scan.content[start:end]
        if marker == _APP1 and body.startswith(_EXIF):
            yield from _exif(scan, scan.take(start + len(_EXIF), end))
        elif marker == _APP1 and body.startswith(_JPEG_XMP):
            yield Part(Kind.XMP, scan.take(start + len(_JPEG_XMP), end))
        elif marker == _APP1 and body.startswith(_JPEG_MORE_XMP):
            at = start + len(_JPEG_MORE_XMP)
            digest, _, offset = _MORE_XMP.unpack_from(scan.content, at)
            more_xmp[digest][offset] = scan.take(at + _MORE_XMP.size, end)
        elif marker == _APP11 and len(body) >= _PIECE.size:
            mark, box, piece, _, kind = _PIECE.unpack_from(body)
            if (mark, kind) == (b"JP", b"jumb"):
                boxes[box][piece] = scan.take(start + _PIECE_HEAD, end)
        elif marker == _COMMENT:
            yield Part(Kind.TEXT, scan.take(start, end))
    for pieces in more_xmp.values():
        yield Part(Kind.XMP, _joined(pieces))
    for pieces in boxes.values():
        first = min(pieces)
        # Each piece begins with the header of the box, of which one is wanted.
        yield Part(
            Kind.JUMBF, _joined({place: _bare(piece) if place > first else piece for place, piece in pieces.items()})
        )


def _bare(piece: bytes) -> bytes:
    """Return a piece of a box without the header, which is longer where the length takes eight bytes."""
    return piece[16 if piece.startswith(b"\0\0\0\1") else 8 :]


def _joined(pieces: dict[int, bytes]) -> bytes:
    return b"".join(pieces[place] for place in sorted(pieces))


def _segments(scan: _Scan) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment before the pixels, and where its body is.

    Whatever stands between them is skipped, as decoders do.
    """
    at = 2
    while found := _MARKER.search(scan.content, at):
        scan.step()
        marker, at = found[0][1], found.end()
        if marker in _PIXELS:
            return
        if marker not in _ALONE:
            end = at + max(2, int.from_bytes(scan.content[at : at + 2]))
            yield marker, at + 2, end
            at = end


# PNG: ISO/IEC 15948, and caBX of the C2PA specification.
_PNG_XMP = "XML:com.adobe.xmp"
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


def _png(scan: _Scan) -> Iterator[Part]:
    at = 8
    while at + 8 <= len(scan.content):
        scan.step()
        length, kind = struct.unpack_from(">I4s", scan.content, at)
        start, at = at + 8, at + 12 + length
        if kind in _PNG_TEXTS:
            yield _png_text(scan, kind, scan.take(start, start + length))
        elif kind == b"eXIf":
            yield from _exif(scan, scan.take(start, start + length))
        elif kind == b"caBX":
            yield Part(Kind.JUMBF, scan.take(start, start + length))


def _png_text(scan: _Scan, kind: bytes, data: bytes) -> Part:
    name, _, text = data.partition(b"\0")
    key = name.decode("latin-1")
    is_packed = kind == b"zTXt"
    if kind == b"iTXt":
        is_packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
    elif kind == b"zTXt":
        text = text[1:]
    if is_packed:
        text = scan.count(_unpacked(text))
    if key == _PNG_XMP:
        return Part(Kind.XMP, text)
    # UTF-8 is right for iTXt, and what programs write into the others, whatever the standard says.
    return Part(Kind.TEXT, text, key)


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_PART)
    except zlib.error:
        return b""


# WebP: RFC 9649, and the chunk of the C2PA specification.
def _webp(scan: _Scan) -> Iterator[Part]:
    at = 12
    while at + 8 <= len(scan.content):
        scan.step()
        kind, length = struct.unpack_from("<4sI", scan.content, at)
        start, at = at + 8, at + 8 + length + (length & 1)
        if kind == b"XMP ":
            yield Part(Kind.XMP, scan.take(start, start + length))
        elif kind == b"EXIF":
            yield from _exif(scan, scan.take(start, start + length).removeprefix(_EXIF))
        elif kind == b"C2PA":
            yield Part(Kind.JUMBF, scan.take(start, start + length))


# GIF: 89a, with the extensions of XMP part 3 and of the C2PA specification.
_GIF_COMMENT = b"\x21\xfe"
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"
_GIF_C2PA = b"\x21\xff\x0bC2PA_GIF"
_GIF_ID = 14  # bytes up to the end of an application's name
_SUB_BLOCKS_IN_STEP = 16  # a photo of 20 MB has 80,000


def _gif(scan: _Scan) -> Iterator[Part]:
    content, at = scan.content, GIF_SCREEN_END + gif_palette_size(scan.content[10])
    while at < len(content):
        scan.step()
        block = content[at : at + _GIF_ID]
        kind = block[:1]
        if kind == GIF_IMAGE:
            at = _after_sub_blocks(scan, at + 11 + gif_palette_size(content[at + 9]))
        elif kind == GIF_EXTENSION:
            end = _after_sub_blocks(scan, at + 2)
            if block.startswith(_GIF_XMP):  # not in blocks, but followed by numbers that lead to the end as if it were
                yield Part(Kind.XMP, scan.take(at + _GIF_ID, end))
            elif block.startswith(_GIF_COMMENT):
                yield Part(Kind.TEXT, _sub_blocks(scan, at + 2, end))
            elif block.startswith(_GIF_C2PA):
                yield Part(Kind.JUMBF, _sub_blocks(scan, at + _GIF_ID, end))
            at = end
        elif kind == GIF_TRAILER:
            return
        else:
            at += 1


def _after_sub_blocks(scan: _Scan, at: int) -> int:
    count = 0
    while length := scan.content[at]:
        at += 1 + length
        count += 1
    scan.step(count // _SUB_BLOCKS_IN_STEP)
    return at + 1


def _sub_blocks(scan: _Scan, at: int, end: int) -> bytes:
    data = bytearray()
    while at < end and (length := scan.content[at]) and len(data) < _MAX_PART:
        data += scan.content[at + 1 : at + 1 + length]
        at += 1 + length
    return scan.count(bytes(data))


# TIFF: revision 6.0; EXIF 3.0; the tags of XMP part 3 and of the C2PA specification.
_TIFF_HEAD = 8  # bytes
_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286
_TIFF_XMP, _TIFF_C2PA = 700, 52545
# Description, maker, model, software and artist: ComfyUI writes its graphs as maker and model of WebP.
_TEXTS = frozenset({0x010E, 0x010F, 0x0110, 0x0131, 0x013B})
_UTF16_TEXTS = frozenset({0x9C9B, 0x9C9C})  # title and comment, as Windows writes them
_DECLARING = _TEXTS | _UTF16_TEXTS | {_USER_COMMENT, _TIFF_XMP, _TIFF_C2PA}
_BYTE_SIZED = frozenset({1, 2, 7})  # types of one byte: numbers, ASCII and undefined
_IN_ENTRY = 4  # bytes of a value that stands in its entry


def _tiff(scan: _Scan) -> Iterator[Part]:
    return _exif(scan, scan.content)


def _exif(scan: _Scan, data: bytes) -> Iterator[Part]:
    """Yield the texts of a TIFF's first directory and of the EXIF directory that it names."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < _TIFF_HEAD:
        return
    (first,) = struct.unpack_from(order + "I", data, 4)
    for tag, kind, length, value, at in _entries(scan, data, order, first):
        if tag == _EXIF_IFD:
            for inner in _entries(scan, data, order, value):
                yield from _tagged(scan, data, *inner)
        yield from _tagged(scan, data, tag, kind, length, value, at)


def _entries(scan: _Scan, data: bytes, order: str, at: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield the tag, the type, the length and the value of each entry of a directory, and where it begins."""
    end = at + 2 + 12 * int.from_bytes(data[at : at + 2], "little" if order == "<" else "big")
    for entry in range(at + 2, min(end, len(data) - 11), 12):
        scan.step()
        tag, kind, length, value = struct.unpack_from(order + "HHII", data, entry)
        yield tag, kind, length, value, entry


def _tagged(scan: _Scan, data: bytes, tag: int, kind: int, length: int, value: int, at: int) -> Iterator[Part]:
    """Yield what an entry holds, if it may be a declaration."""
    if kind not in _BYTE_SIZED or tag not in _DECLARING:
        return
    start = value if length > _IN_ENTRY else at + 8
    text = scan.count(data[start : start + min(length, _MAX_PART)])
    if tag == _TIFF_XMP:
        yield Part(Kind.XMP, text)
    elif tag == _TIFF_C2PA:
        yield Part(Kind.JUMBF, text)
    elif tag == _USER_COMMENT:
        yield Part(Kind.TEXT, _comment(text))
    elif tag in _UTF16_TEXTS:
        yield Part(Kind.TEXT, _utf8(text, "utf-16-le"))
    else:
        yield Part(Kind.TEXT, text)


def _comment(value: bytes) -> bytes:
    """Return a comment in UTF-8. Programs do not heed the byte order of the file: the first zero tells it."""
    character_set, text = value[:8], value[8:]
    if character_set != b"UNICODE\0":
        return text
    if text.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        return _utf8(text, "utf-16")
    return _utf8(text, "utf-16-be" if text[:1] == b"\0" else "utf-16-le")


def _utf8(text: bytes, encoding: str) -> bytes:
    return text.decode(encoding, "replace").encode()


# HEIF and AVIF: the boxes of ISO/IEC 14496-12 and 23008-12; XMP part 3 and the C2PA specification for `uuid`.
_UUID_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_UUID_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_TYPE = b"application/rdf+xml"
_AT_IDAT = 1  # a way to tell where an item is: within the box idat


def _heif(scan: _Scan) -> Iterator[Part]:
    for box in _boxes(scan, 0, len(scan.content)):
        if box.kind == b"jumb":
            yield Part(Kind.JUMBF, scan.take(box.start - 8, box.end))
        elif box.kind == b"uuid":
            user_type = scan.content[box.start : box.start + 16]
            if user_type == _UUID_XMP:
                yield Part(Kind.XMP, scan.take(box.start + 16, box.end))
            elif user_type == _UUID_C2PA:
                # Version and flags, the purpose, which ends with a zero, and an offset of eight bytes.
                purpose_end = scan.content.index(b"\0", box.start + 20, box.end)
                yield Part(Kind.JUMBF, scan.take(purpose_end + 9, box.end))
        elif box.kind == b"meta":
            yield from _items(scan, box)


def _boxes(scan: _Scan, at: int, end: int) -> Iterator[Box]:
    while at + 8 <= end:
        scan.step()
        size, kind = struct.unpack_from(">I4s", scan.content, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", scan.content, start)
            start += 8
        elif size == 0:  # up to the end
            size = end - at
        if at + size < start:
            return
        yield Box(kind, start, min(end, at + size))
        at += size


def _items(scan: _Scan, meta: Box) -> Iterator[Part]:
    """Yield the EXIF and XMP among the items of an image."""
    inner = {box.kind: box for box in _boxes(scan, meta.start + 4, meta.end)}
    if not {b"iinf", b"iloc"} <= inner.keys():
        return
    wanted = dict(_item_types(scan, inner[b"iinf"]))
    for item, start, end in _item_places(scan, inner[b"iloc"], inner.get(b"idat")):
        if wanted.get(item) == b"Exif":
            data = scan.take(start, end)
            yield from _exif(scan, data[4 + int.from_bytes(data[:4]) :])
        elif wanted.get(item) == b"mime":
            yield Part(Kind.XMP, scan.take(start, end))


def _item_types(scan: _Scan, iinf: Box) -> Iterator[tuple[int, bytes]]:
    """Yield the ids of the items with EXIF and XMP."""
    head = 6 if scan.content[iinf.start] == 0 else 8
    for box in _boxes(scan, iinf.start + head, iinf.end):
        version = scan.content[box.start]
        if box.kind == b"infe" and version >= 2:
            layout = ">H2x4s" if version == 2 else ">I2x4s"
            item, kind = struct.unpack_from(layout, scan.content, box.start + 4)
            described = scan.content[box.start + 4 + struct.calcsize(layout) : box.end]
            if kind == b"Exif" or (kind == b"mime" and described.split(b"\0")[1:2] == [_XMP_TYPE]):
                yield item, kind


def _item_places(scan: _Scan, iloc: Box, idat: Box | None) -> Iterator[tuple[int, int, int]]:
    """Yield the id of each item, and where its first piece begins and ends; metadata are never in several."""
    content, at = scan.content, iloc.start
    version, sizes = content[at], int.from_bytes(content[at + 4 : at + 6])
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    count = int.from_bytes(content[at + 6 : at + 6 + wide])
    at += 6 + wide
    for _ in range(count):
        scan.step()
        item = int.from_bytes(content[at : at + wide])
        at += wide
        method = int.from_bytes(content[at : at + 2]) & 15 if version else 0
        at += (2 if version else 0) + 2  # the second two: the file, which is this one
        base = int.from_bytes(content[at : at + base_size])
        at += base_size
        (pieces,) = struct.unpack_from(">H", content, at)
        at += 2 + (index_size if version else 0)
        start = base + int.from_bytes(content[at : at + offset_size])
        length = int.from_bytes(content[at + offset_size : at + offset_size + length_size])
        if pieces and (method == 0 or (method == _AT_IDAT and idat)):
            start += idat.start if method == _AT_IDAT and idat else 0
            yield item, start, start + length
        at += pieces * (offset_size + length_size) + (pieces - 1) * (index_size if version else 0)


_READERS: dict[Format | None, Callable[[_Scan], Iterator[Part]]] = {
    Format.JPEG: _jpeg,
    Format.PNG: _png,
    Format.WEBP: _webp,
    Format.GIF: _gif,
    Format.TIFF: _tiff,
    Format.HEIC: _heif,
    Format.AVIF: _heif,
}
