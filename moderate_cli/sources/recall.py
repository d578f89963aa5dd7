"""What an earlier run knows of the files of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from moderate_cli.sources.folders import Found

Seen = tuple[str, int, int, int, str]
"""A file as it was: its name, the size, mtime_ns and inode of a `FileStat`, and the SHA-256 of its content."""


class Recall(Protocol):
    """Knows files by the absolute paths of their folders.

    Both methods tell of the files with some names or, with None, of all in a folder.
    """

    def clean_in(self, folder: str, names: Sequence[str] | None) -> list[Found]:
        """Return the files that were judged and about which there was nothing to say, in the order of their names."""

    def seen_in(self, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
        """Return what is known of files, by name."""
