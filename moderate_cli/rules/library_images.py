"""Which images are in an image library? Those of a folder, or the lines of a file; nothing is decoded here."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError, read_bytes
from moderate_cli.common.text import counted, safe_text, shortened
from moderate_cli.sources import Selection
from moderate_cli.sources.folders import Found, has_image_content, has_image_name, walk

# The vendor's console: "Each image must be 4 MB or smaller" (its guide, 2026), and 100,000 images in all libraries.
MAX_IMAGES = 100_000
MAX_BYTES = 4 * 1024 * 1024  # of an image

_MAX_LINE = 64 * 1024  # bytes of a line of JSON
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_EVERYTHING = Selection(ignore_files=False)


class Entry(Struct, frozen=True, gc=False):
    """An image of a library: `sha256` in lower-case hexadecimal, and `phash` as a number, None where there is none.

    In a folder the id is the path relative to it, with slashes; a line of a file has that of its owner, as the account.
    """

    id: str
    sha256: str | None
    phash: int | None
    url: str | None = None


class Content(Struct, frozen=True):
    """The images of a library, and what its owner should know about some of them, in one line each."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


class Folder(Struct, frozen=True):
    """The images of a folder with their paths relative to it, in the order of these, and what the walk left out."""

    images: tuple[Found, ...]
    notes: tuple[str, ...]


def read_bytes_of(folder: Path, name: str) -> Content:
    """Hash the bytes of the images of a folder, and decode none; raises UsageError as `list_folder` does."""
    found = list_folder(folder, name)
    entries = tuple(
        Entry(text_of(image[0]), hashlib.sha256(read_image(folder, name, image[0])).hexdigest(), None)
        for image in found.images
    )
    return Content(entries, (*found.notes, *(() if entries else (no_image_in(name),))))


def list_folder(folder: Path, name: str) -> Folder:
    """Return the images below a folder, which are not read yet.

    All images count, those that ignore files name too: a library that Git does not keep must not be empty. As in other
    folders, links that lead out of it are not followed. `name` is for messages. Raises UsageError where a folder cannot
    be read, an image is too large, or there are too many.
    """
    prefix = os.path.join(folder, "")  # noqa: PTH118 - with the separator at its end
    found: list[Found] = []
    non_images = links = 0
    for chunk in walk(str(folder), _EVERYTHING.rules()):
        below = chunk.prefix.removeprefix(prefix).replace(os.sep, "/")
        if chunk.error is not None:
            raise FileError(
                f"cannot list the image library {name}/{below}".rstrip("/") + f": {chunk.error.strerror}",
                str(chunk.error.strerror),
                code="unreadable",
            )
        links += chunk.links
        for file in chunk.files:
            if not has_image_name(file[0]) and not has_image_content(chunk.prefix + file[0]):
                non_images += 1
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
    return Folder(tuple(found), tuple(_left_out(name, non_images, links)))


def _left_out(name: str, non_images: int, links: int) -> Iterator[str]:
    if non_images:
        yield f"{name}: {counted(non_images, 'non-image file')} skipped"
    if links:
        yield f"{name}: {counted(links, 'link')} out of the folder not followed"


def read_image(folder: Path, name: str, image: str) -> bytes:
    """Return the content of an image of a folder by its path there; raises FileError."""
    return read_bytes(folder / image, MAX_BYTES, name=f"{name}/{image}", regular_only=True)


def no_image_in(name: str) -> str:
    """Return the note on a library that is empty."""
    return f"{name}: no image in this library"


def text_of(name: str) -> str:
    """Return a name as text that can be written in UTF-8, whatever bytes it has."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a library as it is written."""

    id: str
    sha256: str | None = None
    phash: str | None = None
    url: str | None = None


_decoder = msgspec.json.Decoder(_Line)


def read_lines(path: Path, name: str) -> Content:
    """Read the images of a library from a file with a JSON object a line: id, and sha256, phash or url.

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
    return Content(tuple(entries), tuple(_about(entries, name)))


def _about(entries: Sequence[Entry], name: str) -> Iterator[str]:
    if not entries:
        yield no_image_in(name)
    unknown = sum(entry.sha256 is None and entry.phash is None for entry in entries)
    if unknown:
        yield f"{name}: {counted(unknown, 'image')} without a hash: the account knows them, the local engine does not"


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
    if found.sha256 is None and found.phash is None and found.url is None:
        raise UsageError(f"{place}: neither sha256 nor phash nor url", hint=_FORM)
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
