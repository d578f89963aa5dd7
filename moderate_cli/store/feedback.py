"""Feedback: what a person says of a verdict, told apart by the id of the request that brought it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from moderate_cli.store.columns import from_column, to_column
from moderate_cli.store.database import Database
from moderate_cli.store.problems import unknown_request


class FeedbackVerdict(StrEnum):
    """What can be wrong with a verdict (vendor's console guide, "Query detailed detection results for each image")."""

    FALSE_POSITIVE = "false-positive"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said of a verdict, and when (Unix seconds)."""

    verdict: FeedbackVerdict
    note: str | None
    at: float


def add_feedback(
    connection: sqlite3.Connection, request_id: str, verdict: FeedbackVerdict, note: str | None, now: float
) -> None:
    """Keep feedback inside a transaction; raises StoreError where no result has the id."""
    key = to_column(request_id)
    if not connection.execute("SELECT 1 FROM results WHERE request_id = ? LIMIT 1", (key,)).fetchone():
        raise unknown_request(request_id)
    row = (key, FeedbackVerdict(verdict), to_column(note), now)
    connection.execute("INSERT INTO feedback (request_id, verdict, note, at) VALUES (?, ?, ?, ?)", row)


def feedback_on(database: Database, request_ids: Sequence[Any]) -> dict[Any, tuple[Feedback, ...]]:
    """Return the feedback on each of some requests that have any, oldest first; the ids as their column holds them."""
    marks = ", ".join("?" * len(request_ids))
    sql = f"SELECT request_id, verdict, note, at FROM feedback WHERE request_id IN ({marks}) ORDER BY number"  # noqa: S608
    found: dict[Any, tuple[Feedback, ...]] = {}
    for request_id, verdict, note, at in database.tuples(sql, request_ids):
        said = Feedback(FeedbackVerdict(verdict), from_column(note), at)
        found[request_id] = (*found.get(request_id, ()), said)
    return found
