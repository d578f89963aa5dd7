"""Globs that name images by their path."""

from __future__ import annotations

import re

_SIGN = re.compile(r"(\*{2,}/?|\*|\?|\[!?+.[^\]]*\])", re.DOTALL)
_SIGNS = frozenset("*?[")


def is_glob(text: str) -> bool:
    """Tell whether a path names more than itself."""
    return not _SIGNS.isdisjoint(text)


def compile_glob(glob: str) -> re.Pattern[str]:
    """Return a glob as a pattern for whole paths; raises re.error for a range that is none.

    `*` is any text and `?` any character inside one folder or file name, `[ab]` one of some characters, `[!ab]` any
    other, and `**` any text, across folders too; `**/` also stands for no folder at all.
    """
    pieces = enumerate(_SIGN.split(glob))  # every second one is a sign
    return re.compile("".join(_translated(piece) if at % 2 else re.escape(piece) for at, piece in pieces), re.DOTALL)


def _translated(sign: str) -> str:
    if sign.startswith("**"):
        return "(?:.*/)?" if sign.endswith("/") else ".*"
    if sign in {"*", "?"}:
        return "[^/]*" if sign == "*" else "[^/]"
    characters = sign[1:-1]
    # A hyphen may mean a range; two of them are kept for set operations that Python does not have yet.
    inside = re.escape(characters.removeprefix("!")).replace(r"\-", "-").replace("--", r"-\-")
    return f"[^/{inside}]" if characters.startswith("!") else f"(?!/)[{inside}]"
