"""How many frames or pages a file has, as Pillow counts them too, and what is said of one that is cut off."""

from __future__ import annotations

import functools
import io
import struct
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from counting import CountingFile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from preflight_corpus import FTYP, box, encoded_heic, ico, png, png_chunk, saved, tiff
from preflight_corpus import samples as corpus

from moderate_cli.preflight import MAX_BYTES, Format
from moderate_cli.preflight.parts import PartKind, Parts, count_parts, gif_starts

SIDE = (16, 12)
KINDS: dict[Format, PartKind] = dict.fromkeys(Format, "frames") | {Format.TIFF: "pages"}
SINGLE = {Format.JPEG, Format.BMP, Format.SVG, Format.AVIF}  # of which no file is said to have several
# The same examples each time, and none remembered: a test that fails does so on every machine.
budget = settings(
    derandomize=True, database=None, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow]
)


@dataclass(frozen=True)
class Several:
    """A file with more than one part."""

    name: str
    format: Format
    content: bytes
    total: int

    def __str__(self) -> str:
        return self.name


def _count(content: bytes, found: Format) -> Parts | None:
    """Return the answer, having seen that the file is left where it stood."""
    file = io.BufferedReader(io.BytesIO(content))
    skipped = len(file.read(3))
    parts = count_parts(file, len(content), found)
    assert file.tell() == skipped
    assert file.read() == content[skipped:]
    return parts


def _animated(form: str, frames: int = 3, **options: Any) -> bytes:
    pictures = [Image.new("RGB", SIDE, (80 * number % 256, number % 256, 200)) for number in range(frames)]
    return saved(form, SIDE, save_all=True, append_images=pictures[1:], **options)


# Builders: the least that a program which counts has to see.

SCREEN = b"GIF89a" + struct.pack("<HHBBB", *SIDE, 0, 0, 0)
SCREEN_OF_8_COLOURS = b"GIF89a" + struct.pack("<HHBBB", *SIDE, 0x82, 0, 0) + bytes(24)
CONTROL = b"!\xf9\x04" + bytes(4) + b"\0"
LOOP = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
COMMENT = b"!\xfe\x03a;,\0"
IMAGE = b"," + struct.pack("<HHHHB", 0, 0, *SIDE, 0) + b"\x02\x02\x4c\x01\0"
IMAGE_OF_4_COLOURS = b"," + struct.pack("<HHHHB", 0, 0, *SIDE, 0x81) + b";,!" * 4 + b"\x02\x02\x4c\x01\x01;\0"


def _apng(announced: int, *, controls: int, apart: bool = False, end: bytes = png_chunk(b"IEND", b"")) -> bytes:
    frame = png_chunk(b"fcTL", bytes(26))
    chunks = [frame + png_chunk(b"fdAT", bytes(9)) for _ in range(controls)]
    picture = png_chunk(b"IDAT", bytes(5)) + png_chunk(b"IDAT", b"")
    if apart:
        chunks.insert(0, picture)
    elif chunks:
        chunks[0] = frame + picture
    else:
        chunks = [picture]
    return png(*SIDE) + png_chunk(b"acTL", struct.pack(">II", announced, 0)) + b"".join(chunks) + end


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _webp(*chunks: bytes, flags: int = 2) -> bytes:
    content = b"WEBP" + _chunk(b"VP8X", bytes([flags]) + bytes(9)) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


FRAME = _chunk(b"ANMF", bytes(17))


def _tiff(
    order: str, *subfile_types: int | None, big: bool = False, kind: int = 4, loop_to: int | None = None, last: int = 0
) -> bytes:
    """Return the directories of a TIFF, each with the value of its tag 254; the last points to `last` or back."""
    entry, number, size, start = ("HHQ", "Q", 8, 16) if big else ("HHI", "I", 4, 8)
    head = struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, start) if big else (42, start)))
    parts, at, places = [b"II" + head if order == "<" else b"MM" + head], start, []
    for place, value in enumerate(subfile_types):
        tags = [(256, 3, SIDE[0]), (257, 3, SIDE[1])] if value is None else [(254, kind, value), (257, 3, SIDE[1])]
        entries = b"".join(
            struct.pack(order + entry, tag, sort, 1)
            + struct.pack(order + {3: "H", 4: "I"}[sort], told).ljust(size, b"\0")
            for tag, sort, told in tags
        )
        places.append(at)
        directory = struct.pack(order + ("Q" if big else "H"), len(tags)) + entries
        at += len(directory) + size
        behind = at
        if place == len(subfile_types) - 1:
            behind = last if loop_to is None else places[loop_to]
        parts.append(directory + struct.pack(order + number, behind))
    return b"".join(parts)


def _track(handler: bytes, samples: int, table: bytes = b"stsz") -> bytes:
    sizes = box(table, bytes(8), struct.pack(">I", samples), bytes(4 * samples if samples < 99 else 0))
    return box(
        b"trak",
        box(b"tkhd", bytes(84)),
        box(
            b"mdia",
            box(b"mdhd", bytes(24)),
            box(b"hdlr", bytes(8), handler, bytes(13)),
            box(b"minf", box(b"dinf"), box(b"stbl", box(b"stsd", bytes(8)), sizes)),
        ),
    )


SEQUENCE_FTYP = box(b"ftyp", b"hevc", bytes(4), b"msf1hevciso8")
STILL = box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"pict", bytes(13)))


def _sequence(*tracks: bytes, ftyp: bytes = SEQUENCE_FTYP, before: bytes = b"", long: bool = False) -> bytes:
    return ftyp + before + box(b"moov", box(b"mvhd", bytes(100)), *tracks, long=long) + box(b"mdat", bytes(30))


def _from_pillow() -> list[Several]:
    return [
        Several("gif", Format.GIF, _animated("GIF"), 3),
        Several("gif-loop", Format.GIF, _animated("GIF", loop=0, duration=50, comment=b"x" * 700), 3),
        Several("gif-of-60", Format.GIF, _animated("GIF", 60), 60),
        Several("webp", Format.WEBP, _animated("WEBP"), 3),
        Several("webp-lossless", Format.WEBP, _animated("WEBP", 4, lossless=True, exif=b"Exif\0\0II*\0" + bytes(7)), 4),
        Several("apng", Format.PNG, _animated("PNG"), 3),
        Several("apng-of-two", Format.PNG, _animated("PNG", 2, disposal=1, blend=1), 2),
        Several("apng-apart", Format.PNG, _animated("PNG", default_image=True), 3),
        Several("tiff", Format.TIFF, _animated("TIFF"), 3),
        Several("tiff-lzw", Format.TIFF, _animated("TIFF", 4, compression="tiff_lzw"), 4),
        Several("tiff-big", Format.TIFF, _animated("TIFF", big_tiff=True), 3),
        Several("ico", Format.ICO, saved("ICO", (64, 64), sizes=[(16, 16), (32, 32), (64, 64)]), 3),
        Several("ico-bitmaps", Format.ICO, saved("ICO", (32, 32), bitmap_format="bmp", sizes=[(16, 16), (32, 32)]), 2),
    ]


def _by_hand() -> list[Several]:
    tiffs = [
        Several(f"tiff-{order}-{'big' if big else 'classic'}", Format.TIFF, _tiff(order, None, 2, 0, 1, big=big), 3)
        for order in "<>"
        for big in (False, True)
    ]
    return [
        Several("gif-bare", Format.GIF, SCREEN + IMAGE * 3 + b";", 3),
        Several("gif-coloured", Format.GIF, SCREEN_OF_8_COLOURS + IMAGE_OF_4_COLOURS * 2 + b";", 2),
        Several("gif-controls", Format.GIF, SCREEN + (CONTROL + IMAGE) * 3 + COMMENT + b";", 3),
        Several("gif-loop-bare", Format.GIF, SCREEN + LOOP + (CONTROL + IMAGE) * 2 + b";", 2),
        Several("gif-no-trailer", Format.GIF, SCREEN + LOOP + IMAGE * 2, 2),
        Several("apng-built", Format.PNG, _apng(3, controls=3), 3),
        Several("apng-built-apart", Format.PNG, _apng(1, controls=1, apart=True), 2),
        Several("webp-built", Format.WEBP, _webp(_chunk(b"ANIM", bytes(6)), FRAME, FRAME, _chunk(b"XMP ", b"x")), 2),
        *tiffs,
        Several("ico-built", Format.ICO, ico((16, 16, b"a"), (32, 32, b"b"), (64, 64, b"c")), 3),
        Several("heic", Format.HEIC, _sequence(_track(b"pict", 5)), 5),
        Several("heic-still-too", Format.HEIC, _sequence(_track(b"pict", 5), before=STILL), 5),
    ]


@functools.cache
def several() -> tuple[Several, ...]:
    return (*_from_pillow(), *_by_hand())


def _frames_by_pillow(content: bytes) -> int:
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
        return len(image.info["sizes"]) if image.format == "ICO" else getattr(image, "n_frames", 1)


@pytest.mark.parametrize("sample", several(), ids=str)
def test_a_file_of_several_parts(sample: Several) -> None:
    assert _count(sample.content, sample.format) == Parts(KINDS[sample.format], sample.total)


@pytest.mark.parametrize("sample", _from_pillow(), ids=str)
def test_pillow_counts_the_same(sample: Several) -> None:
    assert _frames_by_pillow(sample.content) == sample.total


def test_the_corpus_of_the_headers() -> None:
    counted = {sample.name: _count(sample.content, sample.format) for sample in corpus()}
    assert {name: parts for name, parts in counted.items() if parts} == {
        "png-animated": Parts("frames", 2),
        "gif-animated": Parts("frames", 3),
        "webp-animated": Parts("frames", 2),
        "tiff-pages": Parts("pages", 2),
        "ico-several": Parts("frames", 2),
        "ico-last-counts": Parts("frames", 2),
        "heic-sequence": Parts("frames", None),  # its movie box is empty
    }
    by_pillow = {
        sample.name: _frames_by_pillow(sample.content)
        for sample in corpus()
        if sample.format in {Format.GIF, Format.PNG, Format.WEBP} and sample.name != "png-without-pixels"
    }
    assert {name for name, frames in by_pillow.items() if frames > 1} == {
        *("png-animated", "gif-animated", "webp-animated")
    }


@pytest.mark.parametrize("found", sorted(SINGLE))
def test_some_formats_have_one_picture_always(found: Format) -> None:
    assert _count(b"", found) is None
    assert _count(bytes(99), found) is None


# Cut off


@pytest.mark.parametrize("sample", several(), ids=str)
def test_a_file_that_is_cut_off_is_never_given_more_parts_than_it_had(sample: Several) -> None:
    size = len(sample.content)
    lengths = range(0, size, 1 if size < 5000 else 7)
    cuts = [_count(sample.content[:length], sample.format) for length in lengths]
    assert {parts.kind for parts in cuts if parts} == {KINDS[sample.format]}
    totals = [parts.total if parts else 1 for parts in cuts]
    if sample.format is Format.PNG:
        # Before its frames are announced it gives no sign of any: it is one picture, of which not all is there.
        announced = sample.content.index(b"acTL") + 4
        assert {totals[at] for at, length in enumerate(lengths) if length < announced} == {1}
        totals = [total for total, length in zip(totals, lengths, strict=True) if length >= announced]
    assert totals[0] is None
    if sample.format is not Format.GIF:
        assert set(totals) <= {None, sample.total}
        return
    # Where a trailer may be missing, a cut behind a frame leaves a whole file, unless a loop of one frame.
    first = 2 if b"NETSCAPE2.0" in sample.content else 1
    assert set(totals) <= {None, *range(first, sample.total + 1)}
    assert max(Counter(total for total in totals if total and total < sample.total).values(), default=0) <= 1


def test_a_png_that_ends_before_its_picture_is_one_unless_it_announced_frames() -> None:
    content = next(sample.content for sample in corpus() if sample.name == "png-without-pixels")
    assert b"acTL" not in content
    assert _count(content, Format.PNG) is None
    assert _count(content[:8], Format.PNG) is None
    control = struct.pack(">I4sIII", 8, b"acTL", 2, 0, 0)
    assert _count(content + control, Format.PNG) == Parts("frames", None)
    assert _count(content + control[:8], Format.PNG) == Parts("frames", None)


def test_a_gif_that_is_cut_off_within_a_frame_or_before_a_promised_one() -> None:
    assert _count(SCREEN + IMAGE[:-1], Format.GIF) == Parts("frames", None)
    assert _count(SCREEN + IMAGE + IMAGE[:-1], Format.GIF) == Parts("frames", None)
    assert _count(SCREEN + IMAGE + CONTROL, Format.GIF) == Parts("frames", None)
    assert _count(SCREEN + LOOP + IMAGE, Format.GIF) == Parts("frames", None)
    assert _count(SCREEN + LOOP.replace(b"NETSCAPE2.0", b"ANIMEXTS1.0") + IMAGE, Format.GIF) == Parts("frames", None)
    assert _count(SCREEN, Format.GIF) == Parts("frames", None)


@pytest.mark.parametrize(
    ("delays", "starts"),
    [
        ([400, 300, 200], [0.0, 0.4, 0.7]),
        ([0, 10, 20, 500], [0.0, 0.1, 0.2, 0.22]),
        ([65_000, 70, 70], [0.0, 65.0, 65.07]),
    ],
)
def test_when_the_frames_of_a_gif_are_shown(delays: list[int], starts: list[float]) -> None:
    content = _animated("GIF", len(delays), duration=delays)
    assert gif_starts(content) == pytest.approx(starts)
    assert gif_starts(content[:-20]) == []


def test_a_gif_without_a_trailer_is_counted_as_far_as_it_goes() -> None:
    assert _count(SCREEN + CONTROL + IMAGE, Format.GIF) is None
    assert _count(SCREEN + CONTROL + IMAGE + COMMENT, Format.GIF) is None
    assert _count(SCREEN + IMAGE * 2, Format.GIF) == Parts("frames", 2)


def test_a_file_that_became_shorter_is_not_counted() -> None:
    for sample in several():
        cut = io.BufferedReader(io.BytesIO(sample.content[: len(sample.content) // 3]))
        assert count_parts(cut, len(sample.content), sample.format) in {
            Parts(KINDS[sample.format], None),
            Parts(KINDS[sample.format], sample.total),
        }


def test_a_file_that_became_longer_is_counted_up_to_its_size() -> None:
    content = SCREEN + IMAGE * 2
    longer = io.BufferedReader(io.BytesIO(content + IMAGE))
    assert count_parts(longer, len(content), Format.GIF) == Parts("frames", 2)


def test_a_file_that_cannot_be_read_raises_what_it_raised() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    file = io.BufferedReader(Broken(SCREEN + IMAGE))
    with pytest.raises(OSError, match="Input/output"):
        count_parts(file, len(SCREEN + IMAGE), Format.GIF)
    assert file.tell() == 0


# GIF


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SCREEN + IMAGE + b";", None),
        (SCREEN + LOOP + CONTROL + IMAGE + b";", None),  # the trailer has the last word
        (SCREEN + IMAGE + b";" + IMAGE, None),
        (SCREEN + b";", None),
        (SCREEN + COMMENT + IMAGE + bytes(4) + IMAGE + b";", 2),
        (SCREEN + IMAGE + bytes(4) + b";", None),
        (SCREEN + b"!\xff\x02ab\0" + IMAGE * 2 + b";", 2),
        (SCREEN + b"!\xff\0" + IMAGE * 2 + b";", 2),
        (SCREEN + b"!\x01\x0c" + bytes(12) + b"\x02,;\0" + IMAGE * 2 + b";", 2),
    ],
)
def test_the_blocks_of_a_gif(content: bytes, expected: int | None) -> None:
    assert _count(content, Format.GIF) == (expected and Parts("frames", expected))


def test_a_gif_that_ends_in_what_is_no_block_is_broken() -> None:
    assert _count(SCREEN + IMAGE + bytes(4), Format.GIF) == Parts("frames", None)
    assert _count(SCREEN + LOOP + bytes(4) + IMAGE, Format.GIF) == Parts("frames", None)


def test_the_sub_blocks_of_a_large_gif_go_on_from_piece_to_piece() -> None:
    long = IMAGE[:11] + b"".join(bytes([length]) + b";" * length for length in [255, 254, 1, 77] * 300) + b"\0"
    for shift in range(0, 300, 7):
        content = SCREEN + b"!\xfe" + bytes([shift % 255 + 1]) + bytes(shift % 255 + 1) + b"\0" + long * 3 + b";"
        assert _count(content, Format.GIF) == Parts("frames", 3)


# APNG


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (_apng(1, controls=1), None),
        (_apng(0, controls=0), None),
        (_apng(0, controls=3), Parts("frames", 3)),
        (_apng(2, controls=3), Parts("frames", 3)),
        (_apng(4, controls=3), Parts("frames", 4)),
        (_apng(2, controls=2, apart=True), Parts("frames", 3)),  # the picture for programs that know no APNG
        (_apng(100_000, controls=1), Parts("frames", 100_000)),
        (_apng(100_001, controls=1), Parts("frames", None)),
        (_apng(0xFFFFFFFF, controls=1), Parts("frames", None)),
        (_apng(2, controls=2, end=b""), Parts("frames", None)),
        (saved("PNG", SIDE), None),
        (saved("PNG", SIDE)[:-30], None),  # within its pixels: an announcement would stand before them
        (png(*SIDE) + png_chunk(b"acTL", bytes(3)) + png_chunk(b"IDAT", b""), None),
        (png(*SIDE) + png_chunk(b"IDAT", b"") + png_chunk(b"acTL", struct.pack(">II", 9, 0)), None),
        (png(*SIDE) + bytes(99), Parts("frames", None)),
        (png(*SIDE) + b"\xff" * 99, Parts("frames", None)),
        (png(*SIDE) + png_chunk(b"IEND", b""), None),
    ],
)
def test_the_chunks_of_a_png(content: bytes, expected: Parts | None) -> None:
    assert _count(content, Format.PNG) == expected


@pytest.mark.parametrize("expected", [2, 3, 5])
def test_pillow_takes_the_first_image_for_one_more_too(expected: int) -> None:
    content = _animated("PNG", expected, default_image=True)
    assert _frames_by_pillow(content) == expected
    assert _count(content, Format.PNG) == Parts("frames", expected)


# WebP


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (saved("WEBP", SIDE), None),
        (saved("WEBP", SIDE)[:30], None),
        (saved("WEBP", SIDE, lossless=True), None),
        (_webp(FRAME), None),
        (_webp(), None),
        (_webp(FRAME, FRAME) + FRAME, Parts("frames", 2)),  # what is behind the end does not count
        (_webp(FRAME, FRAME, flags=0), None),  # decoders show none of them
        (_webp(FRAME, FRAME, _chunk(b"XMP ", b"x"))[:-1], Parts("frames", None)),
        (_webp(FRAME, FRAME, b"XMP \xff\xff\xff\xff"), Parts("frames", None)),
        (_webp(FRAME, FRAME, b"XMP"), Parts("frames", None)),
        (_webp(FRAME, FRAME)[:4] + bytes(4) + _webp(FRAME, FRAME)[8:], None),
    ],
)
def test_the_chunks_of_a_webp(content: bytes, expected: Parts | None) -> None:
    assert _count(content, Format.WEBP) == expected


# TIFF


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", [3, 4])
def test_a_reduced_picture_is_no_page(order: str, *, big: bool, kind: int) -> None:
    def counted(*types: int | None) -> Parts | None:
        return _count(_tiff(order, *types, big=big, kind=kind), Format.TIFF)

    assert counted(None) is None
    assert counted(0, 1) is None
    assert counted(1, 0) is None
    assert counted(2, 2, 1, 3) == Parts("pages", 2)
    assert counted(None, None, None) == Parts("pages", 3)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_chain_of_directories_that_loops_is_not_counted(order: str, *, big: bool, target: int) -> None:
    content = _tiff(order, 0, 0, 0, big=big, loop_to=target)
    assert _count(content, Format.TIFF) == Parts("pages", None)


@pytest.mark.parametrize("last", [1, 9, 80, 10_000, 0xFFFFFFFF])
def test_a_chain_of_directories_that_leads_out_of_the_file_is_not_counted(last: int) -> None:
    assert _count(_tiff("<", 0, 0, last=last), Format.TIFF) == Parts("pages", None)


def test_an_empty_directory_makes_a_tiff_uncertain() -> None:
    content = _tiff("<", 0, 0, last=len(_tiff("<", 0, 0))) + bytes(6)
    assert _count(content, Format.TIFF) == Parts("pages", None)


def test_a_directory_behind_the_pixels_is_found() -> None:
    assert _count(tiff("<", pad=200_000), Format.TIFF) is None


# ICO


def test_the_directory_of_an_icon_must_be_there() -> None:
    assert _count(ico((16, 16, b"")), Format.ICO) is None
    assert _count(b"\0\0\1\0\xff\xff" + bytes(16 * 65_535), Format.ICO) == Parts("frames", 65_535)
    assert _count(b"\0\0\1\0\xff\xff" + bytes(16 * 65_535 - 1), Format.ICO) == Parts("frames", None)


# HEIC


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded_heic("small"), None),
        (encoded_heic("small")[:300], None),
        (_sequence(_track(b"pict", 4), long=True), Parts("frames", 4)),
        (_sequence(_track(b"pict", 4, b"stz2")), Parts("frames", 4)),
        (_sequence(_track(b"vide", 4), _track(b"pict", 2), _track(b"soun", 9)), Parts("frames", 4)),
        (_sequence(_track(b"pict", 2), _track(b"auxv", 9)), Parts("frames", 2)),
        (_sequence(_track(b"soun", 9)), Parts("frames", None)),
        (_sequence(_track(b"pict", 0)), Parts("frames", None)),  # in fragments
        (_sequence(_track(b"pict", 1)), None),
        (_sequence(_track(b"pict", 0xFFFFFFFF)), Parts("frames", None)),
        (_sequence(_track(b"pict", 4, b"stsx")), Parts("frames", None)),
        (_sequence(), Parts("frames", None)),
        (_sequence(_track(b"pict", 4), ftyp=FTYP), None),  # nothing in its brands would make a player look for it
        (SEQUENCE_FTYP + STILL, Parts("frames", None)),  # msf1 demands a movie box
        (box(b"ftyp", b"mif1", bytes(4), b"mif1heichevc") + STILL, None),  # as Nokia's stills are
        (box(b"ftyp", b"mif1", bytes(4), b"mif1heichevc"), Parts("frames", None)),
        (SEQUENCE_FTYP + b"\0\0\0\x07moov" + bytes(99), Parts("frames", None)),
        (SEQUENCE_FTYP + b"\0\0\0\x01moov\0\0\0\0\0\0\0\x08" + bytes(99), Parts("frames", None)),
        (SEQUENCE_FTYP + b"\0\0\0\0" + box(b"moov", _track(b"pict", 6))[4:], Parts("frames", 6)),
    ],
)
def test_the_boxes_of_a_heic(content: bytes, expected: Parts | None) -> None:
    assert _count(content, Format.HEIC) == expected


# Whatever stands in a file


STARTS = [
    *((Format.GIF, start) for start in (SCREEN, SCREEN + IMAGE, SCREEN_OF_8_COLOURS + LOOP + IMAGE + CONTROL)),
    *((Format.PNG, start) for start in (png(*SIDE), _apng(2, controls=1, end=b""))),
    (Format.WEBP, b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(9)),
    *((Format.TIFF, start) for start in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10" + bytes(7))),
    (Format.ICO, b"\0\0\1\0"),
    (Format.HEIC, SEQUENCE_FTYP),
    (Format.HEIC, SEQUENCE_FTYP + b"\0\0\1\0moov\0\0\0\xf0trak\0\0\0\xe0mdia"),
]


@budget
@given(st.sampled_from(STARTS), st.binary(max_size=400), st.integers(0, 3000))
@example((Format.TIFF, b"II*\0\x08\0\0\0"), b"\x01\0", 3000)
def test_arbitrary_bytes_behind_a_header_get_an_answer(start: tuple[Format, bytes], rest: bytes, padding: int) -> None:
    found, head = start
    for content in (head + rest, head + rest + bytes(padding), head + b"\xff" * padding + rest):
        parts = _count(content, found)
        assert parts is None or parts.kind == KINDS[found]
        assert parts is None or parts.total is None or 1 < parts.total <= 100_000


@budget
@given(st.sampled_from(several()), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_a_changed_file_gets_an_answer(sample: Several, at: int, change: bytes) -> None:
    at %= len(sample.content)
    content = sample.content[:at] + change + sample.content[at + len(change) :]
    parts = _count(content, sample.format)
    assert parts is None or parts.kind == KINDS[sample.format]


# Time and memory


def _long_chain() -> bytes:
    return b"".join(struct.pack("<HHHIII", 1, 256, 3, 1, 9, 8 + 18 * (place + 1)) for place in range(1_000_000))


def _wide_loop() -> bytes:
    return struct.pack("<H", 1000) + struct.pack("<HHII", 256, 3, 1, 9) * 1000 + struct.pack("<I", 8)


# Each drawn when its turn comes: they are as large as a file may be.
HOSTILE: dict[str, tuple[Format, Callable[[], bytes]]] = {
    "gif-short-sub-blocks": (Format.GIF, lambda: SCREEN + IMAGE[:11] + b"\x01\x01" * (MAX_BYTES // 2) + b"\0;"),
    "gif-tiny-frames": (Format.GIF, lambda: SCREEN + IMAGE * (MAX_BYTES // len(IMAGE))),
    "gif-extensions": (Format.GIF, lambda: SCREEN + b"!\xfe\0" * (MAX_BYTES // 3)),
    "gif-zeros": (Format.GIF, lambda: SCREEN + bytes(MAX_BYTES)),
    "gif-junk": (Format.GIF, lambda: SCREEN + b"x!\xfe\0" * (MAX_BYTES // 4)),
    "apng-tiny-chunks": (Format.PNG, lambda: _apng(1, controls=1, end=png_chunk(b"fcTL", b"") * (MAX_BYTES // 12))),
    "webp-tiny-frames": (Format.WEBP, lambda: _webp(_chunk(b"ANMF", b"") * (MAX_BYTES // 8))),
    "tiff-a-million-directories": (Format.TIFF, lambda: b"II*\0\x08\0\0\0" + _long_chain()),
    "tiff-loop": (Format.TIFF, lambda: b"II*\0\x08\0\0\0" + _wide_loop()),
    "heic-tiny-boxes": (Format.HEIC, lambda: SEQUENCE_FTYP + box(b"moov", box(b"free") * (MAX_BYTES // 8))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_takes_long(name: str) -> None:
    found, build = HOSTILE[name]
    content = build()
    file = CountingFile(content)
    start = time.process_time()
    parts = count_parts(io.BufferedReader(file), len(content), found)
    assert time.process_time() - start < 5  # seconds, while coverage is measured; 0.05 to 0.25 are usual
    assert parts == Parts(KINDS[found], None)


def test_a_gif_of_20_mb_is_read_once_in_pieces() -> None:
    frame = IMAGE[:11] + (b"\xff" + bytes(255)) * 160 + b"\0"
    content = SCREEN + frame * (MAX_BYTES // len(frame)) + b";"
    file = CountingFile(content)
    start = time.process_time()
    assert count_parts(io.BufferedReader(file), len(content), Format.GIF) == Parts("frames", MAX_BYTES // len(frame))
    assert time.process_time() - start < 0.3
    assert file.bytes_read < 1.01 * len(content)


def test_other_formats_are_stepped_over_and_not_read() -> None:
    large = bytes(1_000_000)
    for found, content in (
        (Format.PNG, _apng(2, controls=2, end=png_chunk(b"fdAT", large) + png_chunk(b"IEND", b""))),
        (Format.WEBP, _webp(_chunk(b"ANMF", large), _chunk(b"ANMF", large))),
        (Format.TIFF, tiff("<", pad=1_000_000)),
        (Format.HEIC, _sequence(_track(b"pict", 2), before=box(b"mdat", large))),
    ):
        file = CountingFile(content)
        count_parts(io.BufferedReader(file), len(content), found)
        assert file.bytes_read < 5000
