"""The size in pixels that each format's header tells, as other libraries see it too."""

from __future__ import annotations

import io
import random
import struct
import warnings

import imagesize
import pytest
from counting import CountingFile, check
from PIL import Image
from preflight_corpus import FTYP, Sample, box, ico, png, png_chunk, samples, saved, segment, tiff

from moderate_cli.common.errors import RefusedError
from moderate_cli.preflight import ACCEPTED, Format, check_file
from moderate_cli.preflight.headers import BUDGET, READERS

# Where Pillow gives another answer or none, and why.
PILLOW_DIFFERS = {
    "png-without-pixels": "wants pixels",
    "jpeg-out-of-reach": "reads on",
    "gif-long-comment": "reads on",
    "tiff-big-3->": "knows BigTIFF in one byte order only",
    "tiff-big-4->": "knows BigTIFF in one byte order only",
    "tiff-big-16->": "knows BigTIFF in one byte order only",
    "ico-last-counts": "takes the largest image",
    "ico-bitmap-of-256": "wants pixels",
}
LIBHEIF_DIFFERS = {"heic-odd": "cuts the padding off"}
IMAGESIZE_DIFFERS = {
    "png-apple": "wants the header chunk first",
    "jpeg-garbage": "does not step over it",
    "jpeg-height-told-later": "says 0",
    "jpeg-out-of-reach": "reads on",
    "gif-long-comment": "tells the screen",
    "gif-small-screen": "tells the screen",
    "bmp-os2-1": "takes it for a header of Windows",
    "tiff-big-16-<": "does not know LONG8",
    "tiff-big-3->": "knows BigTIFF in one byte order only",
    "tiff-big-4->": "knows BigTIFF in one byte order only",
    "tiff-big-16->": "knows BigTIFF in one byte order only",
    "heic-turned": "fails on irot",
    "heic-upside-down": "fails on irot",
    "heic-built-90": "fails on irot",
    "heic-built-180": "fails on irot",
    "heic-built-270": "fails on irot",
}
# It finds the sides of simple drawings by two regular expressions.
IMAGESIZE_SVGS = {"svg-plain", "svg-inches", "svg-points", "svg-millimetres", "svg-prologue"}

SMALL = "smaller than 200 x 200 pixels, below which the service judges worse"
CUT_OFF = "cut off: by its header the image is longer than its file"


def _size_by_pillow(sample: Sample) -> tuple[int, int] | None:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(sample.content)) as image:
            return image.size
    except (OSError, ValueError):
        return None


def _size_by_imagesize(sample: Sample) -> tuple[int, int] | None:
    size = imagesize.get(io.BytesIO(sample.content), exif_rotation=False)
    return None if size == (-1, -1) else size


def _of(form: Format) -> bytes:
    return next(sample.content for sample in samples() if sample.format is form)


@pytest.mark.parametrize("sample", samples(), ids=str)
def test_the_size_of_each_variant(sample: Sample) -> None:
    file = CountingFile(sample.content)
    checked = check_file(io.BufferedReader(file), len(sample.content))
    size = None if checked.width is None else (checked.width, checked.height)
    assert (checked.format, size) == (sample.format, sample.size)
    assert checked.notes == ((SMALL,) if size and min(size) < 200 else ())
    assert file.bytes_read <= BUDGET


def test_pillow_agrees() -> None:
    compared = [sample for sample in samples() if sample.format not in {Format.SVG, Format.HEIC}]
    differs = {sample.name for sample in compared if _size_by_pillow(sample) != sample.size}
    assert len(compared) > 45
    assert differs == set(PILLOW_DIFFERS)


def test_libheif_agrees() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    compared = [sample for sample in samples() if sample.format is Format.HEIC and not sample.boxes_only]
    differs = {sample.name for sample in compared if pillow_heif.open_heif(sample.content).size != sample.size}
    assert len(compared) == 6
    assert differs == set(LIBHEIF_DIFFERS)


def test_imagesize_agrees() -> None:
    compared = [
        sample for sample in samples() if sample.format not in {Format.SVG, Format.ICO} or sample.name in IMAGESIZE_SVGS
    ]
    differs = {sample.name for sample in compared if _size_by_imagesize(sample) != sample.size}
    assert len(compared) > 60
    assert differs == set(IMAGESIZE_DIFFERS)


def test_every_accepted_format_has_a_reader() -> None:
    assert set(READERS) == ACCEPTED
    assert {sample.format for sample in samples()} == ACCEPTED


@pytest.mark.parametrize("form", sorted(ACCEPTED))
def test_a_file_cut_off_within_its_header_is_damaged(form: Format) -> None:
    content = _of(form)
    lengths = {Format.HEIC: 300, Format.ICO: 40, Format.SVG: 50, Format.WEBP: 28}
    with pytest.raises(RefusedError, match=f"^a damaged {form}: ") as caught:
        check(content[: lengths.get(form, 20)])
    assert (caught.value.code, caught.value.api_code) == ("damaged", 407)


@pytest.mark.parametrize("form", [Format.BMP, Format.WEBP, Format.ICO])
def test_a_file_cut_off_behind_its_header_is_sent_with_a_note(form: Format) -> None:
    content = _of(form)
    assert CUT_OFF not in check(content + b"more").notes
    checked = check(content[:-1])
    assert CUT_OFF in checked.notes
    assert (checked.width, checked.height) == (check(content).width, check(content).height)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IDAT", bytes(13)), "its first chunk is not the header"),
        (png(300, 200)[:16] + b"\xff" + png(300, 200)[17:], "the checksum of its header is wrong"),
        (png(300, 0), "it has no pixels"),
        (b"\xff\xd8" + segment(0xE0, b"JFIF\0") + b"\xff\xda" + bytes(99), "it has no frame header before its pixels"),
        (b"\xff\xd8" + segment(0xE0, b"JFIF\0") + b"\xff\xd9" + bytes(99), "it has no frame header before its pixels"),
        (b"\xff\xd8" + segment(0xC0, b"\x08\x00\x09\x00\x00\x03") + bytes(99), "it has no pixels"),
        (b"GIF89a" + bytes(7) + b"\x00;", "it has no frame"),
        (b"GIF89a" + bytes(7) + b"," + bytes(9), "it has no pixels"),
        (saved("BMP")[:18] + b"\xff" * 4 + saved("BMP")[22:], "its width is negative"),
        (saved("WEBP")[:12] + b"ALPH" + saved("WEBP")[16:], "its first chunk is no picture"),
        (saved("WEBP")[:23] + b"\x00" + saved("WEBP")[24:], "its first chunk is no picture"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "its first directory has no size"),
        (tiff("<", size=(0, 9)), "it has no pixels"),
        (ico((16, 16, b"")), "the file ends within its header"),
        (FTYP + box(b"mdat", bytes(99)), "it describes no image"),
        (FTYP + b"\0\0\0\x07meta" + bytes(99), "a box is shorter than its header"),
        (FTYP + b"\0\0\0\x01meta\0\0\0\0\0\0\0\x08" + bytes(99), "a box is shorter than its header"),
        (b'<svg width="100" height="100"', "its first tag has no end"),
        (b'<svg data-x="' + b"x" * 50_000, "its first tag has no end"),
    ],
)
def test_a_damaged_header_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check(content)
    assert caught.value.message.partition(": ")[2] == reason
    assert caught.value.code == "damaged"


def test_a_side_of_an_odd_type_is_unknown() -> None:
    content = tiff("<").replace(b"\x00\x01\x04\x00\x01\x00\x00\x00", b"\x00\x01\x0b\x00\x01\x00\x00\x00")
    assert check(content).width is None


def test_properties_that_do_not_exist_are_passed_over() -> None:
    content = next(sample.content for sample in samples() if sample.name == "heic-built")
    assert check(content.replace(b"\x02\x03\x82", b"\x02\x7f\x80")).width is None


@pytest.mark.parametrize(
    "content",
    [
        b"<??>" * 1000,
        b"<!---->" * 500 + b"<!--",
        b"<!DOCTYPE svg[]>" * 200,
        b"<!DOCTYPE svg[" + b"] " * 2000,
        b"<svg" + b" a" * 30_000,
        b"<svg " + b"a" * 60_000 + b">",
        b'<svg width="' + b"9" * 60_000 + b'x" height="1">',
        b"<svg width='" + b"1e" * 30_000 + b"' viewBox='" + b" ," * 1000 + b"'>",
        b'<svg a="' + b"'" * 60_000,
    ],
)
def test_no_text_takes_long(content: bytes) -> None:
    try:
        assert check(content).width is None
    except RefusedError as error:
        assert error.code in {"damaged", "not_an_image"}


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (saved("PNG", icc_profile=random.Random(1).randbytes(2_000)), 300),
        (saved("PNG", mode="P"), 300),
        (saved("JPEG"), 300),
        (saved("JPEG"), saved("JPEG").index(b"\xff\xda") + 5),
        (saved("GIF"), 300),
        (saved("BMP"), 40),
        (saved("BMP", mode="P"), 300),
        (saved("WEBP", icc_profile=bytes(range(256)) * 9), 300),
        (saved("TIFF"), 60),
        (saved("TIFF", compression="tiff_lzw"), 300),
    ],
)
def test_what_ends_within_its_header_is_damaged(content: bytes, size: int) -> None:
    with pytest.raises(RefusedError) as caught:
        check(content[:size])
    assert caught.value.code == "damaged"
    assert caught.value.message.endswith(": the file ends within its header")
    assert check(content).width == 301


def _tiff_with(tag: int, value: int) -> bytes:
    """Return a grey TIFF whose tag 259, the compression, is another one instead."""
    return tiff("<").replace(struct.pack("<HHII", 259, 4, 1, 1), struct.pack("<HHII", tag, 4, 1, value))


@pytest.mark.parametrize(("tag", "value"), [(50706, 0x0401), (262, 32803), (262, 34892)])
def test_a_tiff_of_a_camera_is_no_picture(tag: int, value: int) -> None:
    with pytest.raises(RefusedError) as caught:
        check(_tiff_with(tag, value))
    assert caught.value.code == "camera_raw"
    assert check(_tiff_with(330, 1)).width == 301
