"""What a file is, told from its first bytes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from moderate_cli.preflight import ACCEPTED, HEAD_SIZE, Format, sniff

DATA = Path(__file__).parents[1] / "data"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def _iso_media(major: bytes, *compatible: bytes) -> bytes:
    brands = b"".join(compatible)
    return (16 + len(brands)).to_bytes(4, "big") + b"ftyp" + major + bytes(4) + brands


def _bmp(header_size: int) -> bytes:
    return b"BM" + bytes(8) + (14 + header_size).to_bytes(4, "little") + header_size.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", Format.PNG),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", Format.JPEG),
        (b"\xff\xd8\xff\xe1\x00\x10Exif\x00", Format.JPEG),
        (b"GIF87a\x01\x00\x01\x00", Format.GIF),
        (b"GIF89a\x01\x00\x01\x00", Format.GIF),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", Format.WEBP),
        (b"II*\x00\x08\x00\x00\x00", Format.TIFF),
        (b"MM\x00*\x00\x00\x00\x08", Format.TIFF),
        (b"II+\x00\x08\x00\x00\x00", Format.TIFF),
        (b"MM\x00+\x00\x08\x00\x00", Format.TIFF),
        (b"\x00\x00\x01\x00\x01\x00\x10\x10", Format.ICO),
        (_bmp(12), Format.BMP),
        (_bmp(40), Format.BMP),
        (_bmp(124), Format.BMP),
        (_iso_media(b"heic", b"mif1", b"heic"), Format.HEIC),
        (_iso_media(b"mif1", b"miaf", b"heic"), Format.HEIC),
        (_iso_media(b"heix"), Format.HEIC),
        (_iso_media(b"avif", b"mif1", b"miaf"), Format.AVIF),
        (_iso_media(b"mif1", b"miaf", b"avif"), Format.AVIF),
        (_iso_media(b"avis", b"msf1"), Format.AVIF),
        (SVG, Format.SVG),
        (b'\xef\xbb\xbf\n <?xml version="1.0"?>\n<!-- drawn by hand -->\n' + SVG, Format.SVG),
        ("\ufeff<svg/>".encode("utf-16-le"), Format.SVG),
        (b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd">' + SVG, Format.SVG),
    ],
)
def test_each_format_is_told_from_a_minimal_head(head: bytes, expected: Format) -> None:
    assert sniff(head) is expected
    assert sniff(head.ljust(HEAD_SIZE, b"\x01")) is expected


@pytest.mark.parametrize(
    "head",
    [
        b"<!DOCTYPE html><html><body><svg/></body></html>",
        b"<svgx/>",
        b"BM............(",
        b"",
        b"\x00",
        b"just text",
        b'{"svg": "<svg"}',
        b"<html><body>no drawing</body></html>",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"BMWs are cars, and this is a text about them",
        _iso_media(b"isom", b"iso2", b"avc1", b"mp41"),
        b"\x00\x00\x01\x00\x00\x00",
        b"\x00\x00\x02\x00\x01\x00\x10\x10",
        _bmp(40)[:14],
        _bmp(41),
        bytes(HEAD_SIZE),
    ],
)
def test_other_content_is_no_image(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize(
    ("head", "shortest"),
    [
        (b"\x89PNG\r\n\x1a\n", 8),
        (b"\xff\xd8\xff", 3),
        (b"GIF89a", 6),
        (b"RIFF\x24\x00\x00\x00WEBP", 12),
        (b"II*\x00", 4),
        (_iso_media(b"heic"), 12),
        (b"\x00\x00\x01\x00\x01", 5),
        (SVG, 5),
    ],
)
def test_a_head_cut_off_within_the_magic_number_is_no_image(head: bytes, shortest: int) -> None:
    assert sniff(head[:shortest])
    assert [sniff(head[:length]) for length in range(shortest)] == [None] * shortest


def test_brands_are_read_within_their_box_only() -> None:
    assert sniff(_iso_media(b"isom", b"mp41") + b"avif") is None
    cut_off = _iso_media(b"mif1", b"miaf", b"heic", b"avif")[:26]
    assert sniff(cut_off) is Format.HEIC


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "ICO", "AVIF"])
def test_what_pillow_writes_is_recognised(form: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "teal").save(buffer, form)
    assert sniff(buffer.getvalue()[:HEAD_SIZE]) is Format(form)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("landscape.jpg", Format.JPEG), ("poster-qr.png", Format.PNG), ("still-life.webp", Format.WEBP)],
)
def test_the_sample_pictures_are_recognised(name: str, expected: Format) -> None:
    with (DATA / name).open("rb") as file:
        assert sniff(file.read(HEAD_SIZE)) is expected


def test_only_avif_and_camera_raw_are_known_and_not_accepted() -> None:
    assert set(Format) - ACCEPTED == {Format.AVIF, Format.RAW}
