"""The limits of the service for one image.

They are on the vendor's pages of the sync operation (2026-03-03) and of the async operation (2026-03-31), and in the
same words on those of the batch and the multimodal operation.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from moderate_cli.errors import RefusedError
from moderate_cli.preflight.formats import Format

if TYPE_CHECKING:
    from moderate_cli.preflight.headers import Header

MAX_BYTES = 20 * 1024 * 1024
MAX_SIDE = 16_384  # pixels
MAX_PIXELS = 167_000_000
MAX_HEIC_SIDE = 8_191  # pixels: "the longest edge must be less than 8,192 px"
SMALL_SIDE = 200  # pixels

SMALL = f"smaller than {SMALL_SIDE} x {SMALL_SIDE} pixels, below which the service judges worse"
CUT_OFF = "cut off: by its header the image is longer than its file"

_SCALE_DOWN = "scale the image down"


def check_bytes(size: int) -> None:
    """Raise RefusedError for a file without content, and for one of more than 20 MB; `size` is in bytes."""
    if size == 0:
        raise RefusedError("the file is empty", code="empty", api_code=407)
    if size > MAX_BYTES:
        message = f"{ceil(size / 1024 / 1024 * 10) / 10} MB is more than the 20 MB that the service accepts"
        raise RefusedError(message, code="too_large", api_code=406, hint=_SCALE_DOWN)


def check_pixels(found: Format, width: int, height: int) -> None:
    """Raise RefusedError for an image of more pixels, or longer sides, than the service accepts."""
    longest = max(width, height)
    message = None
    if longest > MAX_SIDE:
        message = f"a side of {longest:,} pixels is longer than the {MAX_SIDE:,} that the service accepts"
    elif found is Format.HEIC and longest > MAX_HEIC_SIDE:
        message = f"a side of {longest:,} pixels is longer than the {MAX_HEIC_SIDE:,} that the service accepts for HEIC"
    elif width * height > MAX_PIXELS:
        message = f"{width:,} x {height:,} pixels are more than the 167 million that the service accepts"
    if message:
        raise RefusedError(message, code="too_large", api_code=406, hint=_SCALE_DOWN)


def notes_on(header: Header, size: int) -> tuple[str, ...]:
    """Return the remarks on an image whose file has `size` bytes."""
    notes = []
    if min(header.width, header.height) < SMALL_SIDE:
        notes.append(SMALL)
    if header.end > size:
        notes.append(CUT_OFF)
    return tuple(notes)
