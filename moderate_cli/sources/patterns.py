"""Patterns in the words of gitignore, and what they decide about a path; pathspec knows no classes as [[:alpha:]]."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from moderate_cli.errors import UsageError

# The end of a pattern for all that a folder holds, which pathspec takes for the folder too.
_ALL_BELOW = re.compile(r"/\*\*(/?)\s*$")


class Patterns:
    """Patterns of one origin; the last one that matches a path decides about it. The path of a folder ends with `/`."""

    def __init__(self, texts: Iterable[str]) -> None:
        patterns = [(text, pattern) for text in texts for pattern in _compiled(text)]
        # The backend is named, because others take over where their libraries happen to be installed.
        self._spec = GitIgnoreSpec([pattern for _, pattern in patterns], backend="simple")
        self._last_first = [("/" in text.rstrip()[:-1], pattern) for text, pattern in reversed(patterns)]

    def decide(self, path: str) -> bool | None:
        """Tell whether a path relative to the patterns is matched, by itself or by a folder that it is in.

        None where no pattern says anything about it.
        """
        return self._spec.check_file(_in_one_line(path)).include

    def decide_alone(self, folder: str, name: str) -> bool | None:
        """Tell whether a name in a folder is matched by itself, as Git does it once the folder has been decided about.

        The folder is relative to the patterns; None as before.
        """
        path, name = _in_one_line(folder + name), _in_one_line(name)
        for needs_path, pattern in self._last_first:
            tried = path if needs_path else name
            found = pattern.match_file(tried)
            # A named group is there where the pattern ends with the slash of a folder: maybe one that the path is in.
            if found and (found.match.lastgroup is None or found.match.end() == len(tried)):
                return pattern.include
        return None


def given_patterns(texts: Sequence[str]) -> Patterns:
    """Return the patterns of a command line; raises UsageError for one that is none."""
    for text in texts:
        if not _compiled(text):
            hint = "write it as in a .gitignore, such as '*.png' or 'raw/'"
            raise UsageError(f"{text!r} is not a pattern", hint=hint)
    return Patterns(texts)


def _compiled(text: str) -> list[GitIgnoreSpecPattern]:
    """Return the pattern of a line; none where it is none, and says nothing, as with Git."""
    text = _ALL_BELOW.sub(r"/**/*\1", text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of `re`, about brackets in brackets
        try:
            patterns = GitIgnoreSpec.from_lines([text], backend="simple").patterns
        except (ValueError, re.error):  # a range such as [z-a] fails in the regular expression only
            return []
    return [pattern for pattern in patterns if pattern.include is not None]


def _in_one_line(path: str) -> str:
    """Return a path without line feeds, which the dot of a regular expression does not match."""
    return path.replace("\n", "\0")
