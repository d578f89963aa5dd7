"""Whatever stands in a file, the preflight gives an answer: never another error, never more than 64 KB read."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from counting import CountingFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from preflight_corpus import Sample, samples

from moderate_cli.common.errors import RefusedError
from moderate_cli.preflight import Checked, Format, check_file
from moderate_cli.preflight.headers import BUDGET

SAMPLES = [sample for sample in samples() if len(sample.content) < 200_000]
DECODABLE = [sample for sample in SAMPLES if sample.format not in {Format.SVG, Format.ICO, Format.HEIC}]
HEICS = [sample for sample in SAMPLES if sample.format is Format.HEIC and not sample.boxes_only]
STARTS = [
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8", b"II*\0", b"MM\0+", b"BM" + bytes(12)),
    *(b"\0\0\1\0\1\0", b"\0\0\0\x10ftypheic\0\0\0\0\0\0\0\xffmeta", b"<svg width='1", b"<!DOCTYPE svg ["),
]
# In a broken TIFF a number may stand twice.
SAME_IN_PILLOW = {Format.PNG, Format.JPEG, Format.GIF, Format.BMP, Format.WEBP}
# Bytes that mean something as a length, a count or a marker.
TELLING = [b"\0", b"\1", b"\x7f", b"\x80", b"\xff", bytes(4), b"\xff" * 4, b"\xff" * 8, bytes(7) + b"\1", b"\xff\xd9"]
# The same examples each time, and none remembered: a test that fails does so on every machine.
budget = settings(derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Change(NamedTuple):
    """One change of a content, `at` an offset from its start, or from its end if negative."""

    kind: str
    at: int
    extra: bytes

    def made(self, content: bytes) -> bytes:
        at = self.at % (len(content) + 1)
        behind = {"cut": b"", "insert": content[at:]}.get(self.kind, content[at + len(self.extra) :])
        return content[:at] + (b"" if self.kind in {"cut", "delete"} else self.extra) + behind


places = st.integers(0, 64) | st.integers(0, 1000) | st.integers(-300, -1)
changes = st.builds(
    Change,
    st.sampled_from(["overwrite", "overwrite", "insert", "delete", "cut"]),
    places,
    st.sampled_from(TELLING) | st.binary(min_size=1, max_size=8),
)


def _changed(content: bytes, made: list[Change]) -> bytes:
    for change in made:
        content = change.made(content)
    return content


def _checked(content: bytes) -> Checked | RefusedError:
    """Return the answer of the preflight, having counted what it read and seen the file left at its start."""
    file = CountingFile(content)
    buffered = io.BufferedReader(file)
    try:
        checked = check_file(buffered, len(content))
    except RefusedError as error:
        return error
    finally:
        assert file.bytes_read <= BUDGET
        assert buffered.tell() == file.tell() == 0
    assert (checked.width is None) == (checked.height is None)
    return checked


def _size(content: bytes, decode: Callable[[Any], Any]) -> tuple[int, int] | None:
    """Return the size of an image that another library decodes, None where it fails."""
    try:
        with warnings.catch_warnings(action="ignore"):
            image = decode(io.BytesIO(content))
            image.load()
    except Exception:  # noqa: BLE001 - of many kinds
        return None
    return image.size


@settings(budget, max_examples=2000)
@given(st.sampled_from(SAMPLES), st.lists(changes, min_size=1, max_size=4))
def test_a_changed_image_gets_an_answer(sample: Sample, made: list[Change]) -> None:
    answer = _checked(_changed(sample.content, made))
    if isinstance(answer, RefusedError):
        assert answer.api_code in {406, 407}
        assert answer.code in {"empty", "not_an_image", "format_unsupported", "damaged", "too_large"}


@settings(budget, max_examples=600)
@given(st.sampled_from(STARTS), st.binary(max_size=400), st.integers(0, 100_000))
def test_arbitrary_bytes_behind_a_magic_number_get_an_answer(start: bytes, rest: bytes, padding: int) -> None:
    _checked(start + rest)
    _checked(start + rest + bytes(padding))
    _checked(start + b"\xff" * padding + rest)


@settings(budget, max_examples=600)
@given(st.sampled_from(DECODABLE), st.lists(changes, min_size=1, max_size=2))
def test_what_pillow_can_decode_is_never_called_damaged(sample: Sample, made: list[Change]) -> None:
    content = _changed(sample.content, made)
    answer = _checked(content)
    if isinstance(answer, RefusedError) and answer.code != "too_large":
        assert _size(content, Image.open) is None
    elif isinstance(answer, Checked) and answer.width and sample.format in SAME_IN_PILLOW:
        assert _size(content, Image.open) in {None, (answer.width, answer.height)}


@settings(budget, max_examples=200)
@given(st.sampled_from(HEICS), st.lists(changes, min_size=1, max_size=2))
def test_what_libheif_can_decode_is_never_called_damaged(sample: Sample, made: list[Change]) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    content = _changed(sample.content, made)
    answer = _checked(content)
    if isinstance(answer, RefusedError) and answer.code != "too_large":
        assert _size(content, pillow_heif.read_heif) is None
