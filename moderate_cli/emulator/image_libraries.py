"""Which image libraries does the emulated account have? Images by library, within the limits of the vendor."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct, field

from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.emulator.engine.bounds import ImageTooLargeError, UnreadableImageError
from moderate_cli.emulator.engine.image_library import Entry, ImageIndex
from moderate_cli.emulator.engine.library_files import grid_of, picture_hash
from moderate_cli.emulator.library_rulings import open_library
from moderate_cli.emulator.management_parameters import REFUSED, unknown
from moderate_cli.emulator.messages import BodyError
from moderate_cli.emulator.state import ObjectStore, StoreFullError
from moderate_cli.rules.library_images import Content

# The limits of an account (vendor's console guide, December 2025).
MAX_LIBRARIES = 10
MAX_IMAGES = 100_000
MAX_BYTES = 4 * 1024 * 1024  # of an image

_FIRST_ID = 158_794  # the SDKs' example


class Place(Struct, frozen=True):
    """Where a library that the account begins with has its images, and what is said of it."""

    path: Path
    comment: str


class HeldImage(Struct, frozen=True):
    """An image of a library; `added_at` is in Unix seconds."""

    entry: Entry
    added_at: float


class HeldLibrary(Struct):
    """A library and its images, the oldest first.

    One that the account begins with has the images of a `path`, which are in `images` once something asks for them.
    `is_exempt` is for all services that say nothing themselves.
    """

    id: str
    name: str
    comment: str
    created_at: float
    modified_at: float
    path: Path | None = None
    images: dict[str, HeldImage] | None = None
    is_exempt: bool = False
    index: ImageIndex | None = field(default=None)


class ImageLibraries:
    """The image libraries of an account; not for many threads at once.

    It begins with those of some places, by name. The images that are added are held on disk, up to a size.
    """

    def __init__(self, places: Mapping[str, Place], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_id = _FIRST_ID
        self._contents = ObjectStore(clock, keeps=True)
        now = clock()
        self.all: dict[str, HeldLibrary] = {
            name: HeldLibrary(name, name, place.comment, now, now, place.path) for name, place in places.items()
        }

    @property
    def count(self) -> int:
        """How many images there are in all libraries."""
        return sum(map(self.count_of, self.all.values()))

    @staticmethod
    def count_of(library: HeldLibrary) -> int:
        """Return how many images a library has."""
        if library.images is None and library.path is not None:
            return len(open_library(library.path).entries)
        return len(library.images or ())

    def get(self, library: str) -> HeldLibrary:
        """Return a library; raises BodyError for one that is not there."""
        if library not in self.all:
            raise unknown("image library", library, self.all)
        return self.all[library]

    def check_all(self, libraries: Iterable[str]) -> None:
        """Raise BodyError where one of some libraries is not there."""
        for library in libraries:
            self.get(library)

    def images(self, library: str) -> dict[str, HeldImage]:
        """Return the images of a library by id, which may be changed; raises BodyError."""
        found = self.get(library)
        if found.images is None:
            entries = open_library(found.path).entries if found.path else ()
            found.images = {entry.id: HeldImage(entry, found.created_at) for entry in entries}
        return found.images

    def create(self, name: str, comment: str) -> str:
        """Make a library and return its id; raises BodyError where the account may have no more.

        Two may have one name: whether the service refuses that is not documented, and who relies on it finds out here.
        """
        if len(self.all) >= MAX_LIBRARIES:
            raise BodyError(REFUSED, f"an account has {MAX_LIBRARIES} image libraries at most")
        now = self._clock()
        library = HeldLibrary(f"img_{secrets.token_hex(6)}", name, comment, now, now, images={})
        self.all[library.id] = library
        return library.id

    def add(self, library: str, content: bytes, phash: int | None) -> str:
        """Keep an image and return its id; raises BodyError where there is no room for it."""
        images = self.images(library)
        if self.count >= MAX_IMAGES:
            raise BodyError(REFUSED, f"an account has {MAX_IMAGES} images in its libraries at most")
        image = str(self._next_id)
        try:
            self._contents.put(library, image, content)
        except StoreFullError:
            raise BodyError(REFUSED, "the emulator has no more room on disk for images of libraries") from None
        self._next_id += 1
        images[image] = HeldImage(Entry(image, hashlib.sha256(content).hexdigest(), phash), self._clock())
        self._touch(library)
        return image

    def remove(self, library: str, images: Iterable[str]) -> None:
        """Remove images; raises BodyError, and removes nothing then."""
        held = self.images(library)
        for image in (wanted := list(images)):
            if image not in held:
                raise unknown("image", image)
        for image in wanted:
            held.pop(image, None)
            self._contents.delete(library, image)
        self._touch(library)

    def _touch(self, library: str) -> None:
        found = self.get(library)
        found.index, found.modified_at = None, self._clock()

    def content(self, library: str, image: str) -> bytes | None:
        """Return the bytes of an image, None where only its hashes are known, or it is not there."""
        found = self.all.get(library)
        if found is None or image not in self.images(library):
            return None
        held = self._contents.get(library, image)
        if held is not None or found.path is None or not found.path.is_dir():
            return held
        try:
            return read_bytes(found.path / image, MAX_BYTES, regular_only=True)
        except FileError:
            return None

    def changed(self) -> dict[str, ImageIndex]:
        """Return the images that are searched, of the libraries whose images are not those of a path any more."""
        for library in self.all.values():
            if library.images is not None and library.index is None:
                entries = tuple(image.entry for image in library.images.values())
                library.index = ImageIndex(Content(entries), self._grids_of(library.id))
        return {library.id: library.index for library in self.all.values() if library.index is not None}

    def _grids_of(self, library: str) -> Callable[[str], bytes | None] | None:
        found = self.all[library]
        if found.path is not None and not found.path.is_dir():
            return None  # as hashes alone are known of the lines of a file

        def grid_of_image(image: str) -> bytes | None:
            content = self.content(library, image)
            return None if content is None else grid_of(content)

        return grid_of_image

    def close(self) -> None:
        """Delete what is on disk."""
        self._contents.close()


def hash_of(content: bytes) -> int | None:
    """Return the hash of an image that is to be added, None where it has none; raises BodyError for what is no image.

    Without Pillow images are known by their bytes alone.
    """
    if len(content) > MAX_BYTES:
        raise BodyError(REFUSED, f"the image is larger than {MAX_BYTES // 1024 // 1024} MB")
    if find_spec("PIL") is None:
        return None
    try:
        return picture_hash(content)[0]
    except ImageTooLargeError as error:
        raise BodyError(REFUSED, f"image is too large: {error}") from error
    except UnreadableImageError as error:
        raise BodyError(REFUSED, str(error)) from error
