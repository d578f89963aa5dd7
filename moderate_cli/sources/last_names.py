"""A quick look at a name: nearly none of them can be matched by any pattern, and then no pattern needs to be tried."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_MAGIC = re.compile(r"[*?\[\]\\]")


@dataclass(frozen=True, slots=True)
class LastNames:
    """What each name that some patterns match must be, or must start or end with."""

    names: frozenset[str] = frozenset()
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> LastNames:
        """Return those of patterns in the words of gitignore; their last names have to match a path's last name."""
        names, starts, ends = set(), set(), set()
        for text in texts:
            last = text.removeprefix("!").rstrip().rstrip("/").rpartition("/")[2]
            fixed = _MAGIC.split(last)
            if len(fixed) == 1:
                names.add(last)
            elif fixed[-1] and "\\" not in last:
                ends.add(fixed[-1])
            else:
                starts.add(fixed[0])  # maybe "", with which every name starts
        return cls(frozenset(names), tuple(starts), tuple(ends))

    def __or__(self, other: LastNames) -> LastNames:
        """Return those of the patterns of both."""
        return LastNames(self.names | other.names, self.starts + other.starts, self.ends + other.ends)

    def may_match(self, name: str) -> bool:
        """Tell whether a path that ends with a name may be matched, other than by a folder that it is in."""
        return name in self.names or name.endswith(self.ends) or name.startswith(self.starts)


NO_NAME = LastNames()
ANY_NAME = LastNames(starts=("",))
