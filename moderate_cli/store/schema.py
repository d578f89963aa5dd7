"""The shape of the store: migrations in the order of their numbers, which are never changed once released.

Times are Unix seconds. Text that is no valid Unicode is kept as bytes (see columns.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

APPLICATION_ID = 0x6D646572
"""What the header of the file says about who made it: "mder"."""


Work = Callable[[sqlite3.Connection], int]
"""What SQL cannot say; returns how many answers it drops, so that they are not found any more."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; its statements and the record of it are one transaction."""

    name: str
    statements: tuple[str | Work, ...]


_RUNS_AND_RESULTS = Migration(
    "runs and results",
    (
        """
        CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            command TEXT NOT NULL,
            started_at REAL NOT NULL,
            finished_at REAL,
            exit_code INTEGER,
            judged INTEGER,
            skipped INTEGER,
            failed INTEGER
        )
        """,
        # `finishes` is the id of the task whose result this is: unique, so that a result is stored once.
        """
        CREATE TABLE results (
            number INTEGER PRIMARY KEY,
            run INTEGER REFERENCES runs (number) ON DELETE SET NULL,
            judged_at REAL NOT NULL,
            status TEXT,
            source TEXT,
            sha256 TEXT,
            operation TEXT,
            services TEXT,
            risk_level TEXT,
            region TEXT,
            engine TEXT,
            request_id TEXT,
            req_id TEXT,
            data_id TEXT,
            finishes TEXT UNIQUE,
            record TEXT NOT NULL
        )
        """,
        "CREATE INDEX results_by_time ON results (judged_at)",
        "CREATE INDEX results_by_run ON results (run)",
        "CREATE INDEX results_by_source ON results (source)",
        "CREATE INDEX results_by_content ON results (sha256, judged_at) WHERE sha256 IS NOT NULL",
        "CREATE INDEX results_by_request ON results (request_id) WHERE request_id IS NOT NULL",
        "CREATE INDEX results_by_task ON results (req_id) WHERE req_id IS NOT NULL",
        "CREATE INDEX results_by_data_id ON results (data_id) WHERE data_id IS NOT NULL",
        """
        CREATE TABLE label_hits (
            result INTEGER NOT NULL REFERENCES results (number) ON DELETE CASCADE,
            label TEXT NOT NULL,
            service TEXT NOT NULL,
            confidence REAL,
            PRIMARY KEY (result, label, service)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX label_hits_by_label ON label_hits (label)",
    ),
)

_TASKS = Migration(
    "tasks",
    (
        """
        CREATE TABLE tasks (
            number INTEGER PRIMARY KEY,
            state TEXT NOT NULL,
            kind TEXT NOT NULL,
            operation TEXT NOT NULL,
            service TEXT NOT NULL,
            source TEXT NOT NULL,
            sha256 TEXT,
            size INTEGER,
            data_id TEXT,
            region TEXT,
            endpoint TEXT NOT NULL,
            profile TEXT,
            post TEXT,
            begun_at REAL NOT NULL,
            req_id TEXT,
            request_id TEXT,
            submitted_at REAL,
            expires_at REAL,
            finished_at REAL
        )
        """,
        "CREATE INDEX tasks_by_id ON tasks (req_id)",
        # An index ends with the row's number, so that the pending tasks come out of this one in their order.
        "CREATE INDEX tasks_by_state ON tasks (state)",
        "CREATE INDEX tasks_by_expiry ON tasks (state, expires_at)",
    ),
)

_FEEDBACK = Migration(
    "feedback",
    (
        """
        CREATE TABLE feedback (
            number INTEGER PRIMARY KEY,
            request_id TEXT NOT NULL,
            verdict TEXT NOT NULL,
            note TEXT,
            at REAL NOT NULL
        )
        """,
        "CREATE INDEX feedback_by_request ON feedback (request_id)",
    ),
)

# A question is an opaque key of all that changes a verdict, a subject one of what a command line was asked to judge.
# Answers are found by `results_by_content`: few are about the same content, so that the question needs no index.
_REUSE = Migration(
    "reuse",
    (
        "ALTER TABLE results ADD COLUMN question TEXT",
        "ALTER TABLE tasks ADD COLUMN question TEXT",
        "ALTER TABLE runs ADD COLUMN subject TEXT",
        "CREATE INDEX runs_by_subject ON runs (subject, command) WHERE subject IS NOT NULL",
        "CREATE INDEX results_failed ON results (run, source) WHERE status = 'failed'",
        "CREATE INDEX tasks_by_content ON tasks (sha256, question) WHERE state = 'pending'",
        "CREATE TABLE folders (number INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE)",
        """
        CREATE TABLE files (
            folder INTEGER NOT NULL REFERENCES folders (number),
            name TEXT NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            question TEXT NOT NULL,
            judged_at REAL NOT NULL,
            clean INTEGER NOT NULL,
            PRIMARY KEY (folder, name)
        ) WITHOUT ROWID
        """,
    ),
)

# All that the history and the statistics filter and group by, read from the index alone. It grows at its end, as the
# narrower one did, so that it costs a new result next to nothing; an index for each column would cost a page each.
_HISTORY = Migration(
    "history",
    (
        "DROP INDEX results_by_time",
        """
        CREATE INDEX results_timeline ON results (judged_at, status, risk_level, engine, operation, services)
        """,
    ),
)

# A digest of how all files of a folder looked when each of them was clean or no image; nothing reads it any more.
_LOOKS = Migration(
    "looks",
    (
        "ALTER TABLE folders ADD COLUMN look BLOB",
        "ALTER TABLE folders ADD COLUMN question TEXT",
        "ALTER TABLE folders ADD COLUMN judged_at REAL",
        "ALTER TABLE folders ADD COLUMN passed_over INTEGER",
    ),
)


def _work_anew(connection: sqlite3.Connection) -> int:
    from moderate_cli.store.rework import work_anew  # once in the life of a store

    return work_anew(connection)


# What a record of schema 2 says and one of schema 1 did not. `told` says that a finished run has told of a result; only
# results of tasks are asked for it, and those of 0.1.0's `listen`, which belong to no run, were printed. The index from
# which statistics are read gets the billed calls, and is made again once all rows have them.
_SCHEMA_2 = Migration(
    "schema 2",
    (
        "ALTER TABLE results ADD COLUMN billed_calls INTEGER",
        "ALTER TABLE results ADD COLUMN told INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE tasks ADD COLUMN extents TEXT",
        "DROP INDEX results_timeline",
        _work_anew,
        """
        CREATE INDEX results_timeline
        ON results (judged_at, status, risk_level, engine, operation, services, billed_calls)
        """,
        """
        UPDATE results SET told = 0
        WHERE finishes IS NOT NULL AND run IN (SELECT number FROM runs WHERE finished_at IS NULL)
        """,
        # Its entries are in the order of the rows' numbers.
        "CREATE INDEX results_untold ON results (told) WHERE told = 0",
    ),
)

# An older version that still reads the digests must not find one that no finding has ended: it refuses the store now.
# The columns stay, because SQLite before 3.35 drops none, and Python 3.11 is still built with such.
_NO_LOOKS = Migration(
    "no looks",
    (
        """
        UPDATE folders SET look = NULL, question = NULL, judged_at = NULL, passed_over = NULL
        WHERE look IS NOT NULL OR question IS NOT NULL
        """,
    ),
)

MIGRATIONS = (_RUNS_AND_RESULTS, _TASKS, _FEEDBACK, _REUSE, _HISTORY, _LOOKS, _SCHEMA_2, _NO_LOOKS)
