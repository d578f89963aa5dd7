"""Which result is a person to decide next? Each is lent to one at a time, for a while; no run imports this module."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.common.errors import ExitCode
from moderate_cli.models import NO_FINDING, Decision, RiskLevel
from moderate_cli.store.database import Database, StoreError, to_column
from moderate_cli.store.decisions import add_decision, undo_decision
from moderate_cli.store.inserting import insert_result
from moderate_cli.store.queries import Entry, Filters, Sql, conditions, decided, entries_of, joined, newest_numbers
from moderate_cli.store.text_search import contains

LEASE = 600.0
"""Seconds for which a result is lent; whoever looks at it for longer renews that."""

_FIRST_PAGE, _PAGE = 2, 64  # numbers that are read at once, more each time, so that the first is there soon
MAX_PASSED = 1_000
"""Results of images with later ones that are passed over in a row before these images are looked for themselves."""
_BATCH = 500  # records that are taken in in one transaction
MAX_COUNTED = 10_000
"""Results that are looked at to tell how many wait; more are "at least" as many as are found among these."""

_INDEXED = frozenset({RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW})
# The condition of the index `results_undecided`, word by word, without which SQLite does not use it.
_UNDECIDED = "decision IS NULL AND risk_level IN ('high', 'medium', 'low')"
_FROM_INDEX = f"SELECT number FROM results INDEXED BY results_undecided WHERE {_UNDECIDED}"  # noqa: S608 - a constant
_FROM_ALL = "SELECT number FROM results WHERE TRUE"
_LISTED = "CREATE TEMP TABLE IF NOT EXISTS listed (result INTEGER PRIMARY KEY)"
_SAME = """
    SELECT number FROM results
    WHERE source IS ? AND services IS ? AND operation IS ? AND sha256 IS ? AND request_id IS ? AND status = 'judged'
    ORDER BY number DESC LIMIT 1
"""
_LEND = """
    INSERT INTO leases (result, holder, until) VALUES (?1, ?2, ?3)
    ON CONFLICT (result) DO UPDATE SET holder = ?2, until = ?3 WHERE leases.until <= ?4 OR leases.holder = ?2
"""
_GIVE_BACK = "DELETE FROM leases WHERE result = ? AND holder = ?"
_FORGET = "DELETE FROM leases WHERE until <= ?"
_BEYOND = 2**63 - 1


class Order(StrEnum):
    """What comes first: the highest level, and of one level the newest; or the oldest of all levels."""

    WORST = "worst"
    OLDEST = "oldest"


class Waiting(Struct, frozen=True):
    """How many results wait for a decision, or `at_least` so many; those that are lent wait too."""

    count: int
    at_least: bool


def lost(number: int) -> StoreError:
    """Return the error for a result that is lent to somebody else by now, or was decided."""
    return StoreError(f"result {number} is with somebody else by now", code="lease_lost", exit_code=ExitCode.USAGE)


class Worklist:
    """The results that match some filters, for people to decide; safe to share between threads and processes.

    The filters name at least one level. A result that was passed over comes again once all others did. They are found
    by an index, some at a time: memory takes eight bytes an image at most, however many results each has. Every method
    may raise StoreError.
    """

    def __init__(self, database: Database, clock: Callable[[], float], filters: Filters, order: Order) -> None:
        self._database = database
        self._clock = clock
        self._filters = filters
        self._order = order
        self._is_listed = False
        self._walk: Iterator[int] = iter(())

    def only(self, records: Iterable[Mapping[str, Any]], run: int | None) -> int:
        """Limit it to some records, store those that the store does not have, and return how many these are."""
        added = 0
        rest = iter(records)
        while batch := list(islice(rest, _BATCH)):
            with self._database.write() as connection:
                connection.execute(_LISTED)
                for record in batch:
                    number = _known(connection, record)
                    if number is None:
                        number = _take_in(connection, record, run, self._clock())
                        added += 1
                    connection.execute("INSERT OR IGNORE INTO temp.listed (result) VALUES (?)", (number,))
        self._is_listed = True
        return added

    def take(self, holder: str, passed: Collection[int]) -> Entry | None:
        """Lend the next result, except those in `passed`, and return it; None if there is none for now."""
        for is_anew in (False, True):
            if is_anew:
                self._walk = self._numbers()
            for number in self._walk:
                entry = self._lent(number, holder) if number not in passed else None
                if entry is not None:
                    return entry
        return None

    def _lent(self, number: int, holder: str) -> Entry | None:
        """Lend a result if it still waits, nobody else has it, and its text is the one that is meant."""
        if not self.renew(number, holder):
            return None
        entry = self.entry(number)
        if entry is not None and (self._filters.text is None or contains(entry.record, self._filters.text)):
            return entry
        self.give_back(number, holder)
        return None

    def entry(self, number: int) -> Entry | None:
        """Return a result, or None if it was pruned."""
        return next(iter(entries_of(self._database, "number", number, 1)), None)

    def renew(self, number: int, holder: str) -> bool:
        """Lend a result, for longer if the holder has it; return False if it is decided, or somebody else has it."""
        where = decided(self._filters.decision) if self._filters.decision is not None else Sql("TRUE")
        now = self._clock()
        with self._database.write() as connection:
            connection.execute(_FORGET, (now,))
            sql = f"SELECT 1 FROM results WHERE number = ? AND {where.text}"  # noqa: S608 - conditions of our own
            if connection.execute(sql, (number, *where.values)).fetchone() is None:
                return False
            return connection.execute(_LEND, (number, holder, now + LEASE, now)).rowcount > 0

    def give_back(self, number: int, holder: str) -> None:
        """Let others have a result that was not decided."""
        with self._database.write() as connection:
            connection.execute(_GIVE_BACK, (number, holder))

    def decide(self, number: int, holder: str, decision: Decision) -> int:
        """Store a decision of whoever has a result, and return its number; raises StoreError (`lease_lost`).

        A lease that has ended still counts, as long as nobody else has had the result.
        """
        with self._database.write() as connection:
            if not connection.execute(_GIVE_BACK, (number, holder)).rowcount:
                raise lost(number)
            return add_decision(connection, number, decision, self._clock())

    def undo(self, decision: int, holder: str, person: str | None) -> int | None:
        """Take a decision back, and lend its result again; return its number, None if somebody else has it by now."""
        now = self._clock()
        with self._database.write() as connection:
            number = undo_decision(connection, decision, person, now)
            if number is None:
                return None
            lent = connection.execute(_LEND, (number, holder, now + LEASE, now)).rowcount > 0
        return number if lent else None

    def waiting(self) -> Waiting:
        """Return how many results wait."""
        found = counted = 0
        for level in self._levels:
            where = self._where(level)
            newest = f"{where.text} ORDER BY number DESC LIMIT {MAX_COUNTED}"
            sql = f"SELECT count(*), coalesce(sum({self._is_latest.text}), 0) FROM results WHERE number IN ({newest})"  # noqa: S608
            values = (*self._is_latest.values, *where.values)
            of_level, wait = self._database.tuples(sql, values)[0]
            counted += of_level
            found += wait
            if of_level == MAX_COUNTED:
                return Waiting(found, at_least=True)
        return Waiting(found, at_least=False)

    def _numbers(self) -> Iterator[int]:
        """Yield the numbers of the results that match, in their order."""
        if self._order is Order.OLDEST:
            yield from self._matching(self._levels)
        else:
            for level in self._levels:
                yield from self._matching([level])

    def _matching(self, levels: Sequence[RiskLevel]) -> Iterator[int]:
        """Yield the numbers that match at some levels: one by one, and by way of their images where that is far.

        An image that was judged many times has a single result that counts, and all others would be passed over.
        """
        passed, bound, size = 0, 0 if self._order is Order.OLDEST else _BEYOND, _FIRST_PAGE
        while passed < MAX_PASSED or self._filters.until is not None:
            page = self._page(levels, self._beyond(bound), size)
            for number, is_meant in page:
                passed = 0 if is_meant else passed + 1
                if is_meant:
                    yield number
            if len(page) < size:
                return
            bound, size = page[-1][0], min(2 * size, _PAGE)
        newest = newest_numbers(self._database, _BEYOND)
        numbers = reversed(newest) if self._order is Order.OLDEST else newest
        left = (number for number in numbers if (number > bound) is (self._order is Order.OLDEST) and number != bound)
        while chunk := list(islice(left, _PAGE)):
            among = Sql("number IN (SELECT value FROM json_each(?))", (json.dumps(chunk),))
            yield from (number for number, is_meant in self._page(levels, among, _PAGE) if is_meant)

    def _beyond(self, bound: int) -> Sql:
        return Sql("number > ?" if self._order is Order.OLDEST else "number < ?", (bound,))

    def _page(self, levels: Sequence[RiskLevel], among: Sql, size: int) -> list[tuple[Any, ...]]:
        """Return numbers of results in their order, and whether each is the latest where only that counts."""
        parts = [self._where(level, among) for level in levels]
        order = "number" if self._order is Order.OLDEST else "number DESC"
        found = f"{' UNION ALL '.join(part.text for part in parts)} ORDER BY {order} LIMIT ?"
        sql = f"SELECT number, {self._is_latest.text} FROM results WHERE number IN ({found}) ORDER BY {order}"  # noqa: S608
        values = [value for part in parts for value in part.values]
        return self._database.tuples(sql, (*self._is_latest.values, *values, size))

    @property
    def _levels(self) -> list[RiskLevel]:
        return sorted(map(RiskLevel, self._filters.risk_levels), key=lambda level: -level.rank)

    @property
    def _is_latest(self) -> Sql:
        """The condition that a result is the latest, where only that is meant."""
        return joined(conditions(Filters(latest=self._filters.latest, until=self._filters.until)))

    def _where(self, level: RiskLevel, *among: Sql) -> Sql:
        """Return the query for the results of a level among some, the latest or not, without an order."""
        filters = replace(self._filters, risk_levels=(), latest=False)
        is_indexed = filters.decision == "none" and level in _INDEXED
        rest = joined([Sql("risk_level = ?", (level.value,)), *conditions(filters)])
        extra = [Sql("number IN (SELECT result FROM temp.listed)")] if self._is_listed else []
        if filters.labels and NO_FINDING not in filters.labels:  # said again, for what has none is not looked at then
            marks = ", ".join("?" * len(filters.labels))
            hits = f"number IN (SELECT result FROM label_hits WHERE label IN ({marks}))"  # noqa: S608 - placeholders
            extra.append(Sql(hits, tuple(map(to_column, filters.labels))))
        where = joined([*extra, rest, *among])
        return Sql(f"{_FROM_INDEX if is_indexed else _FROM_ALL} AND {where.text}", where.values)


def _known(connection: sqlite3.Connection, record: Mapping[str, Any]) -> int | None:
    """Return the number of the newest stored result that a record is of, or None."""
    services = ",".join(str(service) for service in record.get("services") or ())
    rest = (record.get(name) for name in ("operation", "sha256", "request_id"))
    values = (record.get("source"), services, *rest)
    row = connection.execute(_SAME, [None if value is None else to_column(str(value)) for value in values]).fetchone()
    return None if row is None else int(row["number"])


def _take_in(connection: sqlite3.Connection, record: Mapping[str, Any], run: int | None, now: float) -> int:
    """Store a record of another machine, which no later run reuses, with the decision about it; return its number."""
    at = now
    with suppress(KeyError, TypeError, ValueError):
        at = datetime.fromisoformat(record["judged_at"]).timestamp()
    insert_result(connection, {**record, "decision": None}, run=run, now=at, question=None)
    number = int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])
    if said := record.get("decision"):
        with suppress(LookupError, TypeError, ValueError):  # what nobody here can read is to be decided again
            when = datetime.fromisoformat(said["at"]).timestamp() if said.get("at") else at
            decision = Decision(said["value"], said.get("by"), when, said.get("note"), said.get("expires"))
            add_decision(connection, number, decision, now)
    return number
