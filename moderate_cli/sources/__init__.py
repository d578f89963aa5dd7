"""Where images come from: files, folders and URLs, as a lazy stream of items."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from moderate_cli.sources.folders import walk
from moderate_cli.verdicts import ImageUrl, Item, LocalFile


class Sources:
    """The items behind the SOURCE arguments; iterating opens folders one at a time.

    `passed_over` counts the files of folders that were no images; what was named is never passed over.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.passed_over = 0

    def __iter__(self) -> Iterator[Item]:
        for name in self._names:
            if name.lower().startswith(("http://", "https://")):
                yield Item(name, ImageUrl(name))
            elif os.path.isdir(name):  # noqa: PTH112 - unlike Path.is_dir, it never raises
                yield from self._folder(name)
            else:
                yield Item(name, LocalFile(Path(name)))

    def _folder(self, folder: str) -> Iterator[Item]:
        for path, is_image in walk(folder):
            if is_image:
                yield Item(path, LocalFile(Path(path)))
            else:
                self.passed_over += 1
