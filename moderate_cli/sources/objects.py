"""Objects in OSS as sources: `oss://bucket/key` is one, `oss://bucket/prefix/` and `oss://bucket` are all below."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from moderate_cli.verdicts import OssObject

_SCHEME = "oss://"
_REGION = re.compile(r"\?region=([a-z0-9-]+)\Z")


class Bucket(Protocol):
    """A bucket whose objects can be listed."""

    def objects(self, prefix: str) -> Iterator[OssObject]:
        """Yield the objects whose keys start with a prefix, page by page; raises ModerateError where that fails."""


OpenBucket = Callable[[str], Bucket]
"""Opens the bucket of a name; raises ModerateError."""


def is_oss(source: str) -> bool:
    """Tell whether a source is in OSS."""
    return source[: len(_SCHEME)].lower() == _SCHEME


def bucket_and_key(source: str) -> tuple[str, str]:
    """Return the bucket and the key, or the prefix."""
    bucket, _, key = source[len(_SCHEME) :].partition("/")
    return bucket, key


def split_region(source: str) -> tuple[str, str | None]:
    """Return a source in OSS without the `?region=ID` at its end, and the region that this names."""
    found = _REGION.search(source) if is_oss(source) else None
    return (source[: found.start()], found[1]) if found else (source, None)


def is_prefix(key: str) -> bool:
    """Tell whether a key stands for all objects below it."""
    return not key or key.endswith("/")
