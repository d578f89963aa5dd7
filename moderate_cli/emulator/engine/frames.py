"""The frames of an animation and the slices of a long image, cut by the rules on the vendor's page.

The page is the one of the asynchronous API (March 2026), sections "ServiceParameters" and "Long image detection logic".
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moderate_cli.catalogue.billing import slices
from moderate_cli.emulator.engine import needs
from moderate_cli.emulator.engine.limits import TooLargeForEngineError
from moderate_cli.emulator.engine.pixels import decoded, opened, telling

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# A TIFF or a photo with a preview has several pictures too, but they are no animation.
_ANIMATED = ("GIF", "WEBP", "PNG")

_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Captured:
    """Frames or slices of an open image, decoded when they are asked for, and the bytes that this takes."""

    image: ImageFile
    memory: int
    pictures: Iterator[Image]


def capture(content: bytes, interval: int, most: int) -> Captured | None:
    """Return every interval-th frame or slice of an image, reduced and in RGB; None for one that has only one.

    Raises ImageTooLargeError or UnreadableImageError, as do the pictures.
    """
    image = opened(content)
    with telling():
        count = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        if count > 1:
            return Captured(image, needs.to_animate(image, count), _frames(image, chosen(count, interval, most)))
        count = slices(*image.size)
        if count > 1:
            return Captured(image, needs.to_decode(image, count), _slices(image, count, chosen(count, interval, most)))
    return None


def chosen(total: int, interval: int, most: int) -> range:
    """Return which frames are examined: the interval grows until `most` of them reach from end to end."""
    return range(0, total, max(interval, -(-total // most)))


def as_jpeg(image: Image) -> bytes:
    """Return an RGB image as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _frames(image: ImageFile, indices: range) -> Iterator[Image]:
    """Yield frames of an animation, one at a time."""
    size = image.size
    for index in indices:
        with telling():
            for step in range(image.tell() + 1, index + 1):
                image.seek(step)
                if image.size != size:
                    # Pillow lets a frame of a GIF that reaches beyond the canvas enlarge it, to whatever size.
                    raise TooLargeForEngineError(f"frame {step} reaches beyond the others")
        yield decoded(image)


def _slices(image: ImageFile, count: int, indices: range) -> Iterator[Image]:
    """Yield some of the equal parts of an image, along its longer side."""
    page = decoded(image, count)
    width, height = page.size
    for index in indices:
        start, end = (max(page.size) * edge // count for edge in (index, index + 1))
        yield page.crop((0, start, width, end) if height > width else (start, 0, end, height))
