"""Clean inputs in what people read: named where they are few, else only counted."""

from __future__ import annotations

from moderate_cli.records import Tally
from moderate_cli.render import MOST_CLEAN
from moderate_cli.verdicts import Outcome


class CleanInputs:
    """Keeps the first clean inputs of a run, and counts all."""

    def __init__(self) -> None:
        self._first: list[Outcome] = []
        self._seen = 0

    def add(self, outcome: Outcome) -> None:
        """Take one clean input."""
        self._seen += 1
        if len(self._first) < MOST_CLEAN:
            self._first.append(outcome)

    def named(self, tally: Tally) -> list[Outcome]:
        """Return all of them where they are few, and else none."""
        return [] if self.unnamed(tally) else self._first

    def unnamed(self, tally: Tally) -> int:
        """Return how many there are, with those that nobody was shown, where they are too many to be named."""
        count = self._seen + tally.unlisted
        return count if count > MOST_CLEAN else 0
