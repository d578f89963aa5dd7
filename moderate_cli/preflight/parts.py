"""How many frames or pages a file has, counted by walking from one of its blocks to the next."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BufferedReader, BytesIO
from itertools import accumulate
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from moderate_cli.preflight.formats import (
    GIF_EXTENSION,
    GIF_IMAGE,
    GIF_SCREEN_END,
    GIF_TRAILER,
    HEAD_SIZE,
    Box,
    Format,
    gif_palette_size,
)

PartKind = Literal["frames", "pages"]

# Beyond these a count stays unknown: nobody looks at so many parts, a few bytes can claim four billion of them, and
# 20 MB have room for millions of blocks, or for an endless chain. So many steps take 0.1 to 0.25 seconds.
_MAX_PARTS = 100_000
_MAX_STEPS = 500_000
_FETCH_STEPS = 4  # the cost of reading one more piece of the file, in steps

_PIECE = 256  # bytes that are read at least: most formats tell the distance to the next block
_GIF_PIECE = 64 * 1024  # a GIF does not: its data are cut into sub-blocks of up to 255 bytes


class Parts(Struct, frozen=True):
    """How many parts a file has, of which the service may judge only one; `total` is None if they cannot be counted.

    That is so if the file is cut off or damaged before the last of them, or has too many.
    """

    kind: PartKind
    total: int | None


def count_parts(file: BufferedReader, size: int, found: Format) -> Parts | None:
    """Return the frames or pages of a file that has several, or None for one with a single picture.

    `size` is in bytes; the position of the file is kept. A file that is cut off or damaged before it is clear whether
    it has several counts as if it had. Raises OSError if the file cannot be read.
    """
    if found not in _COUNTERS:
        return None
    kind, count = _COUNTERS[found]
    start = file.raw.tell()
    try:
        total = count(_Walk(file, size, _GIF_PIECE if found is Format.GIF else _PIECE))
    except _UncertainError:
        return Parts(kind, None)
    finally:
        file.raw.seek(start, os.SEEK_SET)
    if total < 2:
        return None
    return Parts(kind, total if total <= _MAX_PARTS else None)


class _UncertainError(Exception):
    """The file ends or is damaged before all its parts were seen, or takes too many steps."""


class _Walk:
    """The bytes of a file of `size` bytes, of which one piece is held at a time.

    It bypasses the buffer of the file, as the Window of the headers does.
    """

    def __init__(self, file: BufferedReader, size: int, piece_size: int) -> None:
        self.size = size
        self.piece = b""
        self._file = file.raw
        self._piece_at = 0
        self._piece_size = piece_size
        self._left = _MAX_STEPS

    def spend(self, steps: int) -> None:
        """Count steps; raises _UncertainError if they are more than a file may take."""
        self._left -= steps
        if self._left < 0:
            raise _UncertainError

    def hold(self, at: int, length: int) -> int:
        """Read `length` bytes from the offset `at` on into the piece, and return where they are within it.

        Raises _UncertainError if the file ends before that.
        """
        self.spend(1)
        begin = at - self._piece_at
        if begin >= 0 and begin + length <= len(self.piece):
            return begin
        if at + length > self.size:
            raise _UncertainError
        self._fetch(at, min(max(length, self._piece_size), self.size - at))
        if len(self.piece) < length:  # the file became shorter while it was read
            raise _UncertainError
        return 0

    def unpack(self, layout: str, at: int) -> tuple[Any, ...]:
        """Return the fields at `at` by a `layout` of the module struct; raises as `hold` does."""
        begin = self.hold(at, struct.calcsize(layout))
        return struct.unpack_from(layout, self.piece, begin)

    def _fetch(self, at: int, length: int) -> None:
        self.spend(_FETCH_STEPS)
        self._file.seek(at, os.SEEK_SET)
        data = b""
        while len(data) < length and (more := self._file.read(length - len(data))):
            data += more
        self._piece_at, self.piece = at, data


# GIF: the specifications 87a and 89a.
_BLOCK_START = re.compile(rb"[,!;]")
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF  # labels of extensions
_SHORTEST_DELAY, _NO_DELAY = 2, 10  # what is shorter, in hundredths of a second, browsers show for the latter
_LOOPS = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0"})


def gif_starts(content: bytes) -> list[float]:
    """Return the seconds after which a browser shows each frame of a GIF; nothing where they cannot be counted."""
    file: BufferedReader = BufferedReader(BytesIO(content))
    try:
        delays = _gif_delays(_Walk(file, len(content), _GIF_PIECE))
    except _UncertainError:
        return []
    shown = (_NO_DELAY if delay < _SHORTEST_DELAY else delay for delay in delays)
    return [start / 100 for start in accumulate(shown, initial=0)][:-1]


def _gif_frames(walk: _Walk) -> int:
    return len(_gif_delays(walk))


def _gif_delays(walk: _Walk) -> list[int]:
    """Return for how many hundredths of a second each image is to be shown, as the file says.

    They are those up to the trailer, or up to the end of a file without one that announces no more of them.
    """
    (flags,) = walk.unpack("B", 10)
    at = GIF_SCREEN_END + gif_palette_size(flags)
    delays: list[int] = []
    promised, delay = 1, 0
    while at < walk.size:
        (kind,) = walk.unpack("c", at)
        if kind == GIF_TRAILER:
            return delays
        if kind == GIF_IMAGE:
            (flags,) = walk.unpack("B", at + 9)
            at = _after_sub_blocks(walk, at + 11 + gif_palette_size(flags))
            delays.append(delay)
            delay = 0
        elif kind == GIF_EXTENSION:
            promised = max(promised, _promised_frames(walk, at, len(delays)))
            if walk.unpack("BB", at + 1) == (_GRAPHIC_CONTROL, 4):
                (delay,) = walk.unpack("<H", at + 4)
            at = _after_sub_blocks(walk, at + 2)
        else:  # not a block, but decoders carry on after it; it may be what is left of a frame
            promised = max(promised, len(delays) + 1)
            at = _next_block(walk, at)
    if at > walk.size or len(delays) < promised:
        raise _UncertainError
    return delays


def _promised_frames(walk: _Walk, at: int, frames: int) -> int:
    """Return how many frames there must be by the extension at `at`, before which there are `frames`."""
    label, length = walk.unpack("BB", at + 1)
    if label == _GRAPHIC_CONTROL:  # it says how the next image is shown
        return frames + 1
    if label == _APPLICATION and length == 11 and walk.unpack("11s", at + 3)[0] in _LOOPS:
        return 2
    return 0


def _after_sub_blocks(walk: _Walk, at: int) -> int:
    while True:
        begin = offset = walk.hold(at, 1)
        piece, end, steps = walk.piece, len(walk.piece), 0
        while offset < end:
            length = piece[offset]
            offset += 1 + length
            steps += 1
            if not length:
                break
        walk.spend(steps)
        at += offset - begin
        if not length:
            return at


def _next_block(walk: _Walk, at: int) -> int:
    begin = walk.hold(at, 1)
    block = _BLOCK_START.search(walk.piece, begin)
    return at - begin + (block.start() if block else len(walk.piece))


def _png_frames(walk: _Walk) -> int:
    """Count the frames of an APNG: PNG, third edition.

    The announced number alone is not trusted. The first image is one more if it is not a frame itself: only programs
    that do not know APNG show it. A file that ends before its picture without having announced frames has one.
    """
    at, announced, controls, apart = 8, None, 0, False
    while True:
        if announced is None and at + 8 > walk.size:
            return 1
        length, kind = walk.unpack(">I4s", at)
        if kind == b"IDAT":
            if announced is None:  # a later announcement does not count
                return 1
            apart |= controls == 0
        elif kind == b"acTL" and length >= 8:
            announced = max(announced or 0, *walk.unpack(">I", at + 8))
        elif kind == b"fcTL":
            controls += 1
        elif kind == b"IEND":
            return max(announced or 0, controls) + apart
        elif not kind.isalpha():
            raise _UncertainError
        at += 12 + length


_ANIMATED = 0x02


def _webp_frames(walk: _Walk) -> int:
    """Count the frames of an animation, which is always in the extended format: RFC 9649."""
    kind, _, flags = walk.unpack("<4sIB", 12)
    if kind != b"VP8X" or not flags & _ANIMATED:
        return 1
    at, end = 12, 8 + walk.unpack("<I", 4)[0]
    if end > walk.size:
        raise _UncertainError
    frames = 0
    while at < end:
        kind, length = walk.unpack("<4sI", at)
        frames += kind == b"ANMF"
        at += 8 + length
        if at > end:
            raise _UncertainError
        at += length & 1
    return frames


class _Directories(NamedTuple):
    """Where the numbers of a variant of TIFF are, and how long they are, in the notation of the module struct."""

    first_at: int  # offset of the first directory's offset
    offset: str
    number: str  # of entries
    number_size: int
    entry_size: int
    value_at: int  # within an entry


_CLASSIC = _Directories(4, "I", "H", 2, 12, 8)
_BIG = _Directories(8, "Q", "Q", 8, 20, 12)
_NEW_SUBFILE_TYPE = 254
_REDUCED = 1
_SHORT = 3


def _tiff_pages(walk: _Walk) -> int:
    """Count the directories: TIFF, revision 6.0, and BigTIFF. A chain that loops uses up all steps.

    One of a reduced resolution is not a page but a thumbnail of another. The tag 254 tells so, and can only be the
    first: entries are sorted, and no other tag is as low.
    """
    (mark,) = walk.unpack("4s", 0)
    order = "<" if mark[:1] == b"I" else ">"
    layout = _BIG if b"+" in mark else _CLASSIC
    (at,) = walk.unpack(order + layout.offset, layout.first_at)
    pages = 0
    while at:
        (count,) = walk.unpack(order + layout.number, at)
        if not count:  # not allowed; some decoders stop here, and others go on
            raise _UncertainError
        at += layout.number_size
        pages += not _is_reduced(walk, order, at, at + layout.value_at)
        (at,) = walk.unpack(order + layout.offset, at + count * layout.entry_size)
    return pages


def _is_reduced(walk: _Walk, order: str, entry_at: int, value_at: int) -> bool:
    tag, kind = walk.unpack(order + "HH", entry_at)
    if tag != _NEW_SUBFILE_TYPE:
        return False
    (flags,) = walk.unpack(order + ("H" if kind == _SHORT else "I"), value_at)
    return bool(flags & _REDUCED)


def _ico_frames(walk: _Walk) -> int:
    """Count the entries of the directory, all of which must be there."""
    (count,) = walk.unpack("<H", 4)
    if 6 + 16 * count > walk.size:
        raise _UncertainError
    return int(count)


# Brands of sequences: ISO/IEC 23008-12. The first is for all codecs, and requires a movie box.
_ANY_SEQUENCE = b"msf1"
_SEQUENCES = frozenset({_ANY_SEQUENCE, b"hevc", b"hevx"})
_PICTURES = frozenset({b"pict", b"vide"})  # handlers of tracks; others hold transparency, sound or data
_SIZES = frozenset({b"stsz", b"stz2"})  # boxes with a size for each sample, which begin alike


def _heic_frames(walk: _Walk) -> int:
    """Count the samples of a sequence, in the boxes of ISO/IEC 14496-12; without one there is a single picture."""
    brands: set[bytes] = set()
    still = False
    for box in _boxes(walk, 0, walk.size):
        if box.kind == b"ftyp":
            brands |= _brands(walk, box)
            if not brands & _SEQUENCES:
                return 1
        elif box.kind == b"moov":
            return _samples(walk, box)
        still |= box.kind == b"meta"
    if not still or _ANY_SEQUENCE in brands:
        raise _UncertainError
    return 1  # Nokia's sample stills name the brand hevc too (drewnoakes/metadata-extractor, pull request 314)


def _brands(walk: _Walk, ftyp: Box) -> set[bytes]:
    end = min(ftyp.end, HEAD_SIZE)  # none after it makes the file a HEIC
    (text,) = walk.unpack(f"{max(0, end - ftyp.start)}s", ftyp.start)
    return {text[:4], *(text[at : at + 4] for at in range(8, len(text), 4))}


def _samples(walk: _Walk, moov: Box) -> int:
    """Return the length of the longest track of pictures."""
    longest = 0
    for media in _inside(walk, _inside(walk, [moov], {b"trak"}), {b"mdia"}):
        if any(walk.unpack("4s", box.start + 8)[0] in _PICTURES for box in _inside(walk, [media], {b"hdlr"})):
            tables = _inside(walk, _inside(walk, [media], {b"minf"}), {b"stbl"})
            counts = (walk.unpack(">I", box.start + 8)[0] for box in _inside(walk, tables, _SIZES))
            longest = max(longest, max(counts, default=0))
    if not longest:  # no track, or one whose samples are described elsewhere, in fragments
        raise _UncertainError
    return longest


def _inside(walk: _Walk, outer: Iterable[Box], kinds: set[bytes] | frozenset[bytes]) -> Iterator[Box]:
    for box in outer:
        yield from (inner for inner in _boxes(walk, box.start, box.end) if inner.kind in kinds)


def _boxes(walk: _Walk, at: int, end: int) -> Iterator[Box]:
    while at < end:
        size, kind = walk.unpack(">I4s", at)
        start = at + 8
        if size == 1:
            (size,) = walk.unpack(">Q", start)
            start += 8
        elif size == 0:  # up to the end
            size = end - at
        if not start <= at + size <= end:
            raise _UncertainError
        yield Box(kind, start, at + size)
        at += size


_COUNTERS: Mapping[Format, tuple[PartKind, Callable[[_Walk], int]]] = {
    Format.GIF: ("frames", _gif_frames),
    Format.PNG: ("frames", _png_frames),
    Format.WEBP: ("frames", _webp_frames),
    Format.TIFF: ("pages", _tiff_pages),
    Format.ICO: ("frames", _ico_frames),
    Format.HEIC: ("frames", _heic_frames),
}
