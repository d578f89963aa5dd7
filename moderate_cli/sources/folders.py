"""Walking a folder for images, lazily, without recursion and without following links into circles."""

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
    levels: list[Iterator[str | os.DirEntry[str]]] = [iter([folder])]
    while levels:
        current = next(levels[-1], None)
        if current is None:
            levels.pop()
        elif isinstance(current, str) or current.is_dir(follow_symlinks=False):
            path = current if isinstance(current, str) else current.path
            entries = _listed(path)
            if entries is None:
                yield path, True
            else:
                levels.append(iter(entries))
        elif _has_image_name(current.name):
            yield current.path, True
        elif _is_file(current):
            yield current.path, _has_image_content(current.path)


def _listed(folder: str) -> list[os.DirEntry[str]] | None:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if entry.name not in _SKIPPED_FOLDERS), key=_name)
    except OSError:
        return None


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


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
