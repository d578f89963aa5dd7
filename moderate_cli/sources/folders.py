"""Walking a folder for images, lazily and without following links into circles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from moderate_cli.preflight import HEAD_SIZE, sniff

# Names under which people keep images: such a file is never passed over, so that a broken one gets reported.
IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".tif", ".tiff", ".webp"}
)
_SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn"})


def walk(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield each file below a folder, and whether it is an image by its name or its content.

    A folder that cannot be listed is yielded as an image, so that reading it reports why.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder, True
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED_FOLDERS:
                yield from walk(entry.path)
        elif _has_image_name(entry.name):
            yield entry.path, True
        elif _is_file(entry):
            yield entry.path, _has_image_content(entry.path)


def _has_image_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a million names, no Path each


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _has_image_content(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return sniff(file.read(HEAD_SIZE)) is not None
    except OSError:
        return False
