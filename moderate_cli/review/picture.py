"""Which pictures show a result? The files that were judged, as long as they have the content that was judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from msgspec import Struct

from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.models import LocalFile, Outcome, QueuedTask
from moderate_cli.preflight.formats import HEAD_SIZE, Format, sniff
from moderate_cli.preflight.parts import gif_starts
from moderate_cli.results import verdict_of

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
    paths = files_of(outcome, places)
    return next(filter(None, (_picture_in(path, outcome.sha256) for path in paths)), None)


def part_picture_of(outcome: Outcome, task: QueuedTask | None, number: int) -> Picture | None:
    """Return an image of the post of a task, or a saved frame of its result, by its number.

    None stands for what is not there, or is not the same.
    """
    if task is not None and task.post is not None:
        from moderate_cli.render.post import post_parts  # loads Rich

        images = chain.from_iterable(part.images for part in post_parts(task.post))
        image = next(islice(images, number, None), {})
        return _picture_in(Path(str(image.get("file") or "")), image.get("sha256"))
    verdict = verdict_of(outcome)
    frame = next(islice(verdict.frames, number, None), None) if verdict else None
    return _picture_in(Path(frame.saved.file), frame.saved.sha256) if frame and frame.saved else None


def frame_starts(outcome: Outcome, task: QueuedTask | None, places: Places) -> Sequence[float]:
    """Return the seconds after which each judged frame of an animated GIF is shown, where that is known.

    It is not where the file is gone, or where the service had to look at fewer frames than it was told to: which ones
    the vendor's page does not say.
    """
    extent = next((each for each in task.extents if each.kind == "frames"), None) if task else None
    verdict = verdict_of(outcome)
    if extent is None or not extent.interval or not extent.total or not verdict or not verdict.frames:
        return ()
    judged = range(0, extent.total, extent.interval)
    if len(judged) != len(verdict.frames) or outcome.sha256 is None:
        return ()
    starts = next(filter(None, (_starts_in(path, outcome.sha256) for path in files_of(outcome, places))), ())
    return [starts[index] for index in judged] if len(starts) == extent.total else ()


@lru_cache(maxsize=16)
def _starts_in(path: Path, sha256: str) -> Sequence[float]:
    """Return when the frames of a GIF are shown, once for each file: it is asked for with everything a person does."""
    picture = _picture_in(path, sha256)
    return gif_starts(picture.content) if picture and picture.kind == _KINDS[Format.GIF] else ()


def _picture_in(path: Path, sha256: object) -> Picture | None:
    """Return the picture in a file that has a SHA-256 and a format that is shown, or None."""
    try:
        content = read_bytes(path, _MAX_BYTES, regular_only=True)
    except FileError:
        return None
    if hashlib.sha256(content).hexdigest() != sha256:
        return None
    found = sniff(content[:HEAD_SIZE])
    kind = _KINDS.get(found) if found else None
    return Picture(kind, content) if kind else None


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
