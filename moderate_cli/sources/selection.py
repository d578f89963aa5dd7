"""Which files below a folder or a prefix are wanted: patterns of the command line, and ignore files."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from moderate_cli.sources.last_names import ANY_NAME, NO_NAME, LastNames

if TYPE_CHECKING:
    from moderate_cli.sources.patterns import Patterns

# In the order in which they are read: where two lines contradict each other, the later one counts.
IGNORE_FILES = (".gitignore", ".moderateignore")
_MAX_BYTES = 1024 * 1024  # of an ignore file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted of each folder, glob and prefix, in the words of gitignore and relative to it.

    Where something is to be included, nothing else is; what is excluded never is. `ignore_files` are `.gitignore` and
    `.moderateignore`: those below the folder, and those above it up to the folder that holds `.git`. The user's own
    `core.excludesFile` and `.git/info/exclude` say nothing here.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_files: bool = True

    def rules(self) -> Rules:
        """Return the rules, for no folder yet; raises UsageError for what is no pattern."""
        include, exclude = _given(self.include), _given(self.exclude)
        return Rules(include, exclude, self.ignore_files, names=ANY_NAME if include or exclude else NO_NAME)


@dataclass(frozen=True, slots=True)
class Rules:
    """Decide about what is below one root.

    `root` is the length of what paths have before their part that is relative to it. `layers` are the patterns of
    ignore files, the deepest first, each with the length of its folder. Only what has one of the `names` needs a
    decision.
    """

    include: Patterns | None = None
    exclude: Patterns | None = None
    ignore_files: bool = True
    root: int = 0
    layers: tuple[tuple[int, Patterns], ...] = ()
    names: LastNames = NO_NAME

    def at(self, root: str) -> Rules:
        """Return the rules for a root, with the ignore files above it; its absolute path ends with a separator.

        Where those would leave out the root itself, it was named all the same, and they count for nothing.
        """
        rules = here = replace(self, root=len(root))
        for folder in _up_to_repository(root) if self.ignore_files else ():
            rules = rules.inside(folder)
        decisions = (patterns.decide(root[length:]) for length, patterns in rules.layers)
        is_ignored = next((decision for decision in decisions if decision is not None), False)
        return here if is_ignored else rules

    def inside(self, folder: str) -> Rules:
        """Return the rules for what a folder holds; its absolute path ends with a separator."""
        lines = _lines(folder) if self.ignore_files else []
        if not lines:
            return self
        from moderate_cli.sources.patterns import Patterns

        layers = ((len(folder), Patterns(lines)), *self.layers)
        return replace(self, layers=layers, names=self.names | LastNames.of(lines))

    def leave_out(self, folder: str, name: str, *, is_folder: bool) -> bool:
        """Tell whether something in a folder that is wanted is not wanted itself, with all below it."""
        name = f"{name}/" if is_folder else name
        if self.is_unselected(folder[self.root :] + name, is_folder=is_folder):
            return True
        decisions = (patterns.decide_alone(folder[length:], name) for length, patterns in self.layers)
        return next((decision for decision in decisions if decision is not None), False)

    def is_unselected(self, path: str, *, is_folder: bool = False) -> bool:
        """Tell whether `include` and `exclude` leave out a path relative to the root."""
        if self.exclude and self.exclude.decide(path):
            return True
        return self.include is not None and not is_folder and not self.include.decide(path)


def _given(texts: Sequence[str]) -> Patterns | None:
    if not texts:
        return None
    from moderate_cli.sources.patterns import given_patterns

    return given_patterns(texts)


def _up_to_repository(root: str) -> list[str]:
    """Return the folders above a root from the one that holds `.git`; none where there is no such folder."""
    above: list[str] = []
    folder = root
    while not os.path.lexists(f"{folder}.git"):
        parent = os.path.join(os.path.dirname(os.path.dirname(folder)), "")  # noqa: PTH118, PTH120 - ends with one
        if parent == folder:
            return []
        folder = parent
        above.append(folder)
    return above[::-1]


def _lines(folder: str) -> list[str]:
    """Return the lines of a folder's ignore files."""
    lines: list[str] = []
    for name in IGNORE_FILES:
        path = folder + name
        if not os.access(path, os.F_OK):  # the quickest way to ask, which every folder of a walk has to go
            continue
        try:
            if os.path.isfile(path):  # noqa: PTH113 - a named pipe would never end
                with open(path, "rb") as file:  # noqa: PTH123
                    text = file.read(_MAX_BYTES).decode("utf-8-sig", "surrogateescape")
                lines += text.split("\n")
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error.strerror)
    return lines
