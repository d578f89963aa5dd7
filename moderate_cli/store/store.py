"""The store: runs, results and tasks; each row is committed before its method returns."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct
from msgspec.structs import fields, replace

from moderate_cli.models import Engine, TaskKind
from moderate_cli.records import to_json
from moderate_cli.store import reuse
from moderate_cli.store.database import (
    Database,
    check_owner,
    from_column,
    migrate,
    prepare,
    protect,
    read_record,
    to_column,
)
from moderate_cli.store.reuse import Answer, Found, Seen, SeenFile

if TYPE_CHECKING:
    from moderate_cli.store.queries import (
        Entry,
        FeedbackVerdict,
        Filters,
        LabelCount,
        Period,
        Pruned,
        Usage,
    )

_TEXTS = (
    "status",
    "source",
    "sha256",
    "operation",
    "risk_level",
    "region",
    "engine",
    "request_id",
    "req_id",
    "data_id",
)
# What finishes a task is not told yet; see telling.py.
_INSERT = f"""
    INSERT INTO results (run, judged_at, question, services, finishes, told, billed_calls, record, {", ".join(_TEXTS)})
    VALUES (?, ?, ?, ?, ?5, ?5 IS NULL, ?, ?{", ?" * len(_TEXTS)})
    ON CONFLICT (finishes) DO NOTHING
"""  # noqa: S608 - the names are those above


def insert_result(
    connection: sqlite3.Connection,
    record: Mapping[str, Any],
    *,
    run: int | None,
    now: float,
    question: str | None,
    finishes: str | None = None,
) -> bool:
    """Store a record inside a transaction; False where the task that it `finishes` has a result already."""
    services = to_column(",".join(str(service) for service in record.get("services") or ()))
    facts = (run, now, question, services, to_column(finishes), record.get("billed_calls"), to_json(record))
    cursor = connection.execute(_INSERT, (*facts, *(_text(record.get(name)) for name in _TEXTS)))
    if not cursor.rowcount:
        return False
    hits = ((cursor.lastrowid, label, service, number) for (label, service), number in _hits(record).items())
    connection.executemany("INSERT INTO label_hits (result, label, service, confidence) VALUES (?, ?, ?, ?)", hits)
    return True


def _hits(record: Mapping[str, Any]) -> dict[tuple[Any, Any], float | None]:
    """Return each label with the service that found it, once, in however many parts it stands, and the most sure.

    The service is empty where several were asked and the answer does not tell which it was, or none is known.
    """
    services = record.get("services") or ()
    only = next(iter(services)) if len(services) == 1 else ""
    hits: dict[tuple[Any, Any], float | None] = {}
    for label in record.get("labels") or ():
        key = to_column(str(label["label"])), to_column(str(label.get("service") or only))
        confidence, known = label.get("confidence"), hits.get(key)
        hits[key] = confidence if known is None else max(known, confidence or 0.0)
    return hits


def _text(value: object) -> str | bytes | None:
    return None if value is None else to_column(str(value))


class TaskState(StrEnum):
    """The life of a task; one whose submission was cut off is `lost`: nobody knows whether the service has it."""

    SUBMITTING = "submitting"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    LOST = "lost"


class NewTask(Struct, frozen=True, kw_only=True):
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


class Task(NewTask, frozen=True, kw_only=True):
    """A task in the store. `req_id` is the key to its result, known from `pending` on."""

    number: int
    state: TaskState
    begun_at: float
    req_id: str | None
    request_id: str | None
    submitted_at: float | None
    expires_at: float | None


class LostTasks(Struct, frozen=True):
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


PAGE = 200
"""Results that are in memory at once."""

UNTOLD = """
    SELECT number, finishes, record, judged_at, run FROM results
    WHERE told = 0 AND number > ? AND number <= ? ORDER BY number LIMIT ?
"""


class Untold(Struct, frozen=True):
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
            found = database.read(BY_ID, (row["finishes"],))
            yield _as_untold(row, to_task(found[0]) if found else None)
        after = rows[-1]["number"]


def _as_untold(row: sqlite3.Row, task: Task | None) -> Untold:
    record = read_record(row["record"], row["judged_at"])
    return Untold(from_column(row["finishes"]), record, row["judged_at"], row["run"], task)


# What is about the past is imported by the methods that ask for it, and so never by a run.

PATIENCE = 30.0
"""Seconds to wait for another process that holds the store."""

_BEGIN_RUN = "INSERT INTO runs (command, subject, started_at) VALUES (?, ?, ?)"
_FINISH_RUN = "UPDATE runs SET finished_at = ?, exit_code = ?, judged = ?, skipped = ?, failed = ? WHERE number = ?"
_TELL_RUN = "UPDATE results SET told = 1 WHERE told = 0 AND run = ?"
_TELL = "UPDATE results SET told = 1 WHERE told = 0 AND finishes = ?"
_CLAIM = "UPDATE results SET run = ? WHERE told = 0 AND finishes = ?"
_PAGE = 200  # rows that are in memory at once while tasks are streamed
_LOST_NAMED = 10  # tasks
# As the question of a result it is none, and also not one that only the task knows, which is accepted a moment later.
_NO_QUESTION = ""


class Store:
    """What was asked and answered; safe to share between threads, and with other processes.

    Every method may raise StoreError. Times are Unix seconds, taken from `clock` where none is given. `dropped` is how
    many answers of an earlier version are not found any more since the store was opened, because they are not reliable.
    """

    def __init__(self, database: Database, clock: Callable[[], float], dropped: int = 0) -> None:
        self._database = database
        self._clock = clock
        self.dropped = dropped

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] = time.time, patience: float = PATIENCE) -> Self:
        """Open a store, or make one: its folders, its file with mode 0600, and the tables of this version.

        Raises StoreError for what is not a store, was made by a newer version, cannot be written, or stays locked for
        longer than `patience` seconds.
        """
        database = Database(prepare(path), patience=patience)
        try:
            check_owner(database)
            database.use_write_ahead_log()
            dropped = migrate(database, clock())
            protect(database.path)
        except BaseException:
            database.close()
            raise
        return cls(database, clock, dropped)

    def close(self) -> None:
        """Close the store; twice does no harm."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._database.path

    def begin_run(self, command: str, *, subject: str | None = None) -> int:
        """Record that a command began, and return the number of its run.

        `command` is its name without arguments, `subject` a key of what its arguments ask it to judge.
        """
        with self._database.write() as connection:
            cursor = connection.execute(_BEGIN_RUN, (command, subject, self._clock()))
            return int(cursor.lastrowid or 0)

    def finish_run(self, run: int, *, exit_code: int, judged: int, skipped: int, failed: int) -> None:
        """Record how a run ended, and that its results of tasks are told; one without an end was cut off."""
        with self._database.write() as connection:
            connection.execute(_FINISH_RUN, (self._clock(), int(exit_code), judged, skipped, failed, run))
            connection.execute(_TELL_RUN, (run,))

    def last_run(self, command: str, subject: str, *, before: int | None = None) -> int | None:
        """Return the number of the newest run of a command on a subject, or of the newest before another run."""
        return reuse.last_run(self._database, command, subject, before)

    def failed_in(self, run: int, source: str) -> bool:
        """Tell whether an input failed in a run."""
        return bool(self._database.read(reuse.FAILED_IN, (run, to_column(source))))

    def add_result(
        self,
        run: int | None,
        record: Mapping[str, Any],
        *,
        question: str | None = None,
        file: SeenFile | None = None,
    ) -> None:
        """Store the record of an outcome that belongs to no task; `finish_task` is for those that do.

        With a `question` a later call finds the answer again. A `file` is remembered in the same transaction; it needs
        a question, and a record with the hash of its content.
        """
        now = self._clock()
        with self._database.write() as connection:
            insert_result(connection, record, run=run, now=now, question=question)
            if file is not None and question is not None:
                reuse.remember(connection, file, record["sha256"], question, now)

    def find_answer(
        self, sha256: str, question: str, *, since: float | None = None, run: int | None = None
    ) -> Answer | None:
        """Return the newest verdict on a content that answers a question.

        It counts if it was given at `since` or later, or in the run with the number `run`.
        """
        return reuse.find_answer(self._database, sha256, question, since, run)

    def clean_in(self, folder: str, question: str, *, since: float, names: Sequence[str] | None = None) -> list[Found]:
        """Return the files of a folder, or those with some names, that were clean when a question was last answered.

        That was at `since` or later. They come in the order of their names.
        """
        return reuse.clean_in(self._database, folder, question, since, names)

    def seen_in(self, folder: str, *, names: Sequence[str] | None = None) -> Mapping[str, Seen]:
        """Return what is known of the files of a folder, or of those with some names, by name."""
        return reuse.seen_in(self._database, folder, names)

    def remember_file(self, file: SeenFile, sha256: str, question: str, *, judged_at: float) -> None:
        """Keep the hash of a file and when the question was last answered, so that it need not be read again."""
        with self._database.write() as connection:
            reuse.remember(connection, file, sha256, question, judged_at)

    def begin_task(self, task: NewTask) -> int:
        """Record a task before its submission is sent, and return its number."""
        with self._database.write() as connection:
            cursor = connection.execute(INSERT, (self._clock(), *new_row(task)))
            return int(cursor.lastrowid or 0)

    def accept_task(
        self, number: int, *, req_id: str, submitted_at: float, expires_at: float, request_id: str | None
    ) -> None:
        """Record the id under which the service has accepted a task.

        A callback can be quicker than this; then the task has its result, and is not pending any more.
        """
        key = to_column(req_id)
        with self._database.write() as connection:
            found = connection.execute("SELECT status FROM results WHERE finishes = ?", (key,)).fetchone()
            state = _final_state(found["status"]) if found else TaskState.PENDING
            row = (state, key, to_column(request_id), submitted_at, expires_at, number)
            connection.execute(ACCEPT, row)
            if found:  # it came without what only the task knows
                connection.execute(COMPLETE, (number, key))

    def drop_task(self, number: int) -> None:
        """Forget a task whose submission failed, so that the service has none."""
        with self._database.write() as connection:
            connection.execute(DROP, (number,))

    def pending_tasks(self, *, kind: TaskKind | None = None) -> Iterator[Task]:
        """Yield the tasks that are pending now, oldest first; memory does not grow with their number.

        Tasks that are accepted after this call are not among them, nor those that are finished before their turn.
        """
        newest = int(self._database.read("SELECT coalesce(max(number), 0) FROM tasks")[0][0])
        return self._pending(newest, kind)

    def _pending(self, newest: int, kind: TaskKind | None) -> Iterator[Task]:
        after = 0
        while True:
            if kind is None:
                rows = self._database.read(PENDING, (after, newest, _PAGE))
            else:
                rows = self._database.read(PENDING_OF_KIND, (after, newest, kind, _PAGE))
            if not rows:
                return
            yield from map(to_task, rows)
            after = rows[-1]["number"]

    def find_task(self, req_id: str) -> Task | None:
        """Return the task with an id of the service, the newest where there are several."""
        rows = self._database.read(BY_ID, (to_column(req_id),))
        return to_task(rows[0]) if rows else None

    def find_pending(self, sha256: str, question: str) -> Task | None:
        """Return the newest task, pending and not expired, that will answer a question about a content."""
        rows = self._database.read(OF_CONTENT, (sha256, question, self._clock()))
        return to_task(rows[0]) if rows else None

    def finish_task(
        self, req_id: str, record: Mapping[str, Any], run: int | None = None, *, reusable: bool = True
    ) -> bool:
        """Store the result of a task and mark the task as done or failed, both or neither.

        The result counts as told when its run has finished, or by `mark_told`. One that is not `reusable` is no answer
        to the task's question. Returns False, and stores nothing, where the task was finished before, by whichever
        process. The id may be one that no task here has: the callback of a task that another machine submitted.
        """
        now, key = self._clock(), to_column(req_id)
        with self._database.write() as connection:
            asked = connection.execute(QUESTION, (key,)).fetchone() if reusable else (_NO_QUESTION,)
            question = asked[0] if asked else None
            is_new = insert_result(connection, record, run=run, now=now, question=question, finishes=req_id)
            if is_new:
                connection.execute(FINISH, (_final_state(record.get("status")), now, key))
            return is_new

    def untold(self) -> Iterator[Untold]:
        """Yield the results of tasks of which no finished run has told, oldest first; memory does not grow with them.

        Results that are stored after this call are not among them, nor those that are told before their turn. A run
        that is still at work has not told its own.
        """
        return untold(self._database)

    def claim(self, req_id: str, run: int) -> bool:
        """Let an untold result belong to a run, with whose end it is told; False where it is told by now."""
        with self._database.write() as connection:
            return connection.execute(_CLAIM, (run, to_column(req_id))).rowcount > 0

    def mark_told(self, req_id: str) -> None:
        """Record that the result of a task is told, whatever becomes of its run."""
        with self._database.write() as connection:
            connection.execute(_TELL, (to_column(req_id),))

    def expire_task(self, req_id: str) -> bool:
        """Mark a pending task whose result the service has forgotten; False where it was marked or finished before.

        No result is stored: where one should come all the same, `finish_task` still takes it.
        """
        with self._database.write() as connection:
            return connection.execute(EXPIRE, (to_column(req_id),)).rowcount > 0

    def close_lost(self, *, older_than: float) -> LostTasks:
        """Mark the submissions, begun more than so many seconds ago, that were cut off before their answer as lost.

        Returns how many they are and the first ten, to one caller alone. One whose answer comes after all is accepted.
        """
        now = self._clock()
        before = now - older_than
        if not self._database.read(CUT_OFF, (before, 1)):
            return LostTasks(0, ())
        with self._database.write() as connection:
            first = connection.execute(CUT_OFF, (before, _LOST_NAMED)).fetchall()
            count = connection.execute(CLOSE_LOST, (now, before)).rowcount
        return LostTasks(count, tuple(replace(to_task(row), state=TaskState.LOST) for row in first))

    def history(self, filters: Filters) -> Iterator[Entry]:
        """Yield the stored results that are meant, the last stored first; memory grows by 8 bytes for each at most."""
        from moderate_cli.store.queries import history

        return history(self._database, filters)

    def usage(
        self,
        by: Period | None,
        *,
        since: float | None = None,
        until: float | None = None,
        engine: Engine | None = None,
    ) -> list[Usage]:
        """Return calls, hits and billed calls by service, in each day or month of UTC that has any, or in all.

        `since` belongs to the span and `until` does not.
        """
        from moderate_cli.store.queries import usage

        return usage(self._database, by, since, until, engine)

    def label_counts(
        self, *, since: float | None = None, until: float | None = None, engine: Engine | None = None
    ) -> list[LabelCount]:
        """Return in how many calls of each service each label was found, the most frequent first."""
        from moderate_cli.store.queries import label_counts

        return label_counts(self._database, since, until, engine)

    def add_feedback(self, request_id: str, verdict: FeedbackVerdict, note: str | None = None) -> None:
        """Keep what a person says of a verdict; what was said before stays, and the newest counts.

        Raises StoreError (`unknown_request`) where no result has that request id.
        """
        from moderate_cli.store.queries import add_feedback

        with self._database.write() as connection:
            add_feedback(connection, request_id, verdict, note, self._clock())

    def prune(self, *, older_than: float) -> Pruned:
        """Forget the results, finished tasks and seen files of more than so many seconds ago, and return their counts.

        With the results go their feedback and the runs that have ended and have no other. Others can write meanwhile.
        """
        from moderate_cli.store.queries import prune

        return prune(self._database, self._clock() - older_than)


def _final_state(status: object) -> TaskState:
    return TaskState.FAILED if status == "failed" else TaskState.DONE
