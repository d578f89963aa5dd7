"""The counts of a run in the order in which people read them."""

from __future__ import annotations

from moderate_cli.records import Tally
from moderate_cli.verdicts import RiskLevel


def counts(tally: Tally) -> list[tuple[str, int]]:
    """Return how many inputs there are of each level, the highest first, and how many have no verdict; none is zero."""
    levels = [(level.value, tally.levels[level]) for level in reversed(RiskLevel)]
    others = [("pending", tally.pending), ("skipped", tally.skipped), ("failed", tally.failed)]
    return [(word, count) for word, count in levels + others if count]
