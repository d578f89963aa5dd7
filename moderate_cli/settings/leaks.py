"""Secrets that stand where they do not belong: found by their keys and their looks, and never repeated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from moderate_cli.errors import UsageError
from moderate_cli.settings.document import Part

_KEYS = re.compile(r"secret|token|passw|passphrase|access_?key|api_?key|private_?key")
# An AccessKey id, that of a temporary one, the start of a security token, and a password inside an address.
_VALUES = re.compile(r"\bLTAI[0-9A-Za-z]{8,}|\bSTS\.[0-9A-Za-z]{8,}|\bCAIS[0-9A-Za-z+/=]{40,}|://[^/\s@:]*:[^/\s@]*@")
_HINT = "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or keep it where the aliyun CLI does"


def refuse_secret_texts(text: str, name: str) -> None:
    """Raise UsageError for a text, comments included, in which something looks like a secret."""
    for line, words in enumerate(text.split("\n"), start=1):
        if _VALUES.search(words):
            raise UsageError(f"{name}:{line}: this looks like a secret, and no settings file may hold one", hint=_HINT)


def refuse_secret_keys(root: Part, name: str) -> None:
    """Raise UsageError for a key, at any depth, that asks for a secret; profiles may have any name."""
    for key, line in _keys(root, set()):
        if _KEYS.search(key.lower().replace("-", "_")):
            raise UsageError(f"{name}:{line}: {key!r} is a secret, and no settings file may hold one", hint=_HINT)


def _keys(part: Part, seen: set[int], *, names: bool = False) -> Iterator[tuple[str, int]]:
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, dict):
        for key, entry in part.items():
            if not names:
                yield key, entry.line
            yield from _keys(entry.part, seen, names=key == "profiles" and not names)
    elif isinstance(part, tuple):
        for item in part:
            yield from _keys(item.part, seen)
