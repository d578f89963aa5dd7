"""Which pictures does a page hold? Small JPEGs of what was judged, as `data:` URLs, and what else there is to see."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.models import InlineImage, Json, LocalFile, Outcome, QueuedTask, is_about_posts
from moderate_cli.render.originals import Originals
from moderate_cli.render.wording import known_post, list_of
from moderate_cli.results import verdict_of

if TYPE_CHECKING:
    from PIL import Image

SIDE = 160
"""Pixels of the longer side, at most; of more where a page has few pictures, see `side_for`."""

_LARGER = ((200, 640), (800, 320))  # up to so many inputs, and the side of their pictures

MAX_FRAMES = 100
"""Frames of one input that are shown."""

MAX_CHARACTERS = 24_000_000
MAX_SECONDS = 60.0
"""Limits of the pictures of one page: their characters in all, and the time to make them."""

_MAX_FILE_SIZE = 64_000_000  # bytes
_MAX_PIXELS = 100_000_000  # of an image; what takes longer to decode is not worth a preview
# The service's formats that Pillow decodes by itself. Naming them keeps it from trying others, among them EPS, for
# which it starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "ICO")
_QUALITY = 70  # of the JPEGs, from 1 to 95
_ORIENTATION = 0x0112  # the tag of Exif that tells how to turn a picture; 1 is upright


class Picture(Struct, frozen=True):
    """A small picture as a `data:` address, of an image that is `width` by `height` pixels when it stands upright.

    A `turned` one was turned by its metadata: nobody says whether the service's coordinates are from before or after.
    `file` is where it was read, if it was in one.
    """

    address: str
    width: int
    height: int
    turned: bool = False
    file: Path | None = None


class Media(Struct, frozen=True):
    """What there is to see of an input: its picture, the post as it was written, its images by file, its frames."""

    picture: Picture | None = None
    post: Json | None = None
    images: Mapping[str, Picture] = {}
    frames: Mapping[int, Picture] = {}


def side_for(inputs: int) -> int:
    """Return how many pixels the longer side of a picture has on a page with so many inputs."""
    return next((side for most, side in _LARGER if inputs <= most), SIDE)


class Thumbnails:
    """Makes pictures while Pillow is there, and they are few, small and quick enough; `clock` counts seconds.

    `digests` are the SHA-256 of all that a page shows: once a file is not where its name says, `originals` are asked
    for all of them. `needs_pillow` and `stopped` tell afterwards why some pictures are missing.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        side: int = SIDE,
        originals: Originals | None = None,
        digests: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self._side = side
        self._originals = originals or Originals()
        self._digests = digests
        self._places: Mapping[str, Sequence[Path]] | None = None
        self._until = clock() + MAX_SECONDS
        self._characters = 0
        self.needs_pillow = False
        self.stopped = False

    def media(self, outcome: Outcome) -> Media:
        """Return all that there is to see of an input."""
        post = self._post(outcome)
        if post is not None:
            files = {image["file"]: image.get("sha256") for image in local_images(post)}
            pictures = {file: self.of_file(Path(file), sha256) for file, sha256 in files.items()}
            return Media(post=post, images={file: found for file, found in pictures.items() if found})
        return Media(self.of(outcome), frames=dict(self._frames(outcome)))

    def of(self, outcome: Outcome) -> Picture | None:
        """Return the picture of what was judged, or None where there is none."""
        image = outcome.item.image
        if isinstance(image, InlineImage):
            return self._picture(image.content, None)
        for path in self._paths(outcome):
            if found := self.of_file(path, outcome.sha256):
                return found
        return None

    def of_file(self, path: Path, sha256: str | None = None) -> Picture | None:
        """Return the picture of a file, or None where there is none; one that has changed since is another image."""
        if self.stopped:
            return None
        try:
            content = read_bytes(path, _MAX_FILE_SIZE, regular_only=True)
        except FileError:
            return None
        is_same = sha256 in (None, hashlib.sha256(content).hexdigest())
        return self._picture(content, path) if is_same else None

    def _post(self, outcome: Outcome) -> Json | None:
        if post := known_post(outcome):
            return post
        image = outcome.item.image
        is_post = isinstance(image, QueuedTask) and is_about_posts(outcome.call.operation)
        return self._originals.post(image.req_id) if is_post and isinstance(image, QueuedTask) else None

    def _paths(self, outcome: Outcome) -> Iterator[Path]:
        image = outcome.item.image
        if isinstance(image, LocalFile):
            yield image.path
        elif not isinstance(image, QueuedTask):
            return
        if outcome.sha256:
            if isinstance(image, QueuedTask):
                yield Path(outcome.item.source)
            if self._places is None:
                self._places = self._originals.files(self._digests)
            yield from self._places.get(outcome.sha256, ())

    def _frames(self, outcome: Outcome) -> Iterator[tuple[int, Picture]]:
        verdict = verdict_of(outcome)
        for frame in verdict.frames[:MAX_FRAMES] if verdict else ():
            if frame.saved and (found := self.of_file(Path(frame.saved.file), frame.saved.sha256)):
                yield frame.index, found

    def _picture(self, content: bytes, file: Path | None) -> Picture | None:
        if self.stopped:
            return None
        try:
            import PIL  # noqa: F401 - Pillow is an extra
        except ImportError:
            self.needs_pillow = True
            return None
        picture = _small(content, self._side, file)
        if picture is not None:
            self._characters += len(picture.address)
            self.stopped = self._clock() > self._until or self._characters >= MAX_CHARACTERS
        return picture


def local_images(post: Json) -> Iterator[Json]:
    """Yield the local files among the images of a post and of its comments."""
    parts: list[Any] = [post.get("mainData"), post]
    while parts:
        part = parts.pop()
        if isinstance(part, Mapping):
            for image in [*list_of(part.get("mainImages")), *list_of(part.get("images"))]:
                if isinstance(image, Mapping) and isinstance(image.get("file"), str):
                    yield image
            parts += list_of(part.get("commentDatas"))


def _small(content: bytes, side: int, file: Path | None) -> Picture | None:
    """Return a small upright picture of the first frame, or None for what Pillow cannot decode."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata and large pictures, on standard error
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                size = image.size
                image.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded at a fraction of its size
                if image.width * image.height > _MAX_PIXELS:
                    return None
                image.thumbnail((2 * side, 2 * side))
                turn = image.getexif().get(_ORIENTATION, 1)
                upright = ImageOps.exif_transpose(image)
                upright.thumbnail((side, side))
                jpeg = _jpeg(upright)
        except Exception:  # noqa: BLE001 - Pillow's decoders raise almost anything over damaged files
            return None
    width, height = reversed(size) if turn in range(5, 9) else size
    address = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
    return Picture(address, width, height, turned=turn in range(2, 9), file=file)


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
