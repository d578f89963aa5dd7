"""From the bytes of an image to its pixels, within the documented limits."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image, ImageFile

# The vendor's limits for the synchronous API (its page of March 2026).
MAX_SIDE = 16_384
MAX_PIXELS = 167_000_000

# The vendor's formats, without SVG and HEIF, which Pillow cannot decode. Naming them keeps Pillow from trying the
# others it knows, among them EPS, for which it starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "ICO")

_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class ImageTooLargeError(Exception):
    """An image has more pixels than the service accepts."""


class UnreadableImageError(Exception):
    """An image has a format that the local engine cannot decode, or is damaged."""


def decode(content: bytes) -> Image.Image:
    """Return the first frame of an image in RGB, upright, with its transparent parts on white."""
    with opened(content) as image:
        return first_frame(image)


def first_frame(image: ImageFile.ImageFile) -> Image.Image:
    """Return the first frame of an open image, as `decode` does."""
    image.load()
    _turn_upright(image)
    return to_rgb(image)


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[ImageFile.ImageFile]:
    """Open an image whose size is allowed; what fails while it is read is told in one of the two errors above."""
    from PIL import Image, UnidentifiedImageError

    # Pillow refuses more than twice this number while opening, also in a picture inside an ICO, which it decodes at
    # once. What it warns about (half the limit, damaged metadata) would go to standard error.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            _check_sides(*image.size)
            yield image
    except ImageTooLargeError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"more than {MAX_PIXELS} pixels") from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError("the local engine does not know this format") from error
    except Exception as error:
        # Damaged files make Pillow raise almost anything.
        raise UnreadableImageError(f"the image cannot be decoded ({type(error).__name__})") from error


def _check_sides(width: int, height: int) -> None:
    """Refuse an image by the size that its header states, before a pixel is decoded."""
    if max(width, height) > MAX_SIDE:
        raise ImageTooLargeError(f"{width} x {height} pixels, a side may have {MAX_SIDE}")


def _turn_upright(image: Image.Image) -> None:
    """Turn a photo the way viewers show it; a damaged EXIF block leaves it as it is."""
    from PIL import ImageOps

    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


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
