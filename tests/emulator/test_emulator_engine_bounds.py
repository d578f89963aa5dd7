"""The local engine keeps to its bounds: memory, time, and no more pixels than its detectors need."""

import base64
import io
import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFile

from moderate_cli.app import session
from moderate_cli.emulator.account import Account
from moderate_cli.emulator.engine import (
    LocalEngine,
    TooLargeForEngineError,
    UnreadableImageError,
    detectors,
    pixels,
)
from moderate_cli.emulator.engine.bounds import Room
from moderate_cli.emulator.inputs import AsyncParameters, ImageParameters
from moderate_cli.emulator.judging import Judge, examine
from moderate_cli.emulator.messages import BodyError
from moderate_cli.emulator.rulings import Rulings
from moderate_cli.rules import Rules

MODERATE = Path(sys.executable).with_name("moderate")
DATA = Path(__file__).parents[1] / "data"
LARGEST = 12_900  # 166 million pixels; 167 million are allowed
QR = detectors.QrCodeDetector()

# 12,900 x 12,900 pixels of one colour.
WEBP = base64.b64decode("UklGRhwAAABXRUJQVlA4TA8AAAAvY/KYDAdQwIj+ByKi/wEA")

MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
print(done.stdout, end="")
print(done.stderr, end="", file=sys.stderr)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) // 1_000_000)
sys.exit(done.returncode)
"""


def measured(*arguments, home):
    """Run `moderate`, and return its exit code, its records by name, its stderr and its peak memory in MB."""
    # Linux counts what the process held that starts another as the other's own, so that a small one starts it.
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, MODERATE, *map(str, arguments), "--profile", "local", "-f", "jsonl"],
        env={**os.environ, "HOME": str(home), "MODERATE_STORE": str(home / "store.db")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    *lines, peak = done.stdout.splitlines()
    records = {Path(record["source"]).name: record for record in map(json.loads, lines)}
    return SimpleNamespace(code=done.returncode, records=records, stderr=done.stderr, peak=int(peak))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def plain_png(side):
    """Return a PNG of one colour, whose pixels are never in the memory of this process."""
    packer = zlib.compressobj(1)
    row = b"\0" + b"\x30\x80\x50" * side
    data = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def long_gif(encoded, side, count):
    """Return an animation of two frames in turn, which are written once."""
    head, bodies = b"", []
    for colour in (1, 2):
        frame = Image.new("P", (side, side), colour)
        frame.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
        content = encoded(frame, "GIF")
        start = 13 + 3 * 2 ** ((content[10] & 7) + 1)
        head, body = content[:start], content[start:-1]
        bodies.append(body)
    return head + b"".join(bodies[number % 2] for number in range(count)) + b";"


def photo(size=(4000, 3000)):
    """Return something like a photo."""
    random = np.random.default_rng(1)
    layers = [Image.fromarray(random.integers(0, 256, (6, 8), dtype=np.uint8)) for _ in range(3)]
    shapes = Image.merge("RGB", [layer.resize(size, Image.Resampling.BICUBIC) for layer in layers])
    return Image.blend(shapes, Image.merge("RGB", [Image.effect_noise(size, 60)] * 3), 0.2)


# --------------------------------------------------------------------------------- the largest images and animations


def test_six_of_the_largest_images_at_once(tmp_path, draw):
    folder = tmp_path / "images"
    folder.mkdir()
    png = plain_png(LARGEST)
    gif = draw.encoded(Image.new("P", (LARGEST, LARGEST), 1), "GIF")
    contents = {
        "1.png": png,
        "2.png": png + b"\0",
        "3.gif": gif,
        "4.gif": gif + b"\0",
        "5.jpg": draw.encoded(Image.new("L", (LARGEST, LARGEST), 1), "JPEG"),
        "6.webp": WEBP,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    # A second for an answer is what the client would wait for a service that is not its own.
    done = measured("sync", folder, "--timeout", "1", home=tmp_path)
    assert done.code == 3, done.stderr
    assert done.peak < 900
    assert {name: record["status"] for name, record in done.records.items()} == {
        **dict.fromkeys(contents, "judged"),
        "6.webp": "failed",
    }
    error = done.records["6.webp"]["error"]
    assert (error["code"], error["api_code"]) == ("too_large", 406)
    assert "image is too large for the local engine: 12900 x 12900 pixels of WEBP" in done.stderr


def test_an_animation_of_many_large_frames(tmp_path, draw):
    animation = tmp_path / "animation.gif"
    animation.write_bytes(long_gif(draw.encoded, 4000, 61))
    arguments = (
        "--interval",
        "1",
        "--max-frames",
        "20",
        "--wait",
        "--timeout",
        "1",
        "--save-frames",
        tmp_path / "saved",
    )
    done = measured("async-submit", animation, *arguments, home=tmp_path)
    assert done.code == 0, done.stderr
    assert done.peak < 700
    record = done.records["animation.gif"]
    assert (record["status"], len(record["frames"])) == ("judged", 16)
    saved = list((tmp_path / "saved").rglob("*.jpg"))
    assert len(saved) == 16
    for path in saved:
        with Image.open(path) as frame:
            assert frame.size == (2000, 2000)


@pytest.mark.parametrize(("wanted", "seconds"), [(0.5, 3600), (3600, 3600)])
def test_the_client_waits_for_its_own_engine(wanted, seconds):
    settings = SimpleNamespace(local=True, timeout=wanted)
    assert session._timeout(settings) == seconds
    settings.local = False
    assert session._timeout(settings) == wanted


# -------------------------------------------------------------------------------------------------- what is refused


def patched(content, at, *values):
    """Return a file whose header tells other sizes than it has."""
    size = struct.pack(*values)
    return content[:at] + size + content[at + len(size) :]


def large_jpeg(draw, **options):
    content = draw.encoded(photo((64, 64)), "JPEG", progressive=True, **options)
    return patched(content, content.index(b"\xff\xc2") + 5, ">HH", LARGEST, LARGEST)


def jpeg_of_many_scans(draw):
    content = draw.encoded(photo((64, 64)), "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    return patched(content[:-2] + scan * 300 + b"\xff\xd9", content.index(b"\xff\xc2") + 5, ">HH", 4000, 4000)


def large_tiff(draw):
    file = draw.encoded(photo((64, 64)), "TIFF", compression="tiff_adobe_deflate")
    for tag in (256, 257):  # width and height
        file = patched(file, file.index(struct.pack("<HHI", tag, 3, 1)) + 8, "<H", LARGEST)
    return file


def interlaced_png(draw):
    head = struct.pack(">IIBBBBB", LARGEST, LARGEST, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + struct.pack(">I", 9) + b"IDAT"


def icon_of_a_bitmap(draw):
    bitmap = struct.pack("<IiiHHIIiiII", 40, 8000, 16000, 1, 1, 0, 0, 0, 0, 2, 0) + b"\0" * 8
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 1, len(bitmap), 22) + bitmap


REFUSED = {
    "webp": (lambda draw: WEBP, "12900 x 12900 pixels of WEBP take 2847 MB of memory, and it uses 560 MB at most"),
    "progressive": (lambda draw: large_jpeg(draw, subsampling=0), "12900 x 12900 pixels of JPEG take"),
    "scans": (jpeg_of_many_scans, "frames or scans of 4000 x 4000 pixels of JPEG"),
    "tiff": (large_tiff, "12900 x 12900 pixels of TIFF take"),
    "interlaced": (interlaced_png, "12900 x 12900 pixels of PNG take 684 MB"),
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_takes_too_much_is_refused_before_it_is_decoded(draw, monkeypatch, make, reason):
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    with pytest.raises(BodyError) as refused:
        examine(LocalEngine([QR]), make(draw))
    assert refused.value.code == 406
    assert refused.value.message.startswith("image is too large for the local engine: ")
    assert reason in refused.value.message


def test_an_icon_that_is_far_larger_than_icons_are(draw):
    with pytest.raises(BodyError, match="8000 x 16000 pixels of an icon"):
        examine(LocalEngine([QR]), icon_of_a_bitmap(draw))


def test_of_an_icon_the_picture_inside_is_measured(draw):
    head = struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 99, 22)
    with pytest.raises(TooLargeForEngineError, match="of PNG"):
        LocalEngine([QR]).examine(head + interlaced_png(draw))


TURNED = Image.Exif()
TURNED[0x0112] = 3
BYTES_A_PIXEL = {
    "grey": ("L", "PNG", {}, 1 + 4),
    "16 bits": ("I;16", "PNG", {}, 2 + 4),
    "colours": ("RGB", "PNG", {}, 4 + 4),
    "tiff": ("RGB", "TIFF", {}, 4 + 4),
    "turned tiff": ("RGB", "TIFF", {"exif": TURNED}, 4 + 4 + 4),
    "one strip": ("RGB", "TIFF", {"compression": "tiff_lzw"}, 4 + 4 + 3),
    "fax": ("1", "TIFF", {"compression": "group4"}, 1 + 4 + 1 / 8),
    "jpeg in tiff": ("YCbCr", "TIFF", {"compression": "jpeg"}, 4 + 4 + 4),
    "jpeg": ("RGB", "JPEG", {}, 4),
    "grey jpeg": ("L", "JPEG", {}, 1 + 4),
    "webp": ("RGB", "WEBP", {}, 17 + 4),
    "gif": ("P", "GIF", {}, 1 + 4),
}


@pytest.mark.parametrize(("mode", "kind", "options", "expected"), BYTES_A_PIXEL.values(), ids=list(BYTES_A_PIXEL))
def test_the_memory_of_formats(draw, mode, kind, options, expected):
    image = pixels.open_image(draw.encoded(Image.new(mode, (64, 64)), kind, **options))
    assert expected * 64 * 64 <= pixels.memory_to_decode(image) <= (expected + 0.02) * 64 * 64


def test_the_memory_of_run_lengths(draw):
    content = draw.encoded(Image.new("P", (64, 64)), "BMP")
    image = pixels.open_image(patched(content, 30, "<I", 1))
    assert pixels.memory_to_decode(image) == (1 + 4 + 3) * 64 * 64


def test_a_chroma_subsampled_progressive_jpeg_of_the_largest_size_fits(draw):
    image = pixels.open_image(large_jpeg(draw))
    assert 500_000_000 < pixels.memory_to_decode(image) < pixels.MEMORY
    assert image.size == (LARGEST // 4, LARGEST // 4)


def frames_of(content):
    task = AsyncParameters(ImageParameters("", "bucket", "name"), 1, 100, None)
    return Judge(LocalEngine([QR]), Rulings(Account(Rules(), time.time)), "s").task(
        task, content, lambda _jpeg: "", lambda: False
    )


def test_animations_that_would_take_too_long(draw):
    content = patched(long_gif(draw.encoded, 50, 300), 6, "<HH", 4000, 4000)
    with pytest.raises(BodyError, match="300 frames or scans of 4000 x 4000 pixels of GIF") as refused:
        frames_of(content)
    assert refused.value.code == 406


def test_animations_that_would_take_too_much_memory(draw):
    with pytest.raises(BodyError, match="of GIF take 864 MB"):
        frames_of(patched(draw.animation(3, 1), 6, "<HH", 6000, 6000))


def test_a_frame_that_would_enlarge_the_canvas(draw):
    content = draw.animation(3, 1)
    second = content.index(b"\x2c", content.index(b"\x2c") + 1)
    width = struct.unpack_from("<H", content, second + 5)[0]
    with pytest.raises(BodyError, match="frame 1 reaches beyond the others"):
        frames_of(patched(content, second + 5, "<H", width + 5000))


def test_a_machine_without_memory(draw, monkeypatch):
    def load(image):
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(TooLargeForEngineError, match="no memory left"):
        LocalEngine([QR]).examine(draw.encoded(draw.gradient()))


def test_the_outcome_of_a_task_does_not_keep_its_image(draw, emulator, caller):
    task = caller.submit(draw.encoded(draw.gradient())[:-3000])
    assert caller.result(task).body["Code"] == 407
    assert emulator.state.tasks._finished[task].outcome.__traceback__ is None


# ------------------------------------------------------------------------------------------------- reduced pictures


def decode(content, parts=1):
    image = pixels.open_image(content)
    pixels.memory_to_decode(image, parts)
    return pixels.decode(image, parts)


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize(
    ("size", "reduced"),
    [((3999, 5), (3999, 5)), ((4000, 5), (2000, 3)), ((5, 6001), (2, 2001)), ((8000, 1), (2000, 1))],
)
def test_pictures_keep_two_thousand_pixels(draw, kind, size, reduced):
    picture = decode(draw.encoded(Image.new("RGB", size, (200, 100, 50)), kind))
    if kind in {"JPEG", "MPO"} and size == (5, 6001):
        reduced = (3, 3001)  # JPEGs are scaled by powers of two
    assert picture.size == reduced
    assert np.abs(np.asarray(picture).astype(int) - (200, 100, 50)).max() < 8


def test_a_turned_photo_is_turned_when_it_is_reduced(draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        picture = decode(draw.encoded(Image.new("RGB", (4000, 40)), kind, exif=exif.tobytes()))
        assert picture.size == (20, 2000), kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("text", ["https://example.com/moderate", "https://example.com/" + "a1B2" * 20])
def test_a_code_of_a_tenth_of_the_width_of_a_large_photo(draw, kind, text):
    page = photo()
    code = draw.code("QRCode", text).resize((400, 400), Image.Resampling.BICUBIC).convert("RGBA")
    turned = code.rotate(15, expand=True, resample=Image.Resampling.BICUBIC)
    page.paste(turned, (3100, 2200), turned)
    content = draw.encoded(page, kind, **({"quality": 80} if kind == "JPEG" else {"compress_level": 1}))
    assert LocalEngine([QR]).examine(content).findings
    assert decode(content).size == (2000, 1500)


@pytest.mark.parametrize("name", ["landscape.jpg", "poster-qr.png", "still-life.webp"])
def test_the_score_of_a_reduced_picture(draw, name):
    with Image.open(DATA / name) as image:
        factor = 4000 / max(image.size)
        large = image.convert("RGB").resize([round(side * factor) for side in image.size], Image.Resampling.BICUBIC)
    detector = detectors.AdultContentDetector()
    in_full = detector.detect(large).details["Score"]
    for kind in ("JPEG", "PNG"):
        content = draw.encoded(large, kind, **({"quality": 95} if kind == "JPEG" else {"compress_level": 1}))
        assert abs(detector.detect(decode(content)).details["Score"] - in_full) < 1


def test_slices_keep_two_thousand_pixels_each(draw):
    frames = list(LocalEngine([QR]).examine_frames(draw.encoded(Image.new("RGB", (4100, 12_300)), "JPEG"), 1, 10))
    assert len(frames) == 3
    with Image.open(io.BytesIO(frames[0].jpeg)) as frame:
        assert frame.size == (2050, 2050)


def lossless_jpeg(width, height):
    """Return a lossless JPEG of one grey, in which each difference is a bit of 0."""
    table = b"\0" + bytes([1] + [0] * 15) + b"\0"
    segments = (
        (0xC3, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
        (0xC4, table),
        (0xDA, b"\1\1\0\1\0\0"),
    )
    head = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return b"\xff\xd8" + head + bytes(width * height // 8) + b"\xff\xd9"


def test_a_lossless_jpeg_is_not_decoded_smaller():
    content = lossless_jpeg(4000, 3000)
    assert pixels.read_header(content) == pixels.Header(0xC3, ((1, 1),), 1)
    image = pixels.open_image(content)
    pixels.memory_to_decode(image)
    assert image.size == (4000, 3000)
    assert pixels.decode(image).size == (2000, 1500)


def test_the_headers_of_jpegs(draw):
    subsampled = pixels.read_header(draw.encoded(photo((64, 64)), "JPEG"))
    assert (subsampled.is_scalable, subsampled.has_several_scans, subsampled.coefficients) == (True, False, 3)
    content = draw.encoded(photo((64, 64)), "JPEG", progressive=True, subsampling=0)
    progressive = pixels.read_header(content)
    assert (progressive.is_scalable, progressive.has_several_scans, progressive.coefficients) == (True, True, 6)
    # What follows the end of the image is no part of it.
    assert pixels.count_scans(content) == pixels.count_scans(content + content) == content.count(b"\xff\xda")
    assert pixels.Header(0xC0, ((2, 2), (1, 1), (1, 1)), 1).has_several_scans
    for other in (b"", b"GIF89a", content[:100], b"\xff\xd8junk" + content[2:]):
        assert pixels.read_header(other) is None


def test_a_jpeg_with_junk_between_its_segments_is_decoded_in_full(draw):
    content = draw.encoded(Image.new("RGB", (4000, 40), "red"), "JPEG")
    image = pixels.open_image(content[:2] + b"\xff" + content[2:])
    pixels.memory_to_decode(image)
    assert image.size == (4000, 40)
    assert pixels.decode(image).size == (2000, 20)


# ------------------------------------------------------------------------------------------------------ PNG in strips


@pytest.fixture
def in_strips(monkeypatch):
    """Return what has all PNGs decoded in small strips from then on, and in no other way."""

    def switch():
        monkeypatch.setattr(pixels, "_LARGE", 0)
        monkeypatch.setattr(pixels, "_STRIP", 10_000)
        monkeypatch.setattr(ImageFile.ImageFile, "load", None)

    return switch


def pngs(draw):
    colours = photo((301, 203))
    alpha = Image.linear_gradient("L").resize(colours.size)
    with_alpha = colours.copy()
    with_alpha.putalpha(alpha)
    grey = Image.merge("LA", [alpha, alpha.transpose(Image.Transpose.ROTATE_180)])
    small = Image.new("RGB", (3, 2), "red")
    return {
        "RGB": draw.encoded(colours),
        "unpacked": draw.encoded(colours, compress_level=0),
        "RGBA": draw.encoded(with_alpha),
        "LA": draw.encoded(grey),
        "transparent colour": draw.encoded(colours.quantize(8).convert("RGB"), transparency=(120, 120, 120)),
        "small": draw.encoded(small),
    }


@pytest.mark.parametrize("side", [2000, 100])
def test_pngs_in_strips_are_the_same(draw, monkeypatch, in_strips, side):
    monkeypatch.setattr(pixels, "SIDE", side)
    contents = pngs(draw)
    whole = {name: decode(content) for name, content in contents.items()}
    in_strips()
    for name, content in contents.items():
        assert decode(content) == whole[name], name


def test_the_data_of_a_png_may_be_cut_anywhere(draw, in_strips):
    content = draw.encoded(photo((301, 203)))
    whole = decode(content)
    start = content.index(b"IDAT") - 4
    length = struct.unpack_from(">I", content, start)[0]
    data = content[start + 8 : start + 8 + length]
    parts = [b"", data[:1], data[1:7], b"", data[7:5000], data[5000:], b""]
    chunks = b"".join(chunk(b"IDAT", part) for part in parts)
    in_strips()
    assert decode(content[:start] + chunks + content[start + 12 + length :]) == whole


def test_a_png_in_strips_that_is_cut_off_or_damaged(draw, in_strips):
    content = draw.encoded(photo((301, 203)))
    in_strips()
    for damaged in (content[: len(content) // 2], content[:-2000] + b"damaged" * 200 + content[-600:]):
        with pytest.raises(UnreadableImageError):
            decode(damaged)


def test_which_pngs_are_decoded_in_strips(draw, monkeypatch):
    def fits(image, **options):
        return pixels.has_png_strips(pixels.open_image(draw.encoded(image, **options)))

    colours = photo((301, 203))
    assert not fits(colours)
    monkeypatch.setattr(pixels, "_LARGE", 0)
    assert fits(colours)
    assert not fits(colours.convert("P"))
    assert not fits(Image.fromarray(np.zeros((99, 99), dtype=np.uint16)))


# ---------------------------------------------------------------------------------------------------- shared memory


def test_whoever_needs_more_than_is_left_waits():
    room = Room(10)
    order = []
    first_is_in, leave = threading.Event(), threading.Event()

    def hold(name, size, *, until=None):
        with room.hold(size):
            order.append(name)
            if until:
                first_is_in.set()
                until.wait(10)

    threads = [threading.Thread(target=hold, args=("first", 6), kwargs={"until": leave})]
    threads[0].start()
    assert first_is_in.wait(10)
    # The large one came before the small one, which would fit.
    for name, size in (("large", 10), ("small", 1)):
        threads.append(threading.Thread(target=hold, args=(name, size)))
        threads[-1].start()
        while len(room._queue) < len(threads) - 1:
            threading.Event().wait(0.01)
    assert order == ["first"]
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "large", "small"]


def test_memory_is_given_back_after_an_error(draw):
    engine = LocalEngine([QR])
    for _ in range(3):
        with pytest.raises(UnreadableImageError):
            engine.examine(draw.encoded(photo((2000, 2000)), compress_level=1)[:45])  # without a pixel
        assert next(engine.examine_frames(draw.animation(3, 1), 1, 10))  # the others are not asked for
    assert engine._room._left == pixels.MEMORY
