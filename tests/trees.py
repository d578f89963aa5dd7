"""Folders for tests, and what the sources make of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from moderate_cli.models import FileStat, Item
from moderate_cli.sources import Sources

PNG = b"\x89PNG\r\n\x1a\n"


def put(folder: Path, *names: str, content: bytes = PNG) -> None:
    """Write files below a folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def found(folder: Path, **options: Any) -> list[str]:
    """Return the images below a folder, relative to it."""
    return [os.path.relpath(item.source, folder) for item in Sources([str(folder)], **options)]


def sources_of(items: list[Item]) -> list[str]:
    """Return how items are named."""
    return [item.source for item in items]


def stat_of(path: Path) -> FileStat:
    """Return the stat of a file, as a walk sees it."""
    seen = path.stat()
    return FileStat(seen.st_size, seen.st_mtime_ns, seen.st_ino)
