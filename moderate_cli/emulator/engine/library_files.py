"""What is in an image library? The images of a folder with their hashes, or the lines of a file."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.common.installation import install_command
from moderate_cli.common.text import safe_text, shortened
from moderate_cli.emulator.engine import pixels
from moderate_cli.emulator.engine.bounds import ImageTooLargeError, Room, UnreadableImageError
from moderate_cli.emulator.engine.hash_cache import HashCache, HashedFile
from moderate_cli.emulator.engine.phash import BITS, grid, phash
from moderate_cli.sources import Selection
from moderate_cli.sources.folders import Found, has_image_content, has_image_name, walk

if TYPE_CHECKING:
    from PIL.Image import Image

# The vendor's console: "Each image must be 4 MB or smaller. We recommend that the image resolution be at least 256 x
# 256 pixels" (its guide, 2026), and 100,000 images a library.
MAX_IMAGES = 100_000
MAX_BYTES = 4 * 1024 * 1024  # of an image
SMALL_SIDE = 256  # pixels

_NAMED = 10  # files that are named for each remark
_MAX_LINE = 64 * 1024  # bytes of a line of JSON
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_HASHED_AT_ONCE = 64  # files, so that an interrupted run keeps what it has hashed
_THREADS = 2
_EVERYTHING = Selection(ignore_files=False)
_room = Room(pixels.MEMORY)


class Entry(Struct, frozen=True, gc=False):
    """An image of a library: `sha256` in lower-case hexadecimal, and `phash` as a number, None where there is none.

    In a folder the id is the path relative to it, with slashes.
    """

    id: str
    sha256: str | None
    phash: int | None
    url: str | None = None


class Content(Struct, frozen=True):
    """The images of a library, and what its owner should know about some of them, in one line each."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def read_folder(folder: Path, name: str, cache: Path | None) -> Content:
    """Hash the images of a folder, unless the cache has them: the folder in which the caches of all folders are.

    All images count, those that ignore files name too: a library that Git does not keep must not be empty. As in other
    folders, links that lead out of it are not followed. `name` is for messages. Raises UsageError where a file or a
    folder cannot be read, an image is too large, there are too many, or Pillow is missing.
    """
    scanned = _Scanned()
    found = _images(folder, name, scanned)
    kept = HashCache(cache, folder)
    known = kept.read()
    files: list[HashedFile] = []
    new: list[Found] = []
    for image in found:
        before = known.get(_text(image[0]))
        if before is not None and (before.size, before.mtime_ns, before.inode) == image[1:]:
            files.append(before)
        else:
            new.append(image)
    notes = scanned.notes(name)
    if new or len(files) != len(known):
        try:
            files.extend(_hashed(folder, name, new))
        finally:
            notes += _keep(kept, files)
        files.sort(key=lambda file: file.name)
    if not files:
        notes.append(f"{name}: no image in this library")
    return Content(tuple(map(_entry, files)), (*notes, *_remarks(name, files)))


def read_bytes_of(folder: Path, name: str) -> Content:
    """Hash the bytes of the images of a folder, and decode none; raises UsageError as `read_folder` does."""
    scanned = _Scanned()
    found = _images(folder, name, scanned)
    entries = tuple(
        Entry(_text(image[0]), hashlib.sha256(_content(folder, name, image)).hexdigest(), None) for image in found
    )
    return Content(entries, (*scanned.notes(name), *(() if entries else (f"{name}: no image in this library",))))


def _keep(cache: HashCache, files: list[HashedFile]) -> list[str]:
    """Write the cache; return a note where that fails, since the images are hashed again the next time."""
    try:
        cache.write(files)
    except OSError as error:
        return [f"the hashes of image libraries cannot be kept: {error.strerror}"]
    return []


class _Scanned(Struct):
    """What a walk left out."""

    non_images: int = 0
    links: int = 0

    def notes(self, name: str) -> list[str]:
        notes = []
        if self.non_images:
            notes.append(f"{name}: {_count(self.non_images, 'non-image file')} skipped")
        if self.links:
            notes.append(f"{name}: {_count(self.links, 'link')} out of the folder not followed")
        return notes


def _images(folder: Path, name: str, scanned: _Scanned) -> list[Found]:
    """Return the images below a folder, with their paths relative to it and their stat, in the order of their names."""
    prefix = os.path.join(folder, "")  # noqa: PTH118 - with the separator at its end
    found: list[Found] = []
    for chunk in walk(str(folder), _EVERYTHING.rules()):
        below = chunk.prefix.removeprefix(prefix).replace(os.sep, "/")
        if chunk.error is not None:
            raise FileError(
                f"cannot list the image library {name}/{below}".rstrip("/") + f": {chunk.error.strerror}",
                str(chunk.error.strerror),
                code="unreadable",
            )
        scanned.links += chunk.links
        for file in chunk.files:
            if not has_image_name(file[0]) and not has_image_content(chunk.prefix + file[0]):
                scanned.non_images += 1
                continue
            if file[1] > MAX_BYTES:
                raise _too_large(f"{name}/{below}{file[0]}")
            found.append((below + file[0], *file[1:]))
        for odd in chunk.odd:
            if has_image_name(odd):
                raise UsageError(f"cannot read {name}/{below}{odd}: not a regular file", code="not_a_file")
        if len(found) > MAX_IMAGES:
            raise _too_many(name)
    found.sort()
    return found


def _text(name: str) -> str:
    """Return a name as text that can be written in UTF-8, whatever bytes it has."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


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
    content = _content(folder, name, image)
    value: int | None = None
    try:
        value, remarks = picture_hash(content)
    except (ImageTooLargeError, UnreadableImageError) as error:
        remarks = [f"{error}: only exact copies will be found"]
    hashed = b"" if value is None else value.to_bytes(BITS // 8)
    return HashedFile(_text(image[0]), *image[1:], hashlib.sha256(content).digest(), hashed, tuple(remarks))


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


def _content(folder: Path, name: str, image: Found) -> bytes:
    return read_bytes(folder / image[0], MAX_BYTES, name=f"{name}/{image[0]}", regular_only=True)


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
            yield f"{name}: {_count(count - _NAMED, 'more image')}: {remark}"


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a library as it is written."""

    id: str
    sha256: str | None = None
    phash: str | None = None
    url: str | None = None


_decoder = msgspec.json.Decoder(_Line)


def read_lines(path: Path, name: str) -> Content:
    """Read the images of a library from a file with a JSON object a line: id, sha256 or phash or both, and url.

    `name` is for messages. Raises UsageError, with the line where there is one.
    """
    lines: dict[str, int] = {}
    entries: list[Entry] = []
    try:
        with path.open("rb") as file:
            for number, line in _lines(file):
                entry = _parsed(line, f"{name}:{number}")
                if entry.id in lines:
                    raise UsageError(f"{name}:{number}: the id {shortened(entry.id)} is that of line {lines[entry.id]}")
                lines[entry.id] = number
                entries.append(entry)
                if len(entries) > MAX_IMAGES:
                    raise _too_many(f"{name}:{number}")
    except OSError as error:
        raise FileError(
            f"cannot read the image library {name}: {error.strerror}", str(error.strerror), code="unreadable"
        ) from error
    return Content(tuple(entries), () if entries else (f"{name}: no image in this library",))


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not blank, with its number; of one that is too long only enough to tell."""
    number = 0
    while line := file.readline(_MAX_LINE + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.isspace():
            yield number, line


def _parsed(line: bytes, place: str) -> Entry:
    """Return the image of a line; raises UsageError."""
    if len(line) > _MAX_LINE:
        raise UsageError(f"{place}: longer than {_MAX_LINE // 1024} KB")
    try:
        found = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{place}: {safe_text(str(error))}", hint=_FORM) from error
    if not found.id.strip():
        raise UsageError(f"{place}: the id is empty", hint=_FORM)
    if found.sha256 is None and found.phash is None:
        raise UsageError(f"{place}: neither sha256 nor phash", hint=_FORM)
    for key, value in (("sha256", found.sha256), ("phash", found.phash)):
        if value is not None and not _HEX.fullmatch(value):
            raise UsageError(f"{place}: {key} must be 64 hexadecimal digits, not {shortened(value)!r}")
    sha256 = found.sha256.lower() if found.sha256 else None
    return Entry(found.id, sha256, int(found.phash, 16) if found.phash else None, found.url)


_FORM = 'a line is {"id": ..., "sha256": ..., "phash": ..., "url": ...}'


def _too_large(name: str) -> FileError:
    reason = f"larger than {MAX_BYTES // 1024 // 1024} MB, which an image of a library may have"
    return FileError(
        f"{name}: {reason}", reason, code="too_large", hint="save it smaller, or move it out of the folder"
    )


def _too_many(name: str) -> UsageError:
    return UsageError(f"{name}: more than {MAX_IMAGES:,} images in one library", hint="make two libraries of it")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
