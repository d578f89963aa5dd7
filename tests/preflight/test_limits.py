"""The limits in pixels, each as the vendor's page of the sync operation gives it (2026-03-03)."""

from __future__ import annotations

import struct

import pytest
from counting import check
from preflight_corpus import heic, ico, png, saved, segment, tiff

from moderate_cli.common.errors import RefusedError
from moderate_cli.preflight import Checked, Format

SMALL = "smaller than 200 x 200 pixels, below which the service judges worse"


def _jpeg(width: int, height: int) -> bytes:
    return b"\xff\xd8" + segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + bytes(9))


def _gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + b"," + struct.pack("<HHHH", 0, 0, width, height)


def _bmp(width: int, height: int) -> bytes:
    return saved("BMP")[:18] + struct.pack("<ii", width, -height) + saved("BMP")[26:]


def _webp(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + sides


def _tiff(width: int, height: int) -> bytes:
    return tiff(">", size=(width, height))


def _ico(width: int, height: int) -> bytes:
    return ico((16, 16, saved("PNG", (16, 16))), (16, 16, png(width, height)))


def _svg(width: int, height: int) -> bytes:
    return f'<svg viewBox="0 0 {width} {height}"/>'.encode()


BUILDERS = [png, _jpeg, _gif, _bmp, _webp, _tiff, _ico, _svg]


def _refusal(content: bytes) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        check(content)
    return caught.value


@pytest.mark.parametrize("build", BUILDERS)
def test_a_side_of_16384_pixels_passes_and_one_more_is_refused(build) -> None:
    for size in ((16_384, 300), (300, 16_384)):
        assert (check(build(*size)).width, check(build(*size)).height) == size
    for size in ((16_385, 300), (300, 16_385)):
        error = _refusal(build(*size))
        assert (error.code, error.api_code, error.hint) == ("too_large", 406, "scale the image down")
        assert error.message == "a side of 16,385 pixels is longer than the 16,384 that the service accepts"


@pytest.mark.parametrize("build", BUILDERS)
def test_more_than_167_million_pixels_are_refused(build) -> None:
    assert check(build(16_000, 10_437)).width == 16_000  # 166,992,000
    assert check(build(10_000, 16_384)).height == 16_384
    error = _refusal(build(16_000, 10_438))
    assert (error.code, error.api_code) == ("too_large", 406)
    assert error.message == "16,000 x 10,438 pixels are more than the 167 million that the service accepts"


def test_exactly_167_million_pixels_pass() -> None:
    assert check(png(12_500, 13_360)) == Checked(Format.PNG, 12_500, 13_360)
    assert _refusal(png(12_500, 13_361)).code == "too_large"


def test_the_sides_of_a_heic_are_below_8192_pixels() -> None:
    assert check(heic((8_191, 300))) == Checked(Format.HEIC, 8_191, 300)
    for size in ((8_192, 300), (300, 8_192)):
        error = _refusal(heic(size))
        assert (error.code, error.api_code) == ("too_large", 406)
        assert "8,191 that the service accepts for HEIC" in error.message
    assert "16,384" in _refusal(heic((65_536, 65_536))).message


@pytest.mark.parametrize("build", [png, _jpeg, _gif, _tiff, _ico, _svg])
def test_a_decompression_bomb_is_refused_by_what_it_claims(build) -> None:
    content = build(65_535, 65_535)
    assert len(content) < 1000
    assert _refusal(content).code == "too_large"


def test_sides_beyond_any_number_are_refused() -> None:
    assert _refusal(b'<svg width="1e999" height="1"/>').code == "too_large"
    assert _refusal(b'<svg width="1e999" viewBox="0 0 1e-300 1e300"/>').code == "too_large"


@pytest.mark.parametrize("size", [(199, 200), (200, 199), (1, 16_384)])
def test_an_image_with_a_side_below_200_pixels_is_sent_with_a_note(size: tuple[int, int]) -> None:
    assert check(png(*size)) == Checked(Format.PNG, *size, (SMALL,))


def test_an_image_of_200_x_200_pixels_has_no_note() -> None:
    assert check(png(200, 200)).notes == ()
