"""Patterns in Git's meaning: the lines of ignore files, and what `--include` and `--exclude` take."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from moderate_cli.errors import UsageError
from moderate_cli.globs import Matcher, compile_git
from moderate_cli.sources.last_names import LastNames


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, and what its marks say: whether it ignores, folders only, and by the last name alone."""

    matcher: Matcher
    ignores: bool
    only_folders: bool
    by_name: bool


class Patterns:
    """Patterns of one origin; the last one that matches something decides about it.

    As in Git, bytes are compared: `?` is one of them, of which a letter beyond ASCII has several.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._last_first = tuple(reversed(patterns))
        self.names = LastNames.of(pattern.matcher for pattern in patterns if pattern.ignores)

    def decide(self, folder: str, name: str, *, is_folder: bool) -> bool | None:
        """Tell whether something in a folder is matched by itself, as Git does it after deciding about the folder.

        The folder is relative to the patterns, and not the top one's ends with a slash. None where no pattern says
        anything about the name.
        """
        name = _as_git_has_it(name)
        path = _as_git_has_it(folder) + name
        for pattern in self._last_first:
            if (is_folder or not pattern.only_folders) and pattern.matcher.matches(name if pattern.by_name else path):
                return pattern.ignores
        return None

    def decide_first(self, path: str) -> bool:
        """Tell whether a path is matched by itself or by a folder that it is in; the path of a folder ends with `/`."""
        path = _with_slashes(path)
        start = 0
        while (end := path.find("/", start)) >= 0:
            if self.decide(path[:start], path[start:end], is_folder=True):
                return True
            start = end + 1
        return start < len(path) and self.decide(path[:start], path[start:], is_folder=False) is True

    def decide_last(self, path: str) -> bool:
        """Tell whether a file is matched by itself or, where nothing says so, by the closest folder that it is in."""
        folder, name = _split(_with_slashes(path))
        decision = self.decide(folder, name, is_folder=False)
        while decision is None and folder:
            folder, name = _split(folder[:-1])
            decision = self.decide(folder, name, is_folder=True)
        return decision is True


def read_patterns(content: bytes) -> list[Pattern]:
    """Return the patterns of an ignore file; lines that are none say nothing, as in Git."""
    lines = content.removeprefix(codecs.BOM_UTF8).decode("latin-1").split("\n")
    return [pattern for line in lines if (pattern := _parse(line.removesuffix("\r"))) is not None]


def given_patterns(texts: Iterable[str]) -> Patterns:
    """Return the patterns of a command line; raises UsageError for one that is none."""
    patterns = []
    for text in texts:
        pattern = _parse(_as_git_has_it(text))
        if pattern is None:
            hint = "write it as in a .gitignore, such as '*.png' or 'raw/'"
            raise UsageError(f"{text!r} is not a pattern", hint=hint)
        patterns.append(pattern)
    return Patterns(patterns)


def _parse(line: str) -> Pattern | None:
    """Return the pattern of a line, as parse_path_pattern in Git's dir.c reads it; None where nothing can match."""
    text = _without_last_spaces(line.partition("\0")[0])
    ignores = not text.startswith("!")
    text = text.removeprefix("!")
    only_folders = text.endswith("/")
    text = text.removesuffix("/")
    by_name = "/" not in text
    text = text.removeprefix("/")
    if not text or line.startswith("#"):
        return None
    matcher = compile_git(text)
    return None if matcher.is_hopeless else Pattern(matcher, ignores, only_folders, by_name)


def _without_last_spaces(text: str) -> str:
    """Return a text without the spaces at its end; the first of them stays where a backslash is before it."""
    kept = text.rstrip(" ")
    is_escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 == 1
    return text[: len(kept) + is_escaped]


def _split(path: str) -> tuple[str, str]:
    """Return the folder of a path, with the slash at its end, and its name."""
    start = path.rfind("/") + 1
    return path[:start], path[start:]


def _with_slashes(path: str) -> str:
    return path if os.sep == "/" else path.replace(os.sep, "/")


def _as_git_has_it(path: str) -> str:
    """Return a path with slashes, one character a byte."""
    path = _with_slashes(path)
    return path if path.isascii() else os.fsencode(path).decode("latin-1")
