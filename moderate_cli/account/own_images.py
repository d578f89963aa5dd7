"""Which images does the rules file give each library? The files of a folder with their hashes, or the ids of a list."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError
from moderate_cli.rules import Rules
from moderate_cli.rules.library_images import MAX_IMAGES, list_folder, read_image, read_lines, text_of


class OwnImage(Struct, frozen=True, gc=False):
    """An image file by its content; `name` is its path in the folder, where unsafe bytes are written out."""

    sha256: str
    name: str
    path: Path

    def read(self) -> bytes:
        """Return the content; raises UsageError where it cannot be read or is another one by now."""
        content = read_image(self.path.parent, str(self.path.parent), self.path.name)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UsageError(f"{self.path} was changed while it was to be added", code="file_changed", hint="try again")
        return content


class OwnLibrary(Struct, frozen=True):
    """The images of a library: files by their hashes, or None and the ids of the lines of a list."""

    files: Mapping[str, OwnImage] | None
    listed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_own_images(rules: Rules) -> dict[str, OwnLibrary]:
    """Return the images of each library of a rules file; raises UsageError, with the line of the library."""
    libraries = {}
    for name in rules.file.image_libraries:
        place = rules.place("image_libraries", name)
        try:
            libraries[name] = _read(rules.images_of(name), rules.file.image_libraries[name].images)
        except FileError as error:
            raise FileError(f"{place}: {error.message}", error.reason, code=error.code, hint=error.hint) from error
        except UsageError as error:
            raise UsageError(f"{place}: {error.message}", code=error.code, hint=error.hint) from error
    number = sum(len(each.files or each.listed) for each in libraries.values())
    if number > MAX_IMAGES:
        place = rules.place("image_libraries")
        raise UsageError(f"{place}: {number:,} images; an account has {MAX_IMAGES:,} at most")
    return libraries


def _read(path: Path, name: str) -> OwnLibrary:
    if not path.is_dir():
        content = read_lines(path, name)
        return OwnLibrary(None, tuple(entry.id for entry in content.entries))
    name = name.rstrip("/") or "/"
    found = list_folder(path, name)
    files: dict[str, OwnImage] = {}
    for image in found.images:
        sha256 = hashlib.sha256(read_image(path, name, image[0])).hexdigest()
        files.setdefault(sha256, OwnImage(sha256, text_of(image[0]), path / image[0]))
    return OwnLibrary(files, notes=found.notes)
