"""How are the pixels of an image decoded? Within the limits, and reduced to what the detectors need."""

from __future__ import annotations

import contextlib
import io
import math
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

from moderate_cli.emulator.engine.bounds import (
    MAX_PIXELS,
    MAX_SIDE,
    DamagedImageError,
    ImageTooLargeError,
    TooLargeForEngineError,
    UnreadableImageError,
)

if TYPE_CHECKING:
    from PIL import Image, ImageFile

SIDE = 2_000
"""Pixels that the longer side of a picture keeps, at least, where it is reduced.

Measured in November 2026 on photos of 4,000 x 3,000 with QR codes, turned and slightly blurred: reduced to this, all
codes of 33 to 61 modules that took a thirteenth of the width or more were found, as in full; at 1,000 pixels, those of
61 modules at a tenth were not. The model for adult content reduces every picture to 256 x 256.
"""

MEMORY = 560_000_000
"""Bytes that all images which are decoded at one time may take: with the program and its model (180 MB), and six files
of 20 MB on their way, a process stays below 900 MB."""

MAX_WORK = 4_000_000_000
"""Pixels that may be passed over to decode one image, each frame or scan counted: a minute, at 4 to 15 ns each."""

PNG_STRIPS_MEMORY = 32_000_000
"""Bytes to decode a PNG in strips: a strip, filtered, packed again and unfiltered."""

COEFFICIENT = 2
"""Bytes that libjpeg keeps of each coefficient where it goes over an image more than once."""

JPEG = ("JPEG", "MPO")

# The vendor's formats, without SVG and HEIF, which Pillow cannot decode. Naming them keeps Pillow from trying the
# others it knows, among them EPS, for which it starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "ICO")
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"GIF8", b"\0\0\1\0")  # of the same formats
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")
# Eight bits each, so that Pillow's pixels are the bytes of the file.
_SIXTEEN_BITS = (0.0, 65_535.0)
_SCALED = ("I", "F")
_RAW_MODES = ("RGB", "RGBA", "LA")
_BLOCK = 64 * 1024 * 1024
"""Bytes that Pillow asks for at one time: what is larger than 32 MB, the C library of Linux gives back at once, while
400 MB of smaller blocks stayed in the heaps of several threads (measured in November 2026)."""

_STRIP = 1_000_000  # pixels that are converted at one time
_LARGEST_ICON = 1_000_000  # pixels of an icon that is no PNG; the format has 256 x 256
_ICON = b"\0\0\1\0"
_PNG = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112  # the tag of EXIF

# What it takes to decode an image. The figures are those of Pillow 13 with libjpeg-turbo 3.2, libwebp 1.6 and libtiff
# 4.7, measured in November 2026 on images of 25 million pixels as the growth of the process.

# Bytes of a pixel in Pillow, by mode.
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_BYTES_OF_OTHER_MODES = 4
_ANIMATED = 24  # bytes a pixel: the canvas, the frame in three stages, what it leaves behind, and its picture
_WEBP = 17  # bytes a pixel: libwebp's two canvases, the frame between it and Pillow, Pillow's own
_RUN_LENGTHS = 3  # bytes a pixel: Pillow unpacks them in Python, and copies twice
_FRAME_WORK = 10_000  # pixels: what a frame costs however small it is

# Tags of TIFF (its specification, version 6).
_BITS, _PHOTOMETRIC, _EXIF_ORIENTATION, _SAMPLES, _ROWS_PER_STRIP = 258, 262, 274, 277, 278
_PLANAR, _TILE_WIDTH, _TILE_LENGTH = 284, 322, 323
_SUBFILE, _SUBIFDS, _DNG_VERSION = 254, 330, 50706
_SENSOR = frozenset({32803, 34892})  # values of the photometric tag, of Adobe's DNG
_SEPARATE_PLANES = 2
_YCBCR = 6  # libtiff converts these colours itself

# Markers of JPEG, whose header is read here because Pillow does not tell what a decoder may do: it believes that every
# JPEG can be scaled, and libjpeg writes lossless ones in full all the same, beyond the end of Pillow's buffer (Pillow
# 13, JpegDecode.c, read in November 2026).
_START_OF_IMAGE = b"\xff\xd8"
_END_OF_IMAGE = 0xD9
_SCAN = 0xDA
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # none of those that stand within a scan
_SCALABLE = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # sequential and progressive, by Huffman and arithmetic coding
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_NO_FRAMES = frozenset({0xC4, 0xC8, 0xCC})  # of the markers from 0xC0 to 0xCF

_LARGE = 16_000_000
"""Pixels beyond which a PNG is decoded in strips; below, Pillow alone is faster.

Pillow alone decodes a PNG in one piece, which takes 670 MB for the largest that is allowed.
"""

_PNG_STRIP = 4_000_000
"""Bytes of a strip of a PNG."""

_SIGNATURE = 8  # bytes
_HEAD = struct.Struct(">I4s")
_CHECKSUM = 4  # bytes
_UNFILTERED = b"\0"


class _Leniency(threading.local):
    """Whether this thread decodes damaged images as far as it can; Pillow asks it for a truth value."""

    is_wanted = False

    def __bool__(self) -> bool:
        return self.is_wanted


_leniency = _Leniency()


@contextlib.contextmanager
def lenient() -> Iterator[None]:
    """Decode what viewers show of a damaged image, in this thread, and not only what is sound."""
    _leniency.is_wanted = True
    try:
        yield
    finally:
        _leniency.is_wanted = False


def open_image(content: bytes) -> ImageFile.ImageFile:
    """Open an image whose size is allowed, without decoding its pixels.

    Raises ImageTooLargeError or UnreadableImageError.
    """
    from PIL import Image, ImageFile

    # Pillow's switch is one for all threads, but it only asks whether it is true.
    ImageFile.LOAD_TRUNCATED_IMAGES = _leniency  # type: ignore[assignment]
    # Pillow refuses more than twice this number while opening. What it warns about (half the limit, damaged metadata)
    # would go to standard error.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
    Image.core.set_block_size(_BLOCK)  # type: ignore[attr-defined]
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with decoding_errors(is_known=content.startswith(_MAGIC)):
        image = Image.open(io.BytesIO(_without_icon(content)), formats=_FORMATS)
        _refuse_camera_raw(image)
        if max(image.size) > MAX_SIDE:
            width, height = image.size
            raise ImageTooLargeError(f"{width} x {height} pixels, a side may have {MAX_SIDE}")
        return image


def _refuse_camera_raw(image: ImageFile.ImageFile) -> None:
    """Raise UnreadableImageError for a TIFF that is camera raw, of which Pillow would decode a preview."""
    tags: dict[int, Any] = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    is_preview = tags.get(_SUBFILE, 0) & 1 and _SUBIFDS in tags
    if _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _SENSOR or is_preview:
        raise UnreadableImageError("the local engine does not decode camera raw")


def _without_icon(content: bytes) -> bytes:
    """Return the picture inside an icon, if that is a PNG: Pillow would decode it at once, whatever its size.

    Raises ImageTooLargeError for any other that is far larger than icons can be.
    """
    from PIL import BmpImagePlugin, IcoImagePlugin

    if not content.startswith(_ICON):
        return content
    file = io.BytesIO(content)
    icons = IcoImagePlugin.IcoFile(file)
    at = icons.entry[0].offset
    if content[at:].startswith(_PNG):
        return content[at:]
    file.seek(at)
    width, height = BmpImagePlugin.DibImageFile(file).size
    if width * height > _LARGEST_ICON:
        raise ImageTooLargeError(f"{width} x {height} pixels of an icon")
    return content


@contextlib.contextmanager
def decoding_errors(*, is_known: bool = True) -> Iterator[None]:
    """Turn every error while an image is read into ImageTooLargeError or UnreadableImageError.

    One whose format `is_known` is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (ImageTooLargeError, UnreadableImageError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"more than {MAX_PIXELS} pixels") from error
    except MemoryError as error:
        raise TooLargeForEngineError("this machine has no memory left for it") from error
    except Exception as error:
        # Damaged files make Pillow raise almost anything.
        if isinstance(error, UnidentifiedImageError) and not is_known:
            raise UnreadableImageError("the local engine does not know this format") from error
        raise DamagedImageError(f"it cannot be decoded ({type(error).__name__})") from error


def decode(image: ImageFile.ImageFile, parts: int = 1) -> Image.Image:
    """Return what an open image shows now: in RGB, upright, transparent parts on white, and reduced.

    It may be that image itself. Raises ImageTooLargeError or UnreadableImageError.
    """
    with decoding_errors():
        picture: Image.Image = image
        content = content_of(image) if _leniency else b""
        if is_ready(image, parts):
            image.load()
        else:
            picture = _converted(image, reduction(image, parts))
        if _leniency and not _shows_anything(picture, content):
            raise DamagedImageError("none of its pixels can be decoded")
        _turn_upright(picture, image)
        return picture


def _shows_anything(picture: Image.Image, content: bytes) -> bool:
    """Tell whether a decoded picture is more than what Pillow puts in the place of pixels that are missing."""
    if content.startswith(_PNG):
        unpacker = zlib.decompressobj()
        return any(unpacker.decompress(packed, 2) for packed in _image_data(content))
    scans = [end for marker, _, end in _segments(content) if marker == _SCAN]
    if scans:
        return any(content[end : end + 1] for end in scans)
    return any(low != high for low, high in cast("tuple[tuple[int, int], ...]", picture.getextrema()))


def is_ready(image: ImageFile.ImageFile, parts: int) -> bool:
    """Tell whether an open image is a JPEG that needs neither a conversion nor a reduction once it is decoded."""
    return image.format in JPEG and image.mode == "RGB" and reduction(image, parts) == 1


def reduction(image: ImageFile.ImageFile, parts: int = 1) -> int:
    """Return by how much an image may be reduced, if its longer side is cut into so many equal parts."""
    short, long = sorted(image.size)
    return max(1, max(short, -(-long // parts)) // SIDE)


def content_of(image: ImageFile.ImageFile) -> bytes:
    """Return the file of an open image."""
    if image.fp is None:
        return b""
    image.fp.seek(0)
    return image.fp.read()


def _converted(image: ImageFile.ImageFile, factor: int) -> Image.Image:
    """Return what an open image shows in RGB, reduced.

    It is converted strip by strip, so that no second picture of the full size is ever in memory.
    """
    from PIL import Image

    if has_png_strips(image):
        strips = read_png_strips(image, content_of(image), factor)
    else:
        image.load()
        strips = _strips(image, factor)
    span = _span(image)
    picture = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, strip in strips:
        picture.paste(to_rgb(strip, span).reduce(factor), (0, top // factor))
    return picture


def _span(image: Image.Image) -> tuple[float, float]:
    """Return from which value to which an image goes from black to white, where its pixels are no bytes.

    No tag says it. Those of 16 bits have all of them, and of others fractions go from 0 to 1; any other image has the
    span of its own values.
    """
    if image.mode not in _SCALED:
        return _SIXTEEN_BITS
    low, high = _finite_extrema(image)
    usual = (0.0, 1.0) if image.mode == "F" else _SIXTEEN_BITS
    if usual[0] <= low and high <= usual[1]:
        return usual
    return (low, high) if low < high else (low - 1, low)


def _finite_extrema(image: Image.Image) -> tuple[float, float]:
    low, high = cast("tuple[float, float]", image.getextrema())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    least, most = math.inf, -math.inf  # what stands for "no data" in maps is no number
    for _, strip in _strips(image, 1):
        finite = list(filter(math.isfinite, memoryview(strip.tobytes()).cast("f")))
        least, most = min([least, *finite]), max([most, *finite])
    if least > most:
        raise DamagedImageError("none of its pixels is a number")
    return least, most


def _strips(image: Image.Image, multiple: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield each strip of an image with its top, which is a multiple of a number of rows."""
    height = max(1, _STRIP // image.width // multiple) * multiple
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(top + height, image.height)))


def to_rgb(image: Image.Image, span: tuple[float, float] = _SIXTEEN_BITS) -> Image.Image:
    """Convert an image of any mode to RGB, as a viewer would show it on a white page.

    Where its pixels are no bytes, they are black to white in a span of values.
    """
    from PIL import Image

    if image.mode in _SIXTEEN_BIT:
        image = image.convert("I")
    if image.mode in _SCALED:
        # Pillow would cut off at 255, which turns nearly every picture white, or black.
        low, high = span
        scale = 255 / (high - low)
        image = image.point(lambda value: value * scale - low * scale).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    page.alpha_composite(layer)
    return page.convert("RGB")


def _turn_upright(picture: Image.Image, image: Image.Image) -> None:
    """Turn a photo the way viewers show it; a damaged EXIF block leaves it as it is."""
    from PIL import Image, ImageOps

    with contextlib.suppress(Exception):
        # That of PNG would decode the picture, to look behind it.
        picture.getexif()[_ORIENTATION] = Image.Image.getexif(image)[_ORIENTATION]
        ImageOps.exif_transpose(picture, in_place=True)


def memory_to_decode(image: ImageFile.ImageFile, parts: int = 1) -> int:
    """Have an open image decoded no larger than the detectors need it, and return the bytes that this takes.

    That is its first frame, of which each of some equal parts is looked at. Only a JPEG can be decoded smaller than it
    is. Raises TooLargeForEngineError for more bytes than there are, and for too many scans.
    """
    what = _described(image)
    pixels = image.width * image.height
    picture = pixels // reduction(image, parts) ** 2 * _BYTES_OF_OTHER_MODES
    if has_png_strips(image):
        return picture + PNG_STRIPS_MEMORY
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


def memory_to_animate(image: ImageFile.ImageFile, frames: int) -> int:
    """Return the bytes that it takes to go through the frames of an open animation.

    Raises TooLargeForEngineError for more than there are, and for too many frames of that size.
    """
    _check_work(image, frames)
    return _checked(_described(image), image.width * image.height * _ANIMATED)


def _scaled_down(image: ImageFile.ImageFile, parts: int) -> int:
    """Have an open JPEG decoded smaller, where it can be, and return the bytes that it takes beside its pixels."""
    content = content_of(image)
    header = read_header(content)
    pixels = image.width * image.height
    factor = reduction(image, parts)
    if header and header.has_several_scans:
        _check_work(image, count_scans(content))
    if header and header.is_scalable and factor > 1:
        image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
    if header is None:
        return pixels * len(image.getbands()) * COEFFICIENT
    return int(pixels * header.coefficients) if header.has_several_scans else 0


def _of_tiff(image: ImageFile.ImageFile) -> int:
    """Return what a TIFF takes beside its pixels: one strip or tile, and a second picture to turn it upright."""
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    turned = image.width * image.height * _bytes(image) if tags.get(_EXIF_ORIENTATION, 1) != 1 else 0
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


def _check_work(image: ImageFile.ImageFile, frames: int) -> None:
    """Raise TooLargeForEngineError for so many frames, or scans, that they would take very long."""
    if frames * (image.width * image.height + _FRAME_WORK) > MAX_WORK:
        raise TooLargeForEngineError(f"{frames} frames or scans of {_described(image)}")


def _checked(what: str, need: int) -> int:
    if need > MEMORY:
        memory = f"{need // 1_000_000} MB of memory, and it uses {MEMORY // 1_000_000} MB at most"
        raise TooLargeForEngineError(f"{what} take {memory}")
    return need


def _described(image: ImageFile.ImageFile) -> str:
    return f"{image.width} x {image.height} pixels of {image.format}"


def has_png_strips(image: ImageFile.ImageFile) -> bool:
    """Tell whether an open image is a PNG that had better be decoded in strips, and can be."""
    return (
        image.format == "PNG"
        and image.width * image.height > _LARGE
        and len(image.tile) == 1
        and image.tile[0].args in _RAW_MODES
        and not image.info.get("interlace")
    )


def read_png_strips(image: ImageFile.ImageFile, content: bytes, multiple: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield each strip of an open PNG with its top, which is a multiple of a number of rows.

    Each row of a PNG is filtered by the row above it. So a strip is packed as a PNG's data again, behind the last row
    of the strip before it, unfiltered, and Pillow's own decoder undoes the filters.

    Raises ValueError and zlib.error for one that is damaged.
    """
    width, mode = image.width, image.mode
    length = 1 + width * len(image.getbands())
    height = max(1, _PNG_STRIP // length // multiple) * multiple
    rows = _Rows(content)
    above = b""
    for top in range(0, image.height, height):
        count = min(height, image.height - top)
        strip = _unfiltered(mode, width, above + rows.read(length * count), count + bool(above))
        above = _UNFILTERED + strip.crop((0, strip.height - 1, width, strip.height)).tobytes()
        strip = strip.crop((0, strip.height - count, width, strip.height))
        strip.info.update(image.info)
        yield top, strip


def _unfiltered(mode: str, width: int, data: bytes, rows: int) -> Image.Image:
    """Return filtered rows as an image."""
    from PIL import Image

    try:
        return Image.frombytes(mode, (width, rows), zlib.compress(data, 0), "zip", mode, 0)
    except ValueError:
        if not _leniency:
            raise
        return Image.new(mode, (width, rows))


class _Rows:
    """The filtered rows of a PNG, unpacked as far as they are asked for."""

    def __init__(self, content: bytes) -> None:
        self._chunks = _image_data(content)
        self._unpacker = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Return so many bytes; raises ValueError where there are fewer."""
        data = bytearray()
        while len(data) < size:
            packed = self._unpacker.unconsumed_tail or next(self._chunks, b"")
            try:
                more = self._unpacker.decompress(packed, size - len(data))
            except zlib.error:
                if not _leniency:
                    raise
                packed, more = b"", b""
            if not more and not packed:
                if not _leniency:
                    raise ValueError("the image is cut off")
                more = bytes(size - len(data))  # black, as Pillow's own rows are that it did not decode
            data += more
        return bytes(data)


def _image_data(content: bytes) -> Iterator[bytes]:
    """Yield what the chunks of a PNG hold of its first picture."""
    at = _SIGNATURE
    while at + _HEAD.size <= len(content):
        length, kind = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if kind == b"IDAT" and length:
            yield content[at : at + length]
        at += length + _CHECKSUM


class Header(Struct, frozen=True):
    """The kind of a JPEG's frame, the densities of its components across and down, and how many its first scan has."""

    kind: int
    densities: tuple[tuple[int, int], ...]
    in_scan: int

    @property
    def is_scalable(self) -> bool:
        """Whether libjpeg can decode it at a fraction of its size."""
        return self.kind in _SCALABLE

    @property
    def has_several_scans(self) -> bool:
        """Whether all has to be read before the first row is known."""
        return self.kind in _PROGRESSIVE or self.in_scan < len(self.densities)

    @property
    def coefficients(self) -> float:
        """The bytes a pixel that libjpeg keeps of one of several scans, at whatever size it is decoded."""
        densest = max(across for across, _ in self.densities) * max(down for _, down in self.densities)
        return COEFFICIENT * sum(across * down for across, down in self.densities) / densest


def read_header(content: bytes) -> Header | None:
    """Read a JPEG up to its first scan; None for one that holds anything else than one segment after the other."""
    kind = 0
    densities: tuple[tuple[int, int], ...] = ()
    for marker, body, _ in _segments(content):
        if marker == _SCAN:
            return Header(kind, densities, body[0]) if kind and body and _are_plausible(densities) else None
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            kind, densities = marker, tuple((byte >> 4, byte & 15) for byte in body[7::3])
    return None


def count_scans(content: bytes) -> int:
    """Return how many scans a JPEG has; a few bytes are enough for one, and each goes over all the pixels."""
    return sum(marker == _SCAN for marker, _, _ in _segments(content))


def _segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the marker, the body and the end of each segment of a JPEG, as far as it is one."""
    if not content.startswith(_START_OF_IMAGE):
        return
    at = len(_START_OF_IMAGE)
    while (head := content[at : at + 4])[:1] == b"\xff" and len(head) == 4 and head[1] != _END_OF_IMAGE:
        end = at + 2 + int.from_bytes(head[2:], "big")
        yield head[1], content[at + 4 : end], end
        at = end
        if head[1] == _SCAN:
            following = _MARKER.search(content, end)
            at = following.start() if following else len(content)


def _are_plausible(densities: tuple[tuple[int, int], ...]) -> bool:
    return bool(densities) and all(across and down for across, down in densities)
