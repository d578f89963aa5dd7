"""What an earlier run knows of the files of a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Seen = tuple[str, int, int, int, str | None]
"""A file as it was: its name, the size, mtime_ns and inode of a `FileStat`, and the SHA-256 of its content.

There is no SHA-256 where the file is known to be clean, so that nothing needs to be read or asked.
"""

Recall = Callable[[str, Sequence[str] | None], Mapping[str, Seen]]
"""Returns what is known by name: of the folder with an absolute path, and of some names in it or, with None, of all."""
