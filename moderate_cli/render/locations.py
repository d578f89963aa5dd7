"""Where is an input? Named by the repository for files, and by host and path for what is elsewhere."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from moderate_cli.common.files import nearest
from moderate_cli.common.text import well_formed
from moderate_cli.models import InlineImage, Item, LocalFile, OssObject, Post, QueuedTask

_REMOTE = ("http://", "https://", "oss://")
# What a path may hold as it is (RFC 3986, `pchar`), but for the colon: before the first slash it would end a scheme.
_IN_A_PATH = "/!$&'()*+,;=@~"
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Locations:
    """Names inputs relative to the repository: the nearest folder upward with `.git`, else the working folder."""

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
        if whole.is_relative_to(self._root):
            return whole.relative_to(self._root).as_posix()
        try:
            root, file = self._root.resolve(), whole.parent.resolve() / whole.name
        except ValueError:  # a name that the file system cannot encode
            return None
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else None

    def uri(self, item: Item) -> Uri:
        """Return the URI of an input, percent-encoded.

        It is relative inside the repository, absolute for a file elsewhere, and without a scheme for an address, since
        code scanning takes no other scheme than `file`.
        """
        path = self.path(item)
        if path is not None:
            return Uri(_encoded(path), is_in_repository=True)
        file = _file(item)
        if file is not None:
            whole = Path(os.path.abspath(file)).as_posix()  # noqa: PTH100
            return Uri(f"file://{'' if whole.startswith('/') else '/'}{_encoded(whole)}", is_in_repository=False)
        return Uri(_without_scheme(item), is_in_repository=False)

    def folder(self, item: Item) -> str:
        """Return the folder of an input: in the repository, of a file elsewhere, or the host and the folder there."""
        path = self.path(item)
        if path is None:
            file = _file(item)
            path = _host_and_path(item)[0] if file is None else Path(os.path.abspath(file)).as_posix()  # noqa: PTH100
        return path.rpartition("/")[0]

    def is_remote(self, item: Item) -> bool:
        """Return whether an input is in no file here."""
        return _file(item) is None


class Uri(NamedTuple):
    """A reference to an input; one that `is_in_repository` is relative to its root."""

    text: str
    is_in_repository: bool


def _file(item: Item) -> Path | None:
    """Return the file that an item is, or is in: one of several posts in a file is named `FILE#NUMBER`."""
    image = item.image
    if isinstance(image, LocalFile):
        return image.path
    if isinstance(image, InlineImage) or item.source.lower().startswith(_REMOTE):
        return None
    is_post = isinstance(image, Post) or (isinstance(image, QueuedTask) and image.kind == "multimodal")
    return Path(re.sub(r"#\d+$", "", item.source) if is_post else item.source)


def _encoded(path: str) -> str:
    """Return a path percent-encoded, in UTF-8 whatever the file system's encoding is."""
    return quote(well_formed(path).encode("utf-8", "surrogateescape"))


def _without_scheme(item: Item) -> str:
    """Return the relative reference `host/path` of an address, with the query as a part of the path."""
    path, query = _host_and_path(item)
    first, slash, rest = path.partition("/")
    encoded = f"{_quoted(first)}{slash}{_quoted(rest, ':')}"
    return f"{encoded}%3F{_quoted(query, ':?')}" if query else encoded


def _host_and_path(item: Item) -> tuple[str, str]:
    """Return the host, or the bucket, with the path of an address, encoded as it came, and its query.

    Steps to the folder above are taken, so that no reference leads out of the folder to which it is resolved.
    """
    if isinstance(item.image, OssObject):  # a key is no URI: what looks like an escape in it is none
        return _normalized(f"{item.image.bucket}/{item.image.key}".replace("%", "%25")), ""
    try:
        parts = urlsplit(item.source)
    except ValueError:  # brackets around what is no IPv6 address
        return _normalized(item.source.partition("://")[2]), ""
    return _normalized(parts.netloc.rpartition("@")[2] + parts.path), parts.query


def _normalized(path: str) -> str:
    host, *steps = path.split("/")
    kept: list[str] = []
    for step in steps:
        if step == "..":
            del kept[-1:]
        elif step != ".":
            kept.append(step)
    return "/".join([host, *kept])


def _quoted(text: str, more: str = "") -> str:
    """Return text percent-encoded, but for the escapes that it has already."""
    escaped = _NO_ESCAPE.sub("%25", text)
    return quote(well_formed(escaped).encode("utf-8", "surrogateescape"), safe=_IN_A_PATH + "%" + more)
