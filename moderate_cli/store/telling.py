"""Telling: the result of a task counts as told once the run that it belongs to has finished.

Until then the run may be killed before its table or its report is written, and the service gives a result only once: so
what no finished run has told is there for the next one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moderate_cli.store import tasks
from moderate_cli.store.columns import from_column
from moderate_cli.store.database import Database
from moderate_cli.store.reading import read_record
from moderate_cli.store.tasks import Task

PAGE = 200
"""Results that are in memory at once."""

UNTOLD = """
    SELECT number, finishes, record, judged_at, run FROM results
    WHERE told = 0 AND number > ? AND number <= ? ORDER BY number LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Untold:
    """The result of a task, of which no finished run has told.

    `record` is of schema 2 (as it was stored where nobody can read it), `judged_at` (Unix seconds) when it was stored,
    `run` that which was cut off or is still at work, and `task` what is known of the task, if it was submitted here.
    """

    req_id: str
    record: dict[str, Any]
    judged_at: float
    run: int | None
    task: Task | None


def untold(database: Database) -> Iterator[Untold]:
    """Yield what no finished run has told; see `Store.untold`."""
    newest = int(database.read("SELECT coalesce(max(number), 0) FROM results")[0][0])
    return _untold(database, newest)


def _untold(database: Database, newest: int) -> Iterator[Untold]:
    after = 0
    while rows := database.read(UNTOLD, (after, newest, PAGE)):
        for row in rows:
            found = database.read(tasks.BY_ID, (row["finishes"],))
            yield _as_untold(row, tasks.to_task(found[0]) if found else None)
        after = rows[-1]["number"]


def _as_untold(row: sqlite3.Row, task: Task | None) -> Untold:
    record = read_record(row["record"], row["judged_at"])
    return Untold(from_column(row["finishes"]), record, row["judged_at"], row["run"], task)
