"""Which picture shows a result? The file that was judged, as long as it has the content that was judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.models import LocalFile, Outcome, QueuedTask
from moderate_cli.preflight.formats import HEAD_SIZE, Format, sniff

_MAX_BYTES = 64_000_000
# What browsers show; an SVG in an image element runs no script and loads nothing.
_KINDS = {
    Format.PNG: "image/png",
    Format.JPEG: "image/jpeg",
    Format.GIF: "image/gif",
    Format.BMP: "image/bmp",
    Format.WEBP: "image/webp",
    Format.ICO: "image/x-icon",
    Format.SVG: "image/svg+xml",
}

Places = Callable[[str], Iterable[tuple[str, str]]]
"""Returns the folders and names of the files that were seen with a SHA-256."""


class Picture(Struct, frozen=True):
    """An image file with its media type."""

    kind: str
    content: bytes


def picture_of(outcome: Outcome, places: Places) -> Picture | None:
    """Return the picture of a result, or None.

    A name in a record may be anybody's: what is not the very image that was judged, by its SHA-256, is not shown.
    """
    for path in files_of(outcome, places):
        try:
            content = read_bytes(path, _MAX_BYTES, regular_only=True)
        except FileError:
            continue
        if hashlib.sha256(content).hexdigest() == outcome.sha256:
            found = sniff(content[:HEAD_SIZE])
            kind = _KINDS.get(found) if found else None
            return Picture(kind, content) if kind else None
    return None


def files_of(outcome: Outcome, places: Places) -> Iterable[Path]:
    """Yield where the image of a result may be: under its name, seen from here, or where a run saw its content."""
    image = outcome.item.image
    if outcome.sha256 is None:
        return
    if isinstance(image, LocalFile):
        yield image.path
    elif isinstance(image, QueuedTask):
        yield Path(outcome.item.source)
    yield from (Path(folder, name) for folder, name in places(outcome.sha256))
