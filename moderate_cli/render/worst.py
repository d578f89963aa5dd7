"""The worst of many, in memory that does not grow with their number."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from moderate_cli.verdicts import Judged, Outcome, Pending

T = TypeVar("T")
Place = tuple[Any, ...]


class Worst(Generic[T]):
    """Keeps the things of the lowest places, at most so many, and counts those that it let go."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[_Kept[T]] = []
        self._seen = 0

    def add(self, place: Place, thing: T) -> None:
        """Take one thing; of two at the same place the earlier one stands first."""
        self._seen += 1
        kept = _Kept((*place, self._seen), thing)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, kept)
        else:
            heapq.heappushpop(self._kept, kept)

    @property
    def left_out(self) -> int:
        """How many things are not kept."""
        return self._seen - len(self._kept)

    def in_order(self) -> list[T]:
        """Return what is kept, by place."""
        return [kept.thing for kept in sorted(self._kept, reverse=True)]


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    """A thing in a heap whose top is the highest place, which is the first to go."""

    place: Place
    thing: T

    def __lt__(self, other: _Kept[T]) -> bool:
        return self.place > other.place


def place_of(outcome: Outcome) -> Place:
    """Return the place of an outcome: findings by their level, what has no verdict or a part without one, the rest.

    Of images without findings, those come first of whose answers there is something to say.
    """
    if isinstance(outcome, Judged):
        verdict = outcome.verdict
        if rank := verdict.gate_level.rank:
            return -rank, outcome.item.source
        has_more = bool(verdict.coverage or verdict.notes or verdict.labels)
        return 0 if verdict.is_unanswered else 2 if has_more else 3, outcome.item.source
    return 1 if isinstance(outcome, Pending) else 0, outcome.item.source
