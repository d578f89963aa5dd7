"""The history: stored results, newest first, in pages, so that memory stays flat however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from moderate_cli.store.database import Database
from moderate_cli.store.feedback import Feedback, feedback_on
from moderate_cli.store.filters import Filters, Sql, candidates, conditions, joined
from moderate_cli.store.reading import read_record

PAGE = 200
"""Results that are in memory at once."""

# The rows are found by their numbers, whatever other index SQLite thinks of.
_SELECT = "SELECT number, record, judged_at, run, request_id FROM results NOT INDEXED WHERE"
_Page = list[sqlite3.Row]


@dataclass(frozen=True, slots=True)
class Entry:
    """One result of the past: its record, when it was stored (Unix seconds), in which run, and what people said.

    The record is of schema 2, or as it was stored where nobody can read it.
    """

    record: dict[str, Any]
    judged_at: float
    run: int | None
    feedback: tuple[Feedback, ...]


def history(database: Database, filters: Filters) -> Iterator[Entry]:
    """Yield the results that are meant; see `Store.history`."""
    return islice(_entries(database, filters), filters.limit)


def _entries(database: Database, filters: Filters) -> Iterator[Entry]:
    where = joined(conditions(filters))
    query = candidates(filters)
    pages = _backwards(database, where) if query is None else _of_candidates(database, query, where)
    for page in pages:
        said = feedback_on(database, [row["request_id"] for row in page])
        for row in page:
            feedback = said.get(row["request_id"], ())
            yield Entry(read_record(row["record"], row["judged_at"]), row["judged_at"], row["run"], feedback)


def _backwards(database: Database, where: Sql) -> Iterator[_Page]:
    sql = f"{_SELECT} number < ? AND {where.text} ORDER BY number DESC LIMIT {PAGE}"
    before = 2**63 - 1
    while page := database.read(sql, (before, *where.values)):
        yield page
        before = page[-1]["number"]


def _of_candidates(database: Database, query: Sql, where: Sql) -> Iterator[_Page]:
    numbers = database.numbers(query.text, query.values)
    for start in range(0, len(numbers), PAGE):
        part = numbers[start : start + PAGE]
        marks = ", ".join("?" * len(part))
        sql = f"{_SELECT} number IN ({marks}) AND {where.text} ORDER BY number DESC"
        yield database.read(sql, (*part, *where.values))
