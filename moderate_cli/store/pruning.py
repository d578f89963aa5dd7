"""Forgetting what is old, in small steps between which other processes can write; no run imports this module."""

from __future__ import annotations

import time

from msgspec import Struct

from moderate_cli.store.database import Database

_BATCH = 500  # rows, or pages of the file, in one transaction
_FOLDERS = 50  # in one transaction
_PAUSE = 0.01  # seconds between two; SQLite has no queue, so that another process needs a gap to get in

# The hits of the labels and the decisions go with their result.
RESULTS = f"""
    DELETE FROM results WHERE number IN (
        SELECT number FROM results INDEXED BY results_timeline WHERE judged_at < ? LIMIT {_BATCH}
    )
"""  # noqa: S608 - a number
# A run without an end may still be running, and about to store results.
RUNS = f"""
    DELETE FROM runs WHERE number IN (
        SELECT number FROM runs WHERE started_at < ? AND finished_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM results WHERE run = runs.number) LIMIT {_BATCH}
    )
"""  # noqa: S608
TASKS = f"""
    DELETE FROM tasks WHERE number IN (
        SELECT number FROM tasks INDEXED BY tasks_by_state
        WHERE state IN ('done', 'failed', 'expired', 'lost') AND coalesce(finished_at, expires_at) < ? LIMIT {_BATCH}
    )
"""  # noqa: S608
NEXT_FOLDER = f"SELECT max(number) FROM (SELECT number FROM folders WHERE number > ? ORDER BY number LIMIT {_FOLDERS})"  # noqa: S608
FILES = "DELETE FROM files WHERE folder > ? AND folder <= ? AND judged_at < ?"
FOLDERS = """
    DELETE FROM folders WHERE number > ? AND number <= ?
    AND NOT EXISTS (SELECT 1 FROM files WHERE folder = folders.number)
"""


class Pruned(Struct, frozen=True):
    """The numbers of deleted rows."""

    results: int
    runs: int
    tasks: int
    files: int
    decisions: int


def prune(database: Database, before: float) -> Pruned:
    """Delete what is older than a time (Unix seconds); see `Store.prune`."""
    decisions = _decisions(database)
    results = _in_batches(database, RESULTS, before)
    decisions -= _decisions(database)
    runs = _in_batches(database, RUNS, before)
    tasks = _in_batches(database, TASKS, before)
    files = _files(database, before)
    _shrink(database)
    return Pruned(results, runs, tasks, files, max(0, decisions))


def _decisions(database: Database) -> int:
    return int(database.read("SELECT count(*) FROM decisions")[0][0])


def _in_batches(database: Database, sql: str, before: float) -> int:
    total = 0
    while True:
        with database.write() as connection:
            count = connection.execute(sql, (before,)).rowcount
        total += count
        if count < _BATCH:
            return total
        time.sleep(_PAUSE)


def _files(database: Database, before: float) -> int:
    total, after = 0, 0
    while (last := database.read(NEXT_FOLDER, (after,))[0][0]) is not None:
        with database.write() as connection:
            total += connection.execute(FILES, (after, last, before)).rowcount
            connection.execute(FOLDERS, (after, last))
        after = last
        time.sleep(_PAUSE)
    return total


def _shrink(database: Database) -> None:
    """Return the free space to the disk, if the file was created for incremental vacuum.

    Older files keep their size and reuse the space: a VACUUM would lock out all other processes.
    """
    free = int(database.read("PRAGMA freelist_count")[0][0])
    while free:
        database.shrink(_BATCH)
        left = int(database.read("PRAGMA freelist_count")[0][0])
        if left >= free:
            return
        free = left
        time.sleep(_PAUSE)
