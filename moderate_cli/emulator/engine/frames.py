"""The frames of an animation and the slices of a long image, cut by the rules on the vendor's page.

The page is the one of the asynchronous API (March 2026), sections "ServiceParameters" and "Long image detection logic".
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from moderate_cli.catalogue.billing import slices
from moderate_cli.emulator.engine.pixels import first_frame, opened, to_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

# A TIFF or a photo with a preview has several pictures too, but they are no animation.
_ANIMATED = ("GIF", "WEBP", "PNG")

_JPEG_QUALITY = 85


def capture(content: bytes, interval: int, most: int) -> Iterator[Image]:
    """Yield every interval-th frame or slice of an image in RGB, and none of an image that has only one.

    Raises ImageTooLargeError or UnreadableImageError, also between two frames.
    """
    with opened(content) as image:
        frame_count = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        if frame_count > 1:
            for index in chosen(frame_count, interval, most):
                image.seek(index)
                yield to_rgb(image)
            return
        count = slices(*image.size)
        if count > 1:
            page = first_frame(image)
            for index in chosen(count, interval, most):
                yield _slice(page, index, count)


def chosen(total: int, interval: int, most: int) -> range:
    """Return which frames are examined: the interval grows until `most` of them reach from end to end."""
    return range(0, total, max(interval, -(-total // most)))


def as_jpeg(image: Image) -> bytes:
    """Return an RGB image as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _slice(page: Image, index: int, count: int) -> Image:
    """Return one of the equal parts of an image, along its longer side."""
    width, height = page.size
    start, end = (max(page.size) * edge // count for edge in (index, index + 1))
    return page.crop((0, start, width, end) if height > width else (start, 0, end, height))
