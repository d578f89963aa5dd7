"""Which formats and sizes the service accepts, and which format a file has by its first bytes.

The name counts for camera raw files only, many of which are TIFFs by their first bytes.
"""

from __future__ import annotations

import re
from enum import StrEnum
from math import ceil
from typing import NamedTuple

from moderate_cli.common.errors import RefusedError

HEAD_SIZE = 4096  # bytes: enough for every magic number, and for the prologue of an SVG

# The vendor's pages of the sync operation (2026-03-03) and of the async operation (2026-03-31); those of the batch and
# the multimodal operation use the same words.
MAX_BYTES = 20 * 1024 * 1024
MAX_SIDE = 16_384  # pixels
MAX_PIXELS = 167_000_000
MAX_HEIC_SIDE = 8_191  # pixels: "the longest edge must be less than 8,192 px"
SMALL_SIDE = 200  # pixels

SMALL = f"smaller than {SMALL_SIDE} x {SMALL_SIDE} pixels, below which the service judges worse"
CUT_OFF = "cut off: by its header the image is longer than its file"
FIRST_ASSUMED = "no page says which of several frames or pages of a PNG, TIFF or WEBP is judged; the first is assumed"
IMAGE_NOTES = frozenset({SMALL, CUT_OFF, FIRST_ASSUMED})
"""All notes on images."""

_SURE = 32  # bytes: the header of every binary format has a NUL among them

_SCALE_DOWN = "scale the image down"


class Format(StrEnum):
    """The formats that the vendor's pages name, and AVIF and camera raw, which the service does not accept."""

    PNG = "PNG"
    JPEG = "JPEG"
    GIF = "GIF"
    BMP = "BMP"
    WEBP = "WEBP"
    TIFF = "TIFF"
    ICO = "ICO"
    HEIC = "HEIC"
    AVIF = "AVIF"
    SVG = "SVG"
    RAW = "camera raw"


ACCEPTED = frozenset(Format) - {Format.AVIF, Format.RAW}
# By the suffixes of ExifTool's list of formats (read 2026-11).
RAW_SUFFIXES = frozenset(
    {
        *(".3fr", ".ari", ".arw", ".bay", ".cr2", ".cr3", ".crw", ".cs1", ".dcr", ".dcs", ".dng", ".erf", ".fff"),
        *(".gpr", ".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf"),
        *(".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)

_PREFIXES = (
    (b"II*\x00\x10\x00\x00\x00CR", Format.RAW),  # Canon's CR2, a TIFF otherwise
    (b"II\x1a\x00\x00\x00HEAPCCDR", Format.RAW),  # its CRW
    (b"IIU\x00", Format.RAW),  # Panasonic and Leica
    (b"IIRO", Format.RAW),  # Olympus, as the two below
    (b"IIRS", Format.RAW),
    (b"MMOR", Format.RAW),
    (b"FUJIFILMCCD-RAW", Format.RAW),
    (b"\x00MRM", Format.RAW),  # Minolta
    (b"FOVb", Format.RAW),  # Sigma
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"\xff\xd8\xff", Format.JPEG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\x00", Format.TIFF),
    (b"MM\x00*", Format.TIFF),
    (b"II+\x00", Format.TIFF),
    (b"MM\x00+", Format.TIFF),
)
# Brands of ISO base media files: ISO/IEC 23008-12 for HEIF, the AV1 image file format for AVIF.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_RAW_BRAND = b"crx "  # Canon's CR3
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
# The root element decides: HTML pages contain drawings too. A declaration, comments and a doctype may precede it.
# The groups are atomic: text that only looks like the start of an SVG must not take long.
_SVG = r"\s*+(?>(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE\s++svg\b[^<>\[]*+(?:\[.*?\]\s*+)?>)\s*+)*+<(?:\w+:)?svg(?=[\s/>])"
_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})


def format_of(head: bytes, name: str) -> Format | None:
    """Return the image format of a file by its first bytes; a name says which TIFF, or unknown file, is camera raw."""
    found = sniff(head)
    return Format.RAW if found in {None, Format.TIFF} and is_raw_name(name) else found


def is_raw_name(name: str) -> bool:
    """Tell whether a file has the name of a camera raw file."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in RAW_SUFFIXES


def may_begin_image(head: bytes) -> bool:
    """Tell whether it takes more bytes to see whether something that starts so is an image."""
    text = _text(head).lstrip()
    if not text or text[0] == "<":  # nothing yet, or the prologue of an SVG
        return len(head) < HEAD_SIZE
    starts = (*(prefix for prefix, _ in _PREFIXES), b"RIFF", b"BM", b"\0\0")
    is_line = head[:1].isalnum() and b"\n" in head
    return len(head) < _SURE and not is_line and any(head.startswith(start[: len(head)]) for start in starts)


def sniff(head: bytes) -> Format | None:
    """Return the image format of a file that starts with `head` (HEAD_SIZE bytes, or the whole file), or None."""
    for prefix, found in _PREFIXES:
        if head.startswith(prefix):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[:2] == b"BM" and len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return Format.BMP
    if head[:4] == b"\x00\x00\x01\x00" and head[4:6] not in {b"", b"\x00\x00"}:
        return Format.ICO
    return Format.SVG if svg_root(head) is not None else None


def svg_root(data: bytes) -> str | None:
    """Return the text of an SVG after the name of its root element, or None if `data` does not start with one."""
    text = _text(data)
    root = re.match(_SVG, text, re.DOTALL)
    return text[root.end() :] if root else None


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    return data.decode(encoding, "ignore")


def _iso_media(head: bytes) -> Format | None:
    end = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(end, len(head)), 4))}
    if head[8:12] == _RAW_BRAND:
        return Format.RAW
    if brands & _AVIF_BRANDS:
        return Format.AVIF
    return Format.HEIC if brands & _HEIC_BRANDS else None


class Box(NamedTuple):
    """A box of an ISO base media file (ISO/IEC 14496-12), its content from `start` up to `end`."""

    kind: bytes
    start: int
    end: int


# The blocks of a GIF (specifications 87a and 89a) begin after its screen, and after the palette of that.
GIF_SCREEN_END = 13
GIF_IMAGE, GIF_EXTENSION, GIF_TRAILER = b",", b"!", b";"


def gif_palette_size(flags: int) -> int:
    """Return the bytes of the palette that the flags of a GIF's screen or image announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def check_bytes(size: int) -> None:
    """Raise RefusedError for an empty file, and for one of more than 20 MB; `size` is in bytes."""
    if size == 0:
        raise RefusedError("the file is empty", code="empty", api_code=407)
    if size > MAX_BYTES:
        raise too_large(f"{ceil(size / 1024 / 1024 * 10) / 10} MB is")


def too_large(subject: str = "the image is") -> RefusedError:
    """Return the error of an image with more bytes than the service accepts."""
    message = f"{subject} more than the 20 MB that the service accepts"
    return RefusedError(message, code="too_large", api_code=406, hint=_SCALE_DOWN)


def check_pixels(found: Format, width: int, height: int) -> None:
    """Raise RefusedError for an image with more pixels, or longer sides (in pixels), than the service accepts."""
    longest = max(width, height)
    message = None
    if longest > MAX_SIDE:
        message = f"a side of {longest:,} pixels is longer than the {MAX_SIDE:,} that the service accepts"
    elif found is Format.HEIC and longest > MAX_HEIC_SIDE:
        message = f"a side of {longest:,} pixels is longer than the {MAX_HEIC_SIDE:,} that the service accepts for HEIC"
    elif width * height > MAX_PIXELS:
        message = f"{width:,} x {height:,} pixels are more than the 167 million that the service accepts"
    if message:
        raise RefusedError(message, code="too_large", api_code=406, hint=_SCALE_DOWN)
