"""From the bytes of an image to its pixels, within the limits, and reduced to what the detectors need."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING

from moderate_cli.emulator.engine import png_strips
from moderate_cli.emulator.engine.limits import (
    MAX_PIXELS,
    MAX_SIDE,
    ImageTooLargeError,
    TooLargeForEngineError,
    UnreadableImageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image, ImageFile

SIDE = 2_000
"""Pixels that the longer side of a picture keeps, at least, where it is reduced.

Measured in November 2026 on photos of 4,000 x 3,000 with QR codes, turned and slightly blurred: reduced to this, all
codes of 33 to 61 modules that took a thirteenth of the width or more were found, as in full; at 1,000 pixels, those of
61 modules at a tenth were not. The model for adult content reduces every picture to 256 x 256.
"""

# The vendor's formats, without SVG and HEIF, which Pillow cannot decode. Naming them keeps Pillow from trying the
# others it knows, among them EPS, for which it starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "ICO")

JPEG = ("JPEG", "MPO")
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_BLOCK = 64 * 1024 * 1024
"""Bytes that Pillow asks for at one time: what is larger than 32 MB, the C library of Linux gives back at once, while
400 MB of smaller blocks stayed in the heaps of several threads (measured in November 2026)."""

_STRIP = 1_000_000  # pixels that are converted at one time
_LARGEST_ICON = 1_000_000  # pixels of an icon that is no PNG; the format has 256 x 256
_ICON = b"\0\0\1\0"
_PNG = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112  # the tag of EXIF


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Turn what fails while an image is read into ImageTooLargeError or UnreadableImageError."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (ImageTooLargeError, UnreadableImageError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"more than {MAX_PIXELS} pixels") from error
    except MemoryError as error:
        raise TooLargeForEngineError("this machine has no memory left for it") from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError("the local engine does not know this format") from error
    except Exception as error:
        # Damaged files make Pillow raise almost anything.
        raise UnreadableImageError(f"the image cannot be decoded ({type(error).__name__})") from error


def opened(content: bytes) -> ImageFile.ImageFile:
    """Open an image whose size is allowed, without decoding its pixels.

    Raises ImageTooLargeError or UnreadableImageError.
    """
    from PIL import Image

    # Pillow refuses more than twice this number while opening. What it warns about (half the limit, damaged metadata)
    # would go to standard error.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
    Image.core.set_block_size(_BLOCK)  # type: ignore[attr-defined]
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with telling():
        image = Image.open(io.BytesIO(_without_icon(content)), formats=_FORMATS)
        if max(image.size) > MAX_SIDE:
            width, height = image.size
            raise ImageTooLargeError(f"{width} x {height} pixels, a side may have {MAX_SIDE}")
        return image


def content_of(image: ImageFile.ImageFile) -> bytes:
    """Return the file of an open image."""
    if image.fp is None:
        return b""
    image.fp.seek(0)
    return image.fp.read()


def reduction(image: ImageFile.ImageFile, parts: int = 1) -> int:
    """Return by how much an image may be reduced, if its longer side is cut into so many equal parts."""
    short, long = sorted(image.size)
    return max(1, max(short, -(-long // parts)) // SIDE)


def decoded(image: ImageFile.ImageFile, parts: int = 1) -> Image.Image:
    """Return what an open image shows now: in RGB, upright, transparent parts on white, and reduced.

    It may be that image itself. Raises ImageTooLargeError or UnreadableImageError.
    """
    with telling():
        picture: Image.Image = image
        if is_ready(image, parts):
            image.load()
        else:
            picture = _converted(image, reduction(image, parts))
        _turn_upright(picture, image)
        return picture


def is_ready(image: ImageFile.ImageFile, parts: int) -> bool:
    """Tell whether an open image is a JPEG that needs neither a conversion nor a reduction once it is decoded."""
    return image.format in JPEG and image.mode == "RGB" and reduction(image, parts) == 1


def _converted(image: ImageFile.ImageFile, factor: int) -> Image.Image:
    """Return what an open image shows in RGB, reduced.

    It is converted strip by strip, so that no second picture of the full size is ever in memory.
    """
    from PIL import Image

    if png_strips.fits(image):
        strips = png_strips.strips(image, content_of(image), factor)
    else:
        image.load()
        strips = _strips(image, factor)
    picture = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, strip in strips:
        picture.paste(to_rgb(strip).reduce(factor), (0, top // factor))
    return picture


def _strips(image: Image.Image, multiple: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield each strip of an image with its top, which is a multiple of a number of rows."""
    height = max(1, _STRIP // image.width // multiple) * multiple
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(top + height, image.height)))


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB, as a viewer would show it on a white page."""
    from PIL import Image

    if image.mode in _SIXTEEN_BIT:
        # Pillow would cut off at 255 and turn nearly every picture white.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
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
