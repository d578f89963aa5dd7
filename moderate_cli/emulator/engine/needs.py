"""What it takes to decode an image, told from its header: bytes of memory, and work.

The figures are those of Pillow 13 with libjpeg-turbo 3.2, libwebp 1.6 and libtiff 4.7, measured in November 2026 on
images of 25 million pixels as the growth of the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moderate_cli.emulator.engine import jpeg, png_strips
from moderate_cli.emulator.engine.limits import TooLargeForEngineError
from moderate_cli.emulator.engine.pixels import JPEG, content_of, is_ready, reduction

if TYPE_CHECKING:
    from PIL import ImageFile

MEMORY = 560_000_000
"""Bytes that all images which are decoded at one time may take: with the program and its model (180 MB), and six files
of 20 MB on their way, a process stays below 900 MB."""

MOST_WORK = 4_000_000_000
"""Pixels that may be passed over to decode one image, each frame or scan counted: a minute, at 4 to 15 ns each."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_BYTES_OF_OTHER_MODES = 4
_ANIMATED = 24  # bytes a pixel: the canvas, the frame in three stages, what it leaves behind, and its picture
_WEBP = 17  # bytes a pixel: libwebp's two canvases, the frame between it and Pillow, Pillow's own
_RUN_LENGTHS = 3  # bytes a pixel: Pillow unpacks them in Python, and copies twice
_FRAME_WORK = 10_000  # pixels: what a frame costs however small it is

# Tags of TIFF (its specification, version 6).
_BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP = 258, 262, 274, 277, 278
_PLANAR, _TILE_WIDTH, _TILE_LENGTH = 284, 322, 323
_SEPARATE_PLANES = 2
_YCBCR = 6  # libtiff converts these colours itself


def to_decode(image: ImageFile.ImageFile, parts: int = 1) -> int:
    """Have an open image decoded no larger than the detectors need it, and return the bytes that this takes.

    That is its first frame, of which each of some equal parts is looked at. Only a JPEG can be decoded smaller than it
    is. Raises TooLargeForEngineError for more bytes than there are, and for too many scans.
    """
    what = _described(image)
    pixels = image.width * image.height
    picture = pixels // reduction(image, parts) ** 2 * _BYTES_OF_OTHER_MODES
    if png_strips.fits(image):
        return picture + png_strips.MEMORY
    if image.format == "WEBP":
        return _checked(what, picture + pixels * _WEBP)
    beside = 0
    if image.format in JPEG:
        beside = _scaled_down(image, parts)
        picture = 0 if is_ready(image, parts) else picture
    elif image.format == "TIFF":
        beside = _of_tiff(image)
    elif image.tile and image.tile[0].codec_name == "bmp_rle":
        beside = pixels * _RUN_LENGTHS
    return _checked(what, picture + image.width * image.height * _bytes(image) + beside)


def to_animate(image: ImageFile.ImageFile, frames: int) -> int:
    """Return the bytes that it takes to go through the frames of an open animation.

    Raises TooLargeForEngineError for more than there are, and for too many frames of that size.
    """
    _check_work(image, frames)
    return _checked(_described(image), image.width * image.height * _ANIMATED)


def _scaled_down(image: ImageFile.ImageFile, parts: int) -> int:
    """Have an open JPEG decoded smaller, where it can be, and return the bytes that it takes beside its pixels."""
    content = content_of(image)
    header = jpeg.read_header(content)
    pixels = image.width * image.height
    factor = reduction(image, parts)
    if header and header.has_several_scans:
        _check_work(image, jpeg.count_scans(content))
    if header and header.is_scalable and factor > 1:
        image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
    if header is None:
        return pixels * len(image.getbands()) * jpeg.COEFFICIENT
    return int(pixels * header.coefficients) if header.has_several_scans else 0


def _check_work(image: ImageFile.ImageFile, frames: int) -> None:
    """Raise TooLargeForEngineError for so many frames, or scans, that they would take very long."""
    if frames * (image.width * image.height + _FRAME_WORK) > MOST_WORK:
        raise TooLargeForEngineError(f"{frames} frames or scans of {_described(image)}")


def _checked(what: str, need: int) -> int:
    if need > MEMORY:
        memory = f"{need // 1_000_000} MB of memory, and it uses {MEMORY // 1_000_000} MB at most"
        raise TooLargeForEngineError(f"{what} take {memory}")
    return need


def _described(image: ImageFile.ImageFile) -> str:
    return f"{image.width} x {image.height} pixels of {image.format}"


def _of_tiff(image: ImageFile.ImageFile) -> int:
    """Return what a TIFF takes beside its pixels: one strip or tile, and a second picture to turn it upright."""
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    turned = image.width * image.height * _bytes(image) if tags.get(_ORIENTATION, 1) != 1 else 0
    if image.tile and image.tile[0].codec_name != "libtiff":
        return turned
    width: int = tags.get(_TILE_WIDTH, image.width)
    rows: int = tags.get(_TILE_LENGTH, min(tags.get(_ROWS_PER_STRIP, image.height), image.height))
    if tags.get(_PHOTOMETRIC) == _YCBCR:
        return turned + rows * width * _BYTES_OF_OTHER_MODES
    samples: int = 1 if tags.get(_PLANAR) == _SEPARATE_PLANES else tags.get(_SAMPLES, 1)
    bits: int = max(tags.get(_BITS, (1,)))
    return turned + rows * (width * samples * bits // 8 + 1)


def _bytes(image: ImageFile.ImageFile) -> int:
    """Return the bytes that a pixel takes in Pillow."""
    return _BYTES.get(image.mode, _BYTES_OF_OTHER_MODES)
