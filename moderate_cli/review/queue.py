"""What does a person see next, and what did they decide? The same for the page and for the terminal."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from msgspec import Struct, field

from moderate_cli.common.errors import UsageError
from moderate_cli.models import Decision, Outcome
from moderate_cli.records import UNREADABLE, to_outcome
from moderate_cli.store import Entry, StoreError, Worklist

AHEAD = 2
"""Results that a person has at once: the one to look at, and the next, whose picture is fetched meanwhile."""

_MAX_DESKS = 32  # people, or pages, at one review
_MINUTE = 60.0  # seconds


class Action(Struct, frozen=True):
    """What was done about a result: the number of a decision, or None where it was passed over."""

    result: int
    decision: int | None
    value: str | None


class Tally(Struct):
    """What was done in a review: decisions by word, those undone not among them, and what could not be read."""

    words: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    undone: int = 0
    unreadable: int = 0

    @property
    def decided(self) -> int:
        """The number of decisions that stand."""
        return self.words.total()


class Progress(Struct, frozen=True):
    """How far a review is: decided so far, left (or more, `at_least`), and decisions a minute."""

    decided: int
    left: int
    at_least: bool
    per_minute: float


class Item(Struct, frozen=True):
    """A stored result that a person is to decide, and what it describes."""

    entry: Entry
    outcome: Outcome


class Desk:
    """What one person has before them, in one page or terminal, and what they did so far.

    It is two results, or more where something was undone.
    """

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.items: list[Item] = []
        self.passed: set[int] = set()
        self.actions: list[Action] = []

    @property
    def current(self) -> Item | None:
        """The result to decide now, or None."""
        return self.items[0] if self.items else None


class ReviewQueue:
    """Gives people at their desks one result after the other, and keeps what they decide; safe to share by threads.

    `name` tells this process from others at the same store, and `clock` counts seconds. `decided` holds the results
    that were decided here, the last decision of each; memory grows with what people do, not with what waits.
    """

    def __init__(self, worklist: Worklist, name: str, clock: Callable[[], float]) -> None:
        self._worklist = worklist
        self._name = name
        self._clock = clock
        self._begun = clock()
        self._lock = threading.RLock()
        self._desks: dict[str, Desk] = {}
        self._left: tuple[int, bool] | None = None
        self.tally = Tally()
        self.decided: dict[int, int] = {}

    def desk(self, name: str) -> Desk:
        """Return the desk of a name, with its results lent for longer, and filled; raises UsageError for too many."""
        with self._lock:
            desk = self._desks.get(name)
            if desk is None:
                if len(self._desks) >= _MAX_DESKS:
                    raise UsageError(f"{_MAX_DESKS} pages are open at this review", code="too_many_desks")
                desk = self._desks[name] = Desk(f"{self._name}:{name}")
            desk.items = [item for item in desk.items if self._worklist.renew(item.entry.number, desk.holder)]
            self._fill(desk)
            return desk

    def decide(self, desk: Desk, number: int, decision: Decision) -> None:
        """Store a decision about one of the results at a desk; raises StoreError, also where it is lost by now."""
        with self._lock:
            self._check_has(desk, number)
            try:
                stored = self._worklist.decide(number, desk.holder, decision)
            except StoreError as error:
                if error.code == "lease_lost":
                    self._drop(desk, number)
                raise
            self._drop(desk, number)
            desk.actions.append(Action(number, stored, decision.value))
            self.decided[number] = stored
            self.tally.words[decision.value] += 1
            self._count(-1)

    def skip(self, desk: Desk, number: int) -> None:
        """Pass over one of the results at a desk: others may get it, and a later review."""
        with self._lock:
            self._check_has(desk, number)
            self._worklist.give_back(number, desk.holder)
            self._drop(desk, number)
            desk.actions.append(Action(number, None, None))
            self.tally.skipped += 1

    def undo(self, desk: Desk, person: str | None) -> bool:
        """Take back what was done last at a desk, and put its result first; return False if there is nothing."""
        with self._lock:
            if not desk.actions:
                return False
            action = desk.actions.pop()
            desk.passed.discard(action.result)
            if action.decision is None:
                self.tally.skipped -= 1
                found = action.result if self._worklist.renew(action.result, desk.holder) else None
            else:
                found = self._worklist.undo(action.decision, desk.holder, person)
                self.tally.words[str(action.value)] -= 1
                self.tally.undone += 1
                self.decided.pop(action.result, None)
                self._count(1)
            entry = self._worklist.entry(found) if found is not None else None
            item = _item(entry) if entry is not None else None
            if item is not None:
                desk.items.insert(0, item)
            return True

    def progress(self) -> Progress:
        """Return how far the review is."""
        with self._lock:
            if self._left is None:
                waiting = self._worklist.waiting()
                self._left = waiting.count, waiting.at_least
            minutes = max(self._clock() - self._begun, 1.0) / _MINUTE
            decided = self.tally.decided
            return Progress(decided, self._left[0], self._left[1], round(decided / minutes, 1))

    def shows(self, number: int) -> Outcome | None:
        """Return a result that is at some desk now, and None for all others."""
        with self._lock:
            items = (item for desk in self._desks.values() for item in desk.items)
            return next((item.outcome for item in items if item.entry.number == number), None)

    def close(self) -> None:
        """Let others have what was not decided."""
        with self._lock:
            for desk in self._desks.values():
                for item in desk.items:
                    self._worklist.give_back(item.entry.number, desk.holder)
                desk.items.clear()

    def _fill(self, desk: Desk) -> None:
        while len(desk.items) < AHEAD:
            passed = desk.passed | {item.entry.number for item in desk.items}
            entry = self._worklist.take(desk.holder, passed)
            if entry is None:
                self._left = None  # to be counted again: others may have decided some
                return
            item = _item(entry)
            if item is None:
                desk.passed.add(entry.number)
                self.tally.unreadable += 1
                self._worklist.give_back(entry.number, desk.holder)
            else:
                desk.items.append(item)

    def _check_has(self, desk: Desk, number: int) -> None:
        if all(item.entry.number != number for item in desk.items):
            raise UsageError(f"result {number} is not at this desk", code="not_at_desk")

    def _drop(self, desk: Desk, number: int) -> None:
        desk.items = [item for item in desk.items if item.entry.number != number]
        desk.passed.add(number)

    def _count(self, change: int) -> None:
        if self._left is not None:
            self._left = max(0, self._left[0] + change), self._left[1]


def _item(entry: Entry) -> Item | None:
    try:
        return Item(entry, to_outcome(entry.record))
    except UNREADABLE:
        return None
