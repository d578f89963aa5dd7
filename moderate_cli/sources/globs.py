"""Globs such as `photos/**/*.png`, matched one name at a time while folders are walked.

`glob.iglob` keeps all names of a folder at once, and follows links in circles until the system refuses.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from moderate_cli.globs import SIGN, Matcher, compile_glob

# How many parts of a pattern a path may have used up; several at once, since `**` stands for any number of folders.
Places = frozenset[int]

_SEPARATORS = re.compile(r"[\\/]+" if os.sep == "\\" else "/+")


@dataclass(frozen=True, slots=True)
class Glob:
    """The parts of a pattern, one a name; None stands for `**`.

    A folder that matches counts with all below it. Names that start with a dot are names as others are.
    """

    parts: tuple[Matcher | None, ...]

    @classmethod
    def parse(cls, text: str) -> tuple[str, Glob]:
        """Return the folder in which a glob begins, as it is written, and the pattern of what is below."""
        sign = SIGN.search(text)
        fixed = text[: sign.start()] if sign else text
        folder = fixed[: len(fixed) - len(os.path.basename(fixed))]  # noqa: PTH119 - a Path would rewrite it
        names = _SEPARATORS.split(text[len(folder) :])
        if not names[-1]:  # only folders are meant, and all that they hold
            names[-1] = "**"
        return folder, cls(tuple(None if name == "**" else compile_glob(name) for name in names))

    @property
    def start(self) -> Places:
        """The places before the first name."""
        return self._closed({0})

    def step(self, places: Places, name: str) -> Places:
        """Return the places after one more name; none where no path that goes on so matches."""
        reached = set()
        for place in places:
            if place == len(self.parts):
                reached.add(place)
                continue
            part = self.parts[place]
            if part is None:
                reached.add(place)
            elif part.matches(name):
                reached.add(place + 1)
        return self._closed(reached)

    def is_match(self, places: Places) -> bool:
        """Tell whether a path that has come to these places matches."""
        return len(self.parts) in places

    def _closed(self, places: set[int]) -> Places:
        """Add the places behind each `**`, which may stand for nothing."""
        for place in sorted(places):
            while place < len(self.parts) and self.parts[place] is None:
                place += 1
                places.add(place)
        return frozenset(places)
