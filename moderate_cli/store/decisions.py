"""What did people decide about results? Each decision is kept, also one that was undone; no run imports this module."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from moderate_cli.models import Decision, DecisionWord
from moderate_cli.records import decision_record
from moderate_cli.store.database import Database, from_column, to_column, unknown_request

_NAMES = "value, person, at, note, expires, undone_at, undone_by"
_INSERT = "INSERT INTO decisions (result, value, person, at, note, expires) VALUES (?, ?, ?, ?, ?, ?)"
_SAME = "SELECT 1 FROM decisions WHERE result = ? AND at = ? AND value = ? AND person IS ?"
_STANDING = "SELECT result FROM decisions WHERE number = ? AND undone_at IS NULL"
_UNDO = "UPDATE decisions SET undone_at = ?, undone_by = ? WHERE number = ?"
_STANDS = """
    UPDATE results SET decision = (
        SELECT value FROM decisions WHERE result = results.number AND undone_at IS NULL ORDER BY number DESC LIMIT 1
    ) WHERE number = ?
"""


class StoredDecision(Decision, frozen=True, kw_only=True):
    """A decision in the store, and whether, when (Unix seconds) and by whom it was undone."""

    undone_at: float | None = None
    undone_by: str | None = None


def newest(decisions: Sequence[StoredDecision]) -> Decision | None:
    """Return the newest decision that was not undone, or None."""
    standing = (each for each in reversed(decisions) if each.undone_at is None)
    return next((Decision(each.value, each.by, each.at, each.note, each.expires) for each in standing), None)


def add_decision(connection: sqlite3.Connection, result: int, decision: Decision, now: float) -> int:
    """Store a decision about a result inside a transaction, and return its number; without a time it is of `now`."""
    person, note = to_column(decision.by), to_column(decision.note)
    at = now if decision.at is None else decision.at
    row = (result, DecisionWord(decision.value), person, at, note, decision.expires)
    number = connection.execute(_INSERT, row).lastrowid
    connection.execute(_STANDS, (result,))
    return int(number or 0)


def knows_decision(connection: sqlite3.Connection, result: int, decision: Decision) -> bool:
    """Return whether a decision is stored already, as one that is read from a file again."""
    found = (result, decision.at, decision.value, to_column(decision.by))
    return connection.execute(_SAME, found).fetchone() is not None


def undo_decision(connection: sqlite3.Connection, number: int, person: str | None, now: float) -> int | None:
    """Take a decision back inside a transaction, and return the number of its result; None where it is already."""
    row = connection.execute(_STANDING, (number,)).fetchone()
    if row is None:
        return None
    connection.execute(_UNDO, (now, to_column(person), number))
    connection.execute(_STANDS, (row["result"],))
    return int(row["result"])


def results_of(connection: sqlite3.Connection, request_id: str) -> list[int]:
    """Return the numbers of the results of a request; raises StoreError for none."""
    key = to_column(request_id)
    numbers = [row["number"] for row in connection.execute("SELECT number FROM results WHERE request_id = ?", (key,))]
    if not numbers:
        raise unknown_request(request_id)
    return numbers


def with_decision(database: Database, result: int, record: dict[str, Any]) -> None:
    """Put the newest decision that stands into the record of a result."""
    if decision := newest(decisions_on(database, [result]).get(result, ())):
        record["decision"] = decision_record(decision)


def decisions_on(database: Database, results: Sequence[int]) -> dict[int, tuple[StoredDecision, ...]]:
    """Return the decisions by the number of their result, oldest first."""
    marks = ", ".join("?" * len(results))
    sql = f"SELECT result, {_NAMES} FROM decisions WHERE result IN ({marks}) ORDER BY number"  # noqa: S608
    found: dict[int, tuple[StoredDecision, ...]] = {}
    for result, value, person, at, note, expires, undone_at, undone_by in database.tuples(sql, results):
        said = StoredDecision(
            value,
            from_column(person),
            at,
            from_column(note),
            expires,
            undone_at=undone_at,
            undone_by=from_column(undone_by),
        )
        found[result] = (*found.get(result, ()), said)
    return found
