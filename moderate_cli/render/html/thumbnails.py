"""Which previews does a page have? Small JPEGs of the files that were judged, as `data:` URLs."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.models import InlineImage, LocalFile, Outcome, QueuedTask

if TYPE_CHECKING:
    from PIL import Image

SIDE = 160
"""Pixels of the longer side, at most."""

MAX_THUMBNAILS = 1_000
MAX_CHARACTERS = 16_000_000
MAX_SECONDS = 60.0
"""Limits of the previews of one page: their number, their characters in all, and the time to make them."""

_MAX_FILE_SIZE = 64_000_000  # bytes
_MAX_PIXELS = 100_000_000  # of an image; what takes longer to decode is not worth a preview
# The service's formats that Pillow decodes by itself. Naming them keeps it from trying others, among them EPS, for
# which it starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "ICO")
_QUALITY = 70  # of the JPEGs, from 1 to 95


class Thumbnails:
    """Makes pictures while Pillow is there, and they are few, small and quick enough; `clock` counts seconds.

    `needs_pillow` and `stopped` tell afterwards why some are missing.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = clock() + MAX_SECONDS
        self._made = 0
        self._characters = 0
        self.needs_pillow = False
        self.stopped = False

    def of(self, outcome: Outcome) -> str | None:
        """Return a picture as a `data:` address, or None where there is none."""
        content = None if self.stopped else _content(outcome)
        picture = self._picture(content) if content else None
        if picture is None:
            return None
        address = f"data:image/jpeg;base64,{base64.b64encode(picture).decode('ascii')}"
        self._made += 1
        self._characters += len(address)
        is_late = self._clock() > self._until
        self.stopped = is_late or self._made >= MAX_THUMBNAILS or self._characters >= MAX_CHARACTERS
        return address

    def _picture(self, content: bytes) -> bytes | None:
        try:
            import PIL  # noqa: F401 - Pillow is an extra
        except ImportError:
            self.needs_pillow = True
            return None
        return _small(content)


def _content(outcome: Outcome) -> bytes | None:
    """Return what is in the file that was judged; a file that has changed since is not it."""
    image = outcome.item.image
    if isinstance(image, InlineImage):
        return image.content
    if isinstance(image, LocalFile):
        path = image.path
    elif isinstance(image, QueuedTask) and outcome.sha256:
        path = Path(outcome.item.source)
    else:
        return None
    try:
        content = read_bytes(path, _MAX_FILE_SIZE, regular_only=True)
    except FileError:
        return None
    is_same = outcome.sha256 in (None, hashlib.sha256(content).hexdigest())
    return content if is_same else None


def _small(content: bytes) -> bytes | None:
    """Return a small upright JPEG of the first frame, or None for what Pillow cannot decode."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata and large pictures, on standard error
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded at a fraction of its size
                if image.width * image.height > _MAX_PIXELS:
                    return None
                image.thumbnail((2 * SIDE, 2 * SIDE))
                upright = ImageOps.exif_transpose(image)
                upright.thumbnail((SIDE, SIDE))
                return _jpeg(upright)
        except Exception:  # noqa: BLE001 - Pillow's decoders raise almost anything over damaged files
            return None


def _jpeg(image: Image.Image) -> bytes:
    """Return an image as a JPEG, its transparent parts on white."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    coloured = image.convert("RGBA")
    flat = Image.new("RGB", coloured.size, "white")
    flat.paste(coloured, mask=coloured.getchannel("A"))
    target = io.BytesIO()
    flat.save(target, "JPEG", quality=_QUALITY, optimize=True)
    return target.getvalue()
