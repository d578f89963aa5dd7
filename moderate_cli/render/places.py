"""Where an input is, as reports name it: relative to the root of the repository where they can."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from moderate_cli.common.files import nearest
from moderate_cli.verdicts import Item, LocalFile, Post

_REMOTE = ("http://", "https://", "oss://")
_KEPT_IN_ADDRESSES = "%/:?#[]@!$&'()*+,;=~"  # what RFC 3986 reserves; `%` too, since addresses come encoded


class Uri(NamedTuple):
    """A reference to an input; `is_relative` means to the root of the repository."""

    text: str
    is_relative: bool


class Places:
    """Names inputs by the root of the repository: the nearest folder above this one with `.git`, else this one."""

    @cached_property
    def _root(self) -> Path:
        here = Path.cwd()
        return Path(nearest(".git", str(here)) or here)

    def path(self, item: Item) -> str | None:
        """Return the path of a file inside the repository, with slashes; None for what is elsewhere."""
        path = _file(item)
        if path is None:
            return None
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - a link inside the repository is named by its own name
        for root, file in ((self._root, whole), (self._root.resolve(), whole.parent.resolve() / whole.name)):
            if file.is_relative_to(root):
                return file.relative_to(root).as_posix()
        return None

    def uri(self, item: Item) -> Uri:
        """Return the URI of an input, percent-encoded: relative inside the repository, and absolute elsewhere."""
        path = self.path(item)
        if path is not None:
            return Uri(quote(os.fsencode(path)), is_relative=True)
        file = _file(item)
        if file is not None:
            return Uri(Path(os.path.abspath(file)).as_uri(), is_relative=False)  # noqa: PTH100
        return Uri(quote(item.source.encode(errors="surrogateescape"), safe=_KEPT_IN_ADDRESSES), is_relative=False)


def _file(item: Item) -> Path | None:
    """Return the file that an item is or stands in: a post of a file with several is named `FILE#NUMBER`."""
    if isinstance(item.image, LocalFile):
        return item.image.path
    if item.source.lower().startswith(_REMOTE):
        return None
    return Path(re.sub(r"#\d+$", "", item.source) if isinstance(item.image, Post) else item.source)
