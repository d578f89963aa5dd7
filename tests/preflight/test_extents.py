"""What a file consists of beside the one picture that is judged, with the preflight and without it."""

from __future__ import annotations

import io

import pytest
from counting import CountingFile
from preflight_corpus import Sample, png, saved
from preflight_corpus import samples as corpus

from moderate_cli.common.errors import RefusedError
from moderate_cli.models import Extent
from moderate_cli.preflight import FIRST_ASSUMED, Format, check_file, extents_of
from moderate_cli.preflight.parts import count_parts

UNDOCUMENTED = {Format.PNG, Format.TIFF, Format.WEBP}


def _extents(content: bytes, *, preflight: bool) -> tuple[tuple[Extent, ...], tuple[str, ...]]:
    file = io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]
    try:
        checked = check_file(file, len(content)) if preflight else None
    except RefusedError:
        checked = None
    file.seek(3)
    found = extents_of(file, len(content), checked)
    assert file.tell() == 3
    assert file.read() == content[3:]
    return found


@pytest.mark.parametrize("preflight", [True, False])
@pytest.mark.parametrize("sample", corpus(), ids=lambda sample: sample.name)
def test_the_corpus(sample: Sample, preflight: bool) -> None:
    file = io.BufferedReader(io.BytesIO(sample.content))  # type: ignore[arg-type]
    parts = count_parts(file, len(sample.content), sample.format)
    extents, notes = _extents(sample.content, preflight=preflight)
    if parts is not None:
        assert extents == (Extent(parts.kind, parts.total),)
        assert notes == ((FIRST_ASSUMED,) if sample.format in UNDOCUMENTED else ())
    else:
        assert notes == ()
        assert all(extent.kind == "slices" for extent in extents)


@pytest.mark.parametrize("preflight", [True, False])
@pytest.mark.parametrize(
    ("content", "slices"),
    [
        (png(401, 160), 3),
        (png(160, 401), 3),
        (png(400, 100), None),
        (png(1000, 400), None),  # 2.5 is not over 2.5
        (png(1001, 400), 3),
        (png(100, 10_000), 100),
        (saved("JPEG", (100, 900)), 9),
        (saved("WEBP", (900, 100)), 9),
        (saved("BMP", (900, 100)), 9),
    ],
)
def test_a_long_image_is_cut_into_slices(content: bytes, slices: int | None, preflight: bool) -> None:
    expected = () if slices is None else (Extent("slices", slices),)
    assert _extents(content, preflight=preflight) == (expected, ())


@pytest.mark.parametrize("content", [b"", b"a", b"a text", b"\x89PNG\r\n\x1a\n", b"BM", b"\xff\xd8\xff", b"<svg/>"])
def test_what_is_no_whole_image_consists_of_nothing_more(content: bytes) -> None:
    assert _extents(content, preflight=False) == ((), ())


def test_a_large_file_is_not_read_to_be_counted() -> None:
    content = saved("BMP", (1000, 1000))
    file = CountingFile(content)
    extents_of(io.BufferedReader(file), len(content), None)  # type: ignore[arg-type]
    assert file.bytes_read < 200_000 < len(content)
