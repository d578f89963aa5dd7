"""Tasks: what the service was asked to judge later, from before the asking until the answer."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields
from enum import StrEnum

from moderate_cli.store.columns import from_column, to_column
from moderate_cli.verdicts import TaskKind


class TaskState(StrEnum):
    """The life of a task; one whose submission was cut off is `lost`: nobody knows whether the service has it."""

    SUBMITTING = "submitting"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What is about to be submitted.

    `post` is the JSON of a post, `extents` that of what its images consist of, `profile` names the credentials to poll
    with, and `question` is the key by which an answer is found again.
    """

    kind: TaskKind
    operation: str
    service: str
    source: str
    endpoint: str
    region: str | None = None
    sha256: str | None = None
    size: int | None = None
    data_id: str | None = None
    profile: str | None = None
    post: str | None = None
    extents: str | None = None
    question: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(NewTask):
    """A task in the store. `req_id` is the key to its result, known from `pending` on."""

    number: int
    state: TaskState
    begun_at: float
    req_id: str | None
    request_id: str | None
    submitted_at: float | None
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class LostTasks:
    """Submissions that were cut off before they were answered: how many, and the first of them."""

    count: int
    first: tuple[Task, ...]


_NEW = tuple(field.name for field in fields(NewTask))
_ALL = tuple(field.name for field in fields(Task))
# The names in these statements are those of the fields above.
INSERT = f"INSERT INTO tasks (state, begun_at, {', '.join(_NEW)}) VALUES ('submitting', ?{', ?' * len(_NEW)})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_ALL)} FROM tasks"  # noqa: S608
ACCEPT = "UPDATE tasks SET state = ?, req_id = ?, request_id = ?, submitted_at = ?, expires_at = ? WHERE number = ?"
COMPLETE = """
    UPDATE results SET question = coalesce(question, (SELECT question FROM tasks WHERE number = ?1)),
        sha256 = coalesce(sha256, (SELECT sha256 FROM tasks WHERE number = ?1))
    WHERE finishes = ?2
"""
DROP = "DELETE FROM tasks WHERE number = ? AND state IN ('submitting', 'lost')"
FINISH = "UPDATE tasks SET state = ?, finished_at = ? WHERE req_id = ? AND state IN ('pending', 'expired')"
EXPIRE = "UPDATE tasks SET state = 'expired' WHERE req_id = ? AND state = 'pending'"
BY_ID = f"{_SELECT} WHERE req_id = ? ORDER BY number DESC LIMIT 1"
BY_NUMBER = f"{_SELECT} WHERE number = ?"
PENDING = f"{_SELECT} WHERE state = 'pending' AND number > ? AND number <= ? ORDER BY number LIMIT ?"
PENDING_OF_KIND = (
    f"{_SELECT} WHERE state = 'pending' AND number > ? AND number <= ? AND kind = ? ORDER BY number LIMIT ?"
)
# The plus keeps SQLite from the index by expiry, which holds all pending tasks instead of a few.
OF_CONTENT = f"""{_SELECT}
    WHERE state = 'pending' AND sha256 = ? AND question = ? AND +expires_at > ? ORDER BY number DESC LIMIT 1
"""
QUESTION = "SELECT question FROM tasks WHERE req_id = ? ORDER BY number DESC LIMIT 1"
_CUT_OFF = "WHERE state = 'submitting' AND begun_at <= ?"
CUT_OFF = f"{_SELECT} {_CUT_OFF} ORDER BY number LIMIT ?"
CLOSE_LOST = f"UPDATE tasks SET state = 'lost', finished_at = ? {_CUT_OFF}"  # noqa: S608


def new_row(task: NewTask) -> list[object]:
    """Return the values of a new task, in the order of `INSERT`."""
    values = (getattr(task, name) for name in _NEW)
    return [to_column(value) if isinstance(value, str) else value for value in values]


def to_task(row: sqlite3.Row) -> Task:
    """Return a task from a row of one of the queries above."""
    values = {name: from_column(row[name]) for name in _ALL}
    return Task(**values | {"state": TaskState(values["state"])})
