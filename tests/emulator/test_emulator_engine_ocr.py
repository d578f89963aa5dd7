"""Text in images is read as far as rapidocr reads it, and whatever prevents that is told."""

import threading
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from moderate_cli.emulator.engine import ocr
from moderate_cli.emulator.engine.detectors import DetectorUnavailableError
from moderate_cli.emulator.engine.keywords import KeywordMatcher
from moderate_cli.emulator.engine.ocr import LibraryHit, TextLine, TextReader, confidence, joined, text_in_image

pytest.importorskip("rapidocr", reason="the extra ocr is not installed")
pytestmark = pytest.mark.ocr

# 加微信领取优惠, and 出售二手电脑 below it, in black on white; the font was Noto Sans SC.
CHINESE = Path(__file__).with_name("chinese.png")
PHOTO = Path(__file__).parents[1] / "data" / "landscape.jpg"
TEXTS = ["Free tables for everybody", "加微信领取优惠", "出售二手电脑", "Call 555-0199 now"]
SQUARE = ((1.0, 2.0), (9.0, 2.0), (9.0, 5.0), (1.0, 5.0))


def page(background="white"):
    """Return a page with two lines in English around two in Chinese."""
    picture = Image.new("RGB", (800, 460), "white")
    if background == "photo":
        picture.paste(Image.open(PHOTO).resize(picture.size))
    ImageDraw.Draw(picture).text((60, 50), TEXTS[0], font_size=44, fill="black")
    ImageDraw.Draw(picture).text((60, 340), TEXTS[3], font_size=44, fill="black")
    lines = Image.open(CHINESE)
    picture.paste("black", (50, 160), Image.eval(lines.convert("L"), lambda grey: 255 - grey))
    return picture


def texts(picture):
    return [line.text for line in TextReader().read(picture)]


@cache
def plainly_read():
    return TextReader().read(page())


@pytest.fixture
def pretend(monkeypatch):
    """Let something else stand for rapidocr's engine."""

    def replace(engine):
        ocr._engine.cache_clear()
        monkeypatch.setattr("rapidocr.RapidOCR", lambda params: engine)

    yield replace
    ocr._engine.cache_clear()


def answer(*lines):
    """Return an answer of the engine."""
    boxes = np.array([SQUARE] * len(lines), dtype=np.float32)
    return SimpleNamespace(
        txts=tuple(text for text, _ in lines), scores=tuple(score for _, score in lines), boxes=boxes
    )


# ---------------------------------------------------------------------------------------------------- reading


def test_english_and_chinese_are_read():
    assert [line.text for line in plainly_read()] == TEXTS


@pytest.mark.parametrize(("background", "angle"), [("photo", 0), ("white", 10), ("photo", 10)])
def test_english_and_chinese_are_read_on_photos_and_turned(background, angle):
    assert texts(page(background).rotate(angle, expand=True, fillcolor="white")) == TEXTS


def test_text_upside_down_is_read():
    assert texts(page().rotate(180)) == TEXTS[::-1]


def test_a_photo_without_text_has_none():
    assert TextReader().read(Image.open(PHOTO).convert("RGB")) == ()


def test_each_line_has_its_place_and_a_score():
    lines = plainly_read()
    assert all(0.6 <= line.score <= 1 for line in lines)
    chinese = lines[1]
    (left, top), (right, _), (_, bottom), _ = chinese.corners
    assert (left, top, right, bottom) == pytest.approx((60, 165, 370, 215), abs=15)


@pytest.mark.parametrize("size", [(1, 1), (3900, 7), (7, 3900), (3900, 9), (9, 3900), (8, 8)])
def test_pictures_too_thin_for_text_have_none(size):
    assert TextReader().read(Image.new("RGB", size)) == ()


def test_threads_share_one_model():
    ocr._engine.cache_clear()
    found = []
    picture = page().crop((0, 0, 800, 140))
    threads = [threading.Thread(target=lambda: found.append(texts(picture))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [TEXTS[:1]] * 3
    assert ocr._engine.cache_info().misses == 1


def test_lines_of_one_character_are_dropped(pretend):
    pretend(lambda picture: answer(("o", 0.99), (" o ", 0.99), ("ok", 0.61), ("毒品", 0.9)))
    lines = TextReader().read(Image.new("RGB", (9, 9)))
    assert [(line.text, round(line.score, 2)) for line in lines] == [("ok", 0.61), ("毒品", 0.9)]
    assert lines[0].corners == SQUARE


# ------------------------------------------------------------------------------------------------ what fails


def test_a_model_that_cannot_be_loaded_is_told(monkeypatch):
    ocr._engine.cache_clear()
    monkeypatch.setitem(ocr._MODELS, "Det.model_path", "nowhere.onnx")
    with pytest.raises(DetectorUnavailableError, match="rapidocr"):
        TextReader().read(page())
    ocr._engine.cache_clear()


def test_a_package_that_cannot_be_imported_is_told(monkeypatch):
    def broken(params):
        raise ImportError("libGL.so.1")

    ocr._engine.cache_clear()
    monkeypatch.setattr("rapidocr.RapidOCR", broken)
    with pytest.raises(DetectorUnavailableError, match="cannot be loaded"):
        TextReader().read(page())


def _out_of_memory(picture):
    raise MemoryError


@pytest.mark.parametrize(
    "engine",
    [
        _out_of_memory,
        # What rapidocr returns where lines were found and none was read.
        lambda picture: SimpleNamespace(boxes=np.array([SQUARE]), scores=[0.9]),
        lambda picture: SimpleNamespace(txts=("ab", "cd"), scores=(0.9,), boxes=[SQUARE, SQUARE]),
    ],
)
def test_a_reading_that_fails_is_told_and_is_no_picture_without_text(pretend, engine):
    pretend(engine)
    with pytest.raises(DetectorUnavailableError, match="failed"):
        TextReader().read(Image.new("RGB", (9, 9)))


# ------------------------------------------------------------------------------------------- in an answer

LINES = (TextLine("free", 0.99, SQUARE), TextLine("tables 毒", 0.71234, SQUARE), TextLine("品 shop", 0.9, SQUARE))


@pytest.mark.parametrize(
    ("word", "sure"), [("free", 99.0), ("free tables", 71.23), ("tables", 71.23), ("毒品", 71.23), ("shop", 90.0)]
)
def test_a_keyword_is_as_sure_as_the_lines_that_it_stands_in(word, sure):
    (hit,) = KeywordMatcher([word]).find(joined(LINES))
    assert confidence(LINES, hit.start, hit.end) == sure


def test_the_shape_is_the_one_of_the_vendor():
    hit = LibraryHit("l1", "slang", "free")
    assert text_in_image(LINES, [hit, hit, LibraryHit("l2", "other", "free")]) == {
        "CustomText": [
            {"KeyWords": "free", "LibId": "l1", "LibName": "slang"},
            {"KeyWords": "free", "LibId": "l2", "LibName": "other"},
        ],
        "OcrResult": [{"Text": "free"}, {"Text": "tables 毒"}, {"Text": "品 shop"}],
        "RiskWord": None,
    }
    assert text_in_image((), ()) == {"CustomText": None, "OcrResult": [], "RiskWord": None}
