"""Damaged and unusual images by the local engine: what viewers show of them is judged, with a note."""

from __future__ import annotations

import io
import json
import random
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator.engine import (
    DAMAGED,
    DamagedImageError,
    Examination,
    LocalEngine,
    UnreadableImageError,
    merge,
)

DATA = Path(__file__).parents[1] / "data"
POSTER = DATA / "poster-qr.png"
NOISE = random.Random(1).randbytes(3_000_000)


def _saved(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.open(POSTER).convert("RGB")).save(file, form, **options)
    return file.getvalue()


def _chunk(kind: bytes, content: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content) ^ wrong)


def _png_with(chunk: bytes, content: bytes | None = None) -> bytes:
    png = POSTER.read_bytes() if content is None else content
    return png[:33] + chunk + png[33:]


def _engine() -> LocalEngine:
    return LocalEngine()


def _codes(found: Examination) -> list[str]:
    return [finding.label for finding in found.findings if finding.label == "QRCode"]


PROFILE = b"x\0\0" + zlib.compress(NOISE, 1)
BAD_TEXT = _chunk(b"tEXt", b"a\0b", wrong=1)
JPEG = _saved("JPEG", quality=90)
RED = Image.new("RGB", (300, 300), "red")


@pytest.mark.parametrize(
    "content",
    [
        JPEG[:-2],
        _saved("JPEG", progressive=True)[:-200],
        _png_with(_chunk(b"iCCP", PROFILE)),
        _png_with(_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(3_000_000)))),
        _png_with(_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(3_000_000)))),
        _png_with(BAD_TEXT),
        _png_with(_chunk(b"tIME", b"x", wrong=1)),
        _saved("BMP")[:-1000],
        _saved("GIF")[:-1000],
    ],
)
def test_what_viewers_show_of_a_damaged_image_is_judged_with_a_note(content: bytes) -> None:
    found = _engine().examine(content)
    assert _codes(found) == ["QRCode"]
    assert found.notes == (DAMAGED,)
    assert merge([found, found]).notes == (DAMAGED,)


@pytest.mark.parametrize(
    "content",
    [
        POSTER.read_bytes(),
        POSTER.read_bytes()[:-12] + BAD_TEXT,
        _png_with(_chunk(b"tEXt", b"a\0b")),
        JPEG + b"more",
        _saved("MPO", save_all=True, append_images=[RED]),
    ],
)
def test_a_sound_image_has_no_note(content: bytes) -> None:
    found = _engine().examine(content)
    assert (_codes(found), found.notes) == (["QRCode"], ())


@pytest.mark.parametrize("content", [_saved("JPEG", RED)[:-10], _png_with(BAD_TEXT, _saved("PNG", RED))])
def test_one_colour_is_a_picture_too(content: bytes) -> None:
    assert _engine().examine(content).notes == (DAMAGED,)


def test_a_large_png_that_is_cut_off_is_decoded_as_far_as_it_goes() -> None:
    large = _saved("PNG", Image.effect_noise((5_000, 4_000), 90).convert("RGB"), compress_level=1)
    for content in (large[: len(large) // 3], large[:1_000_000] + b"x" * 1_000 + large[1_001_000:]):
        assert _engine().examine(content).notes == (DAMAGED,)


@pytest.mark.parametrize(
    "content",
    [
        JPEG[:300],
        JPEG[: JPEG.index(b"\xff\xda") + 14],
        POSTER.read_bytes()[:33] + _chunk(b"IDAT", b"") + _chunk(b"IEND", b""),
        POSTER.read_bytes()[:33] + _chunk(b"IDAT", b"no deflate") + _chunk(b"IEND", b""),
        _saved("WEBP")[:-500],
        _saved("TIFF", compression="tiff_lzw")[:200],
        b"GIF89a" + bytes(20),
    ],
)
def test_an_image_of_which_nothing_can_be_decoded_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedImageError):
        _engine().examine(content)


def test_threads_do_not_lend_each_other_their_leniency() -> None:
    engine, wrong = _engine(), []

    def examine(content: bytes, notes: tuple[str, ...]) -> None:
        wrong.extend(found for _ in range(5) if (found := engine.examine(content).notes) != notes)

    sound = (JPEG, ())
    work = [sound, (JPEG[:-2], (DAMAGED,))] * 3
    threads = [threading.Thread(target=examine, args=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def _grey() -> Any:
    return np.asarray(Image.open(POSTER).convert("L")).astype("float32")


def _with_gaps(pixels: Any) -> Any:
    pixels = pixels.copy()
    pixels[:5], pixels[5:7] = np.nan, np.inf
    return pixels


@pytest.mark.parametrize(
    "pixels",
    [
        _grey() / 255,
        _grey(),
        _grey() * 1_000 - 50_000,
        -_grey() / 255,
        _with_gaps(_grey()),
        (_grey() * 257).astype("uint16"),
        (_grey() * 257).astype(">u2"),
        (_grey() * 100_000).astype("int32"),
        _grey().astype("int32") * 257,
    ],
)
def test_pixels_that_are_no_bytes_are_scaled(pixels: Any) -> None:
    found = _engine().examine(_saved("TIFF", Image.fromarray(pixels)))
    assert (_codes(found), found.notes) == (["QRCode"], ())


def test_pixels_of_which_none_is_a_number_show_nothing() -> None:
    with pytest.raises(DamagedImageError):
        _engine().examine(_saved("TIFF", Image.fromarray(np.full((300, 300), np.nan, "float32"))))
    flat = _engine().examine(_saved("TIFF", Image.fromarray(np.full((300, 300), 700, "float32"))))
    assert _codes(flat) == []


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {262: 32803}])
def test_camera_raw_is_not_taken_for_its_preview(tags: dict[int, Any]) -> None:
    content = _saved("TIFF", tiffinfo=tags)
    if 262 in tags:  # Pillow writes a value of its own
        at = content.index(struct.pack("<HHI", 262, 3, 1))
        content = content[: at + 8] + struct.pack("<H", 32803) + content[at + 10 :]
    with pytest.raises(UnreadableImageError):
        _engine().examine(content)


def test_the_note_is_in_the_record_and_the_summary(moderate: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG[:-2])
    result = moderate("sync", tmp_path / "a.jpg", "-p", "local")
    (record,) = result.records
    assert (result.code, record["status"], record["notes"]) == (ExitCode.OK, "judged", [DAMAGED])
    assert f"1 image: {DAMAGED}" in result.stderr
    batch = moderate("batch", tmp_path / "a.jpg", "-s", "a,b", "-p", "local")
    assert batch.records[0]["notes"] == [DAMAGED]
    (tmp_path / "a.png").write_bytes(_png_with(BAD_TEXT))
    for name in ("a.jpg", "a.png"):
        queued = moderate("async-submit", tmp_path / name, "--interval", "1", "--wait", "-p", "local")
        assert queued.records[0]["notes"] == [DAMAGED]


def test_what_is_damaged_is_said_once(moderate: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(_saved("WEBP")[:-500])
    result = moderate("sync", tmp_path / "a.webp", "-p", "local")
    assert result.code == ExitCode.INCOMPLETE
    error = result.records[0]["error"]
    assert (error["code"], error["api_code"]) == ("damaged", 407)
    assert error["message"] == "the image is damaged (code 407: it cannot be decoded (OSError))"
    assert json.dumps(error).count("damaged") == 2  # the code and the message
    (tmp_path / "a.svg").write_bytes(b'<svg width="300" height="300"/>')
    (record,) = moderate("sync", tmp_path / "a.svg", "-p", "local").records
    assert record["error"]["message"].count("format") == 2
    assert record["error"]["code"] == "format_unsupported"


def test_a_jpeg_that_is_cut_within_its_header_is_not_sent(moderate: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG[:300])
    (record,) = moderate("sync", tmp_path / "a.jpg", "-p", "local").records
    assert (record["status"], record["error"]["code"]) == ("skipped", "damaged")
    assert record["error"]["message"] == "a damaged JPEG: the file ends within its header"
