"""What do the images of a library look like? Each of a folder with its hashes, computed once and kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.common.installation import install_command
from moderate_cli.common.text import counted
from moderate_cli.emulator.engine import pixels
from moderate_cli.emulator.engine.bounds import ImageTooLargeError, Room, UnreadableImageError
from moderate_cli.emulator.engine.hash_cache import HashCache, HashedFile
from moderate_cli.emulator.engine.phash import BITS, grid, phash
from moderate_cli.rules.library_images import (
    MAX_BYTES,
    Content,
    Entry,
    list_folder,
    no_image_in,
    read_image,
    text_of,
)
from moderate_cli.sources.folders import Found

if TYPE_CHECKING:
    from PIL.Image import Image

SMALL_SIDE = 256  # pixels: "We recommend that the image resolution be at least 256 x 256" (the console's guide, 2026)

_NAMED = 10  # files that are named for each remark
_HASHED_AT_ONCE = 64  # files, so that an interrupted run keeps what it has hashed
_THREADS = 2
_room = Room(pixels.MEMORY)


def read_folder(folder: Path, name: str, cache: Path | None) -> Content:
    """Hash the images of a folder, unless the cache has them: the folder in which the caches of all folders are.

    All images count, those that ignore files name too: a library that Git does not keep must not be empty. As in other
    folders, links that lead out of it are not followed. `name` is for messages. Raises UsageError where a file or a
    folder cannot be read, an image is too large, there are too many, or Pillow is missing.
    """
    listed = list_folder(folder, name)
    kept = HashCache(cache, folder)
    known = kept.read()
    files: list[HashedFile] = []
    new: list[Found] = []
    for image in listed.images:
        before = known.get(text_of(image[0]))
        if before is not None and (before.size, before.mtime_ns, before.inode) == image[1:]:
            files.append(before)
        else:
            new.append(image)
    notes = [*listed.notes]
    if new or len(files) != len(known):
        try:
            files.extend(_hashed(folder, name, new))
        finally:
            notes += _keep(kept, files)
        files.sort(key=lambda file: file.name)
    if not files:
        notes.append(no_image_in(name))
    return Content(tuple(map(_entry, files)), (*notes, *_remarks(name, files)))


def _keep(cache: HashCache, files: list[HashedFile]) -> list[str]:
    """Write the cache; return a note where that fails, since the images are hashed again the next time."""
    try:
        cache.write(files)
    except OSError as error:
        return [f"the hashes of image libraries cannot be kept: {error.strerror}"]
    return []


def _hashed(folder: Path, name: str, images: Iterable[Found]) -> Iterator[HashedFile]:
    """Yield the images with their hashes."""
    remaining = iter(images)
    batch = list(islice(remaining, _HASHED_AT_ONCE))
    if not batch:
        return
    if find_spec("PIL") is None:
        raise UsageError(
            f"the image library {name} cannot be hashed: Pillow is not installed",
            code="extra_missing",
            hint=install_command("local"),
        )
    with ThreadPoolExecutor(_THREADS) as pool:
        while batch:
            yield from pool.map(lambda image: _hash(folder, name, image), batch)
            batch = list(islice(remaining, _HASHED_AT_ONCE))


def _hash(folder: Path, name: str, image: Found) -> HashedFile:
    content = read_image(folder, name, image[0])
    value: int | None = None
    try:
        value, remarks = picture_hash(content)
    except (ImageTooLargeError, UnreadableImageError) as error:
        remarks = [f"{error}: only exact copies will be found"]
    hashed = b"" if value is None else value.to_bytes(BITS // 8)
    return HashedFile(text_of(image[0]), *image[1:], hashlib.sha256(content).digest(), hashed, tuple(remarks))


def picture_hash(content: bytes) -> tuple[int | None, list[str]]:
    """Return the hash of what an image shows, and remarks for its owner; None for one that has no hash.

    Raises ImageTooLargeError or UnreadableImageError where it cannot be decoded.
    """
    remarks: list[str] = []
    with _decoded(content) as (picture, size):
        if min(size) < SMALL_SIDE:
            remarks.append("smaller than 256 x 256 pixels, below which matching is less reliable")
        value = phash(picture)
    if value is None:
        remarks.append("nearly flat or all symmetry: only exact copies will be found")
    return value, remarks


@contextmanager
def _decoded(content: bytes) -> Iterator[tuple[Image, tuple[int, int]]]:
    """Yield the picture of a file and its full size; raises ImageTooLargeError or UnreadableImageError."""
    image = pixels.open_image(content)
    size = image.size
    with pixels.decoding_errors():
        memory = pixels.memory_to_decode(image)
    with _room.hold(memory), closing(image):
        yield pixels.decode(image), size


def read_grid(path: Path) -> bytes | None:
    """Return the grid of an image file, None where there is no such picture any more."""
    try:
        return grid_of(read_bytes(path, MAX_BYTES, regular_only=True))
    except FileError:
        return None


def grid_of(content: bytes) -> bytes | None:
    """Return the grid of an image, None where it cannot be decoded."""
    try:
        with _decoded(content) as (picture, _):
            return grid(picture)
    except (ImageTooLargeError, UnreadableImageError):
        return None


def _entry(file: HashedFile) -> Entry:
    return Entry(file.name, file.sha256.hex(), int.from_bytes(file.phash) if file.phash else None)


def _remarks(name: str, files: Iterable[HashedFile]) -> Iterator[str]:
    """Yield a line for each file with a remark, up to some for each remark, and then how many more there are."""
    seen: Counter[str] = Counter()
    for file in files:
        for remark in file.remarks:
            seen[remark] += 1
            if seen[remark] <= _NAMED:
                yield f"{name}/{file.name}: {remark}"
    for remark, count in seen.items():
        if count > _NAMED:
            yield f"{name}: {counted(count - _NAMED, 'more image')}: {remark}"
