"""Is an image in a library? By its exact bytes, or by the hash of what it shows."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from moderate_cli.common.files import FileError
from moderate_cli.emulator.engine.library_files import read_folder, read_grid
from moderate_cli.emulator.engine.phash import BITS, grid, has_same_grid
from moderate_cli.rules.library_images import Content, Entry, read_bytes_of, read_lines

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EXEMPT_DISTANCE", "FLAG_DISTANCE", "Entry", "Hit", "ImageIndex", "ImageLibrary"]

FLAG_DISTANCE = 64
"""Bits by which an image may differ from one that is to be found.

Measured in November 2026 on 26 photos: up to 54 for JPEG of quality 10 and for a crop of 2 % a side; different photos
differ by 100 or more, and the two halves of a stereo pair by 86.
"""

EXEMPT_DISTANCE = 6
"""Bits by which an image may differ from one that is exempt.

Measured in November 2026 on 24 photos: with a QR code of a sixth of the shorter side pasted on 12 or more, with one of
a tenth 4 or more, and with a thin line of text 4 or more.
"""


_GRIDS = 1_000  # of exempt images that are kept, 1 KB each


class Hit(Struct, frozen=True):
    """The entry of a library that an image is, or is nearest to, and in how many bits their hashes differ."""

    entry: Entry
    distance: int

    @property
    def confidence(self) -> float:
        """How alike the two are, up to 100 for the same bytes or the same hash."""
        return round(100 * (1 - self.distance / BITS), 2)


class ImageLibrary:
    """The images of a folder, or of a file with a JSON object a line, read when they are first needed.

    `name` is what messages call it, the path as the user wrote it; `cache` is the folder in which the hashes of images
    are kept, or None. One that is `exact` knows images by their bytes alone, for which Pillow is not needed. Everything
    here raises UsageError, until it was read once. Threads may share it.
    """

    def __init__(self, path: Path, *, name: str | None = None, cache: Path | None = None, exact: bool = False) -> None:
        self._path = path.absolute()
        self._name = name or str(path)
        self._cache = cache
        self._exact = exact
        self._loading = threading.Lock()
        self._index: ImageIndex | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The images, those of a folder in the order of their names."""
        return self._loaded().entries

    @property
    def notes(self) -> tuple[str, ...]:
        """What the owner of the library should know: images that are broken, flat or small, and what was skipped."""
        return self._loaded().notes

    @property
    def digest(self) -> str:
        """A hash that changes with the images: what was found with other ones is not to be reused."""
        return self._loaded().digest

    def find(self, sha256: str, phash: int | None, threshold: int) -> Hit | None:
        """Return the image with these bytes, else the one with the nearest hash, if it is within the threshold.

        `sha256` is in lower-case hexadecimal; `phash` is None for a picture that has none.
        """
        return self._loaded().find(sha256, phash, threshold)

    def find_exempt(self, sha256: str, picture: Image, phash: int | None) -> Hit | None:
        """Return the image that exempts a picture, with these bytes and this hash, as that of an index does."""
        return self._loaded().find_exempt(sha256, picture, phash)

    def _read_grid(self, entry_id: str) -> bytes | None:
        return read_grid(self._path / entry_id)

    def _loaded(self) -> ImageIndex:
        if self._index is None:
            with self._loading:
                if self._index is None:
                    grid_of = self._read_grid if self._path.is_dir() else None
                    self._index = ImageIndex(self._read(), grid_of)
        return self._index

    def _read(self) -> Content:
        if self._path.is_dir():
            name = self._name.rstrip("/") or "/"
            return read_bytes_of(self._path, name) if self._exact else read_folder(self._path, name, self._cache)
        if not self._path.exists():
            hint = "give a folder of images, or a file with a JSON object a line"
            raise FileError.missing(self._name, what="image library", hint=hint)
        return read_lines(self._path, self._name)


class ImageIndex:
    """The images of a library in the form in which they are searched; threads may share it.

    `grid_of` returns the grid of an image by its id, or None where there is no such picture any more; where only hashes
    are known there is nothing to call.
    """

    def __init__(self, content: Content, grid_of: Callable[[str], bytes | None] | None) -> None:
        self.entries = content.entries
        self.notes = content.notes
        self._grid = None if grid_of is None else lru_cache(_GRIDS)(grid_of)
        self._exact: dict[str, Entry] = {}
        self._hashed = [entry for entry in content.entries if entry.phash is not None]
        self._hashes = [entry.phash for entry in self._hashed if entry.phash is not None]
        for entry in content.entries:
            if entry.sha256 is not None:
                self._exact.setdefault(entry.sha256, entry)

    @cached_property
    def digest(self) -> str:
        """A hash that changes with the images."""
        return hashlib.sha256(msgspec.json.encode(self.entries)).hexdigest()

    def find(self, sha256: str, phash: int | None, threshold: int) -> Hit | None:
        """Return the image with these bytes, else the one with the nearest hash, if it is within the threshold."""
        exact = self._exact.get(sha256)
        if exact is not None:
            return Hit(exact, 0)
        if phash is None or not self._hashes:
            return None
        # Without a loop in Python: 100,000 hashes take 8 ms.
        distances = list(map(int.bit_count, map(phash.__xor__, self._hashes)))
        nearest = min(distances)
        return Hit(self._hashed[distances.index(nearest)], nearest) if nearest <= threshold else None

    def find_exempt(self, sha256: str, picture: Image, phash: int | None) -> Hit | None:
        """Return the image that exempts a picture, with these bytes and this hash: it must be the same all over.

        The hash alone overlooks a short line of text or a small QR code. So pictures are compared once more; where only
        hashes are known, the hash decides.
        """
        hit = self.find(sha256, phash, EXEMPT_DISTANCE)
        if hit is None or hit.entry.sha256 == sha256 or self._grid is None:
            return hit
        known = self._grid(hit.entry.id)
        return hit if known is not None and has_same_grid(known, grid(picture)) else None
