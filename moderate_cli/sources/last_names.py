"""A quick look at a name: nearly none of them can be matched by any pattern, and then no pattern needs to be tried."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from moderate_cli.globs import Matcher

# A pattern may cut a character into its bytes: only what is ASCII is sure to be whole.
_BEYOND_ASCII = re.compile(r"[^\0-\x7f]")


@dataclass(frozen=True, slots=True)
class LastNames:
    """What each name that some patterns match must be, or must start or end with."""

    names: frozenset[str] = frozenset()
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[Matcher]) -> LastNames:
        """Return those of Git's patterns."""
        names, starts, ends = set(), set(), set()
        for pattern in patterns:
            start, end, is_whole = pattern.last_name
            if is_whole:
                names.add(os.fsdecode(start.encode("latin-1")))
            elif end:
                ends.add(_BEYOND_ASCII.split(end)[-1])
            else:
                starts.add(_BEYOND_ASCII.split(start)[0])
        return cls(frozenset(names), tuple(starts), tuple(ends))

    def __or__(self, other: LastNames) -> LastNames:
        """Return those of the patterns of both."""
        return LastNames(self.names | other.names, self.starts + other.starts, self.ends + other.ends)

    def may_match(self, name: str) -> bool:
        """Tell whether a path that ends with a name may be matched, other than by a folder that it is in."""
        return name in self.names or name.endswith(self.ends) or name.startswith(self.starts)


NO_NAME = LastNames()
ANY_NAME = LastNames(starts=("",))
