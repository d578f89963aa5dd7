"""What an earlier run knows of the files of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Seen = tuple[str, int, int, int, str | None]
"""A file as it was: its name, the size, mtime_ns and inode of a `FileStat`, and the SHA-256 of its content.

There is no SHA-256 where the file is known to be clean, so that nothing needs to be read or asked.
"""


class Recall(Protocol):
    """Knows files by the absolute paths of their folders."""

    def seen_in(self, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
        """Return what is known by name of some files in a folder or, with None, of all."""

    def find_look(self, folder: str, look: bytes) -> int | None:
        """Return how many files are no images in a folder that looks as it did when all others were clean."""

    def keep_look(self, folder: str, look: bytes, *, newest: int, passed_over: int) -> None:
        """Remember a look at a folder in which some files are no images and all others clean.

        `newest` is when the last of them changed (nanoseconds).
        """
