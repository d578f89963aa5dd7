"""`Store`: runs, results and tasks; each method commits before it returns."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct
from msgspec.structs import fields, replace

from moderate_cli.models import Decision, Engine, TaskKind
from moderate_cli.store import reuse
from moderate_cli.store.database import (
    Database,
    check_is_current,
    check_owner,
    from_column,
    migrate,
    prepare,
    protect,
    read_record,
    to_column,
)
from moderate_cli.store.inserting import insert_result
from moderate_cli.store.live_runs import LiveRuns
from moderate_cli.store.reuse import Answer, Found, Seen, SeenFile

if TYPE_CHECKING:
    from moderate_cli.store.details import StoredRun
    from moderate_cli.store.pruning import Pruned
    from moderate_cli.store.queries import Entry, Filters
    from moderate_cli.store.statistics import DecisionCount, LabelCount, Period, Usage
    from moderate_cli.store.worklist import Order, Worklist


class TaskState(StrEnum):
    """The states of a task; `lost` means that its submission was cut off, so that it may or may not exist."""

    SUBMITTING = "submitting"
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    LOST = "lost"


class NewTask(Struct, frozen=True, kw_only=True):
    """A task before its submission.

    `size` is in bytes. `post` and `extents` are JSON: the post, and the frames or slices of its images. `profile` names
    the credentials to poll with, and `question` is the key by which a later run finds the answer.
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
    """A task in the store; times are Unix seconds. `req_id` identifies its result, from the state `pending` on."""

    number: int
    state: TaskState
    begun_at: float
    req_id: str | None
    request_id: str | None
    submitted_at: float | None
    expires_at: float | None


class LostTasks(Struct, frozen=True):
    """Submissions that were cut off before the response: their number, and the first ten."""

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
    """Return the task in a row of one of the queries above."""
    values = {name: from_column(row[name]) for name in _ALL}
    return Task(**values | {"state": TaskState(values["state"])})


PAGE = 200
"""The number of rows that are read at once."""

UNTOLD = """
    SELECT number, finishes, record, judged_at, run FROM results
    WHERE told = 0 AND number > ? AND number <= ? ORDER BY number LIMIT ?
"""


class Untold(Struct, frozen=True):
    """The result of a task that no finished run has reported.

    Until its end a run may be killed before its table or its report is written, and the service gives a result only
    once; so a result that no finished run has reported is left to the next one.

    `record` has schema 2, or is unchanged if it is unreadable. `judged_at` (Unix seconds) is when it was stored. `run`
    was cut off. `task` is None if the task was submitted elsewhere.
    """

    req_id: str
    record: dict[str, Any]
    judged_at: float
    run: int | None
    task: Task | None


PATIENCE = 30.0
"""Seconds to wait while another process locks the store."""

_BEGIN_RUN = "INSERT INTO runs (command, subject, started_at) VALUES (?, ?, ?)"
_FINISH_RUN = "UPDATE runs SET finished_at = ?, exit_code = ?, judged = ?, skipped = ?, failed = ? WHERE number = ?"
_TELL_RUN = "UPDATE results SET told = 1 WHERE told = 0 AND run = ?"
_TELL = "UPDATE results SET told = 1 WHERE told = 0 AND finishes = ?"
_TAKE_OVER = "UPDATE results SET run = ? WHERE told = 0 AND finishes = ?"
_CLAIM = "UPDATE results SET run = ? WHERE told = 0 AND finishes = ? AND run IS ?"
_LOST_NAMED = 10  # tasks
# A question that no lookup uses. Unlike NULL it is not replaced by that of a task which is accepted a moment later.
_NO_QUESTION = ""


class Store:
    """Results, tasks and runs; safe to share between threads and processes.

    Every method may raise StoreError. Times are Unix seconds, from `clock` by default. `dropped` is the number of
    answers of an earlier version that are no longer reused since this store was opened, because they are unreliable.
    """

    def __init__(self, database: Database, clock: Callable[[], float], dropped: int = 0) -> None:
        self._database = database
        self._clock = clock
        self._live = LiveRuns(database.path)
        self.dropped = dropped

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] = time.time, patience: float = PATIENCE) -> Self:
        """Open or create a store: its folders, its file with mode 0600, and its tables.

        Raises StoreError if the file is not a store, is from a newer version, cannot be written, or stays locked for
        more than `patience` seconds.
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

    @classmethod
    def open_read_only(cls, path: Path, *, clock: Callable[[], float] = time.time, patience: float = PATIENCE) -> Self:
        """Open an existing store for questions only; nothing is written, not even beside it.

        Raises StoreError like `open`, and for a store of an older version, which would have to be written.
        """
        database = Database(path.absolute(), patience=patience, read_only=True)
        try:
            check_owner(database)
            check_is_current(database)
        except BaseException:
            database.close()
            raise
        return cls(database, clock)

    def close(self) -> None:
        """Close the store; closing it again does nothing."""
        self._live.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The path of the store."""
        return self._database.path

    def begin_run(self, command: str, *, subject: str | None = None) -> int:
        """Record the start of a run and return its number.

        `command` is the command's name without arguments, `subject` a key of the inputs in its arguments.
        """
        with self._database.write() as connection:
            cursor = connection.execute(_BEGIN_RUN, (command, subject, self._clock()))
            return int(cursor.lastrowid or 0)

    def finish_run(self, run: int, *, exit_code: int, judged: int, skipped: int, failed: int) -> None:
        """Record the end of a run, and that its task results are reported; a run without an end was cut off."""
        with self._database.write() as connection:
            connection.execute(_FINISH_RUN, (self._clock(), int(exit_code), judged, skipped, failed, run))
            connection.execute(_TELL_RUN, (run,))
        self._live.release(run)

    def last_run(self, command: str, subject: str, *, before: int | None = None) -> int | None:
        """Return the number of the last run of a command on a subject (the last before a run `before`), or None."""
        return reuse.last_run(self._database, command, subject, before)

    def failed_in(self, run: int, source: str | None = None) -> bool:
        """Return whether an input failed in a run, or with None any."""
        if source is None:
            return bool(self._database.read(reuse.ANY_FAILED_IN, (run,)))
        return bool(self._database.read(reuse.FAILED_IN, (run, to_column(source))))

    def add_result(
        self,
        run: int | None,
        record: Mapping[str, Any],
        *,
        question: str | None = None,
        file: SeenFile | None = None,
    ) -> None:
        """Store the record of an outcome without a task; `finish_task` is for those with one.

        With a `question` a later run can reuse the answer. The fingerprint of `file` is stored in the same transaction;
        it needs a question, and a record with the SHA-256 of the content.
        """
        now = self._clock()
        with self._database.write() as connection:
            insert_result(connection, record, run=run, now=now, question=question)
            if file is not None and question is not None:
                reuse.remember(connection, file, record["sha256"], question, now)

    def find_answer(
        self, sha256: str, question: str, *, since: float | None = None, run: int | None = None
    ) -> Answer | None:
        """Return the newest verdict on a content for a question, or None.

        It must be from `since` or later, or from the run with the number `run`.
        """
        return reuse.find_answer(self._database, sha256, question, since, run)

    def find_address(self, source: str, question: str, *, since: float) -> Answer | None:
        """Return the newest verdict on an input of a name for a question, given at `since` or later, or None."""
        return reuse.find_address(self._database, source, question, since)

    def clean_in(
        self, folder: str, question: str, files: list[Found], *, since: float, whole: bool = False
    ) -> list[Found]:
        """Return the files of a folder that were clean when a question was last answered, at `since` or later.

        Both are sorted by name. With `whole` the files asked for are all of the folder; the clean ones can be more, for
        what was deleted is still known. If they are the same, the next time is quicker, as long as that holds.
        """
        return reuse.clean_in(self._database, folder, question, since, files, whole=whole)

    def seen_in(self, folder: str, *, names: Sequence[str] | None = None) -> Mapping[str, Seen]:
        """Return the known files of a folder by name; `names` limits them to some names."""
        return reuse.seen_in(self._database, folder, names)

    def remember_file(self, file: SeenFile, sha256: str, question: str, *, judged_at: float) -> None:
        """Store the fingerprint and SHA-256 of a file, so that it need not be hashed again."""
        with self._database.write() as connection:
            reuse.remember(connection, file, sha256, question, judged_at)

    def begin_task(self, task: NewTask) -> int:
        """Record a task before its submission and return its number."""
        with self._database.write() as connection:
            cursor = connection.execute(INSERT, (self._clock(), *new_row(task)))
            return int(cursor.lastrowid or 0)

    def accept_task(
        self, number: int, *, req_id: str, submitted_at: float, expires_at: float, request_id: str | None
    ) -> None:
        """Record the id with which the service has accepted a task.

        If the callback arrived first, the task already has its result and is finished.
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
        """Delete a task whose submission failed."""
        with self._database.write() as connection:
            connection.execute(DROP, (number,))

    def pending_tasks(self, *, kind: TaskKind | None = None) -> Iterator[Task]:
        """Yield the pending tasks, oldest first, in constant memory.

        Tasks that are accepted after this call, or finished before their turn, are left out.
        """
        newest = int(self._database.read("SELECT coalesce(max(number), 0) FROM tasks")[0][0])
        return self._pending(newest, kind)

    def _pending(self, newest: int, kind: TaskKind | None) -> Iterator[Task]:
        after = 0
        while True:
            if kind is None:
                rows = self._database.read(PENDING, (after, newest, PAGE))
            else:
                rows = self._database.read(PENDING_OF_KIND, (after, newest, kind, PAGE))
            if not rows:
                return
            yield from map(to_task, rows)
            after = rows[-1]["number"]

    def find_task(self, req_id: str) -> Task | None:
        """Return the newest task with an id of the service, or None."""
        rows = self._database.read(BY_ID, (to_column(req_id),))
        return to_task(rows[0]) if rows else None

    def find_pending(self, sha256: str, question: str) -> Task | None:
        """Return the newest pending, unexpired task about a content and a question, or None."""
        rows = self._database.read(OF_CONTENT, (sha256, question, self._clock()))
        return to_task(rows[0]) if rows else None

    def finish_task(
        self, req_id: str, record: Mapping[str, Any], run: int | None = None, *, reusable: bool = True
    ) -> bool:
        """Store the result of a task and mark the task as done or failed, in one transaction.

        The result counts as reported when its run has finished, or by `mark_told`. If it is not `reusable`, no later
        run finds it. Returns False, and stores nothing, if the task is finished already. The task may be unknown here:
        a callback can belong to one that another machine submitted.
        """
        now, key = self._clock(), to_column(req_id)
        if run is not None:
            self._live.hold(run)
        with self._database.write() as connection:
            asked = connection.execute(QUESTION, (key,)).fetchone() if reusable else (_NO_QUESTION,)
            question = asked[0] if asked else None
            is_new = insert_result(connection, record, run=run, now=now, question=question, finishes=req_id)
            if is_new:
                connection.execute(FINISH, (_final_state(record.get("status")), now, key))
            return is_new

    def untold(self) -> Iterator[Untold]:
        """Yield the task results that no finished run has reported, oldest first, in constant memory.

        Results that are stored after this call, or reported before their turn, are left out, and so are those of a run
        that is still at work, which reports them itself.
        """
        return self._untold(int(self._database.read("SELECT coalesce(max(number), 0) FROM results")[0][0]))

    def _untold(self, newest: int) -> Iterator[Untold]:
        after = 0
        while rows := self._database.read(UNTOLD, (after, newest, PAGE)):
            for row in rows:
                if row["run"] is not None and self._live.is_at_work(row["run"]):
                    continue
                record = read_record(row["record"], row["judged_at"])
                req_id = from_column(row["finishes"])
                yield Untold(req_id, record, row["judged_at"], row["run"], self.find_task(req_id))
            after = rows[-1]["number"]

    def claim(self, found: Untold, run: int) -> bool:
        """Assign an unreported result to a run, whose end reports it; False where it is reported, or another's."""
        self._live.hold(run)
        with self._database.write() as connection:
            return connection.execute(_CLAIM, (run, to_column(found.req_id), found.run)).rowcount > 0

    def take_over(self, req_id: str, run: int) -> None:
        """Assign a result to a run, whose end reports it, whoever else is about to, unless it is reported."""
        self._live.hold(run)
        with self._database.write() as connection:
            connection.execute(_TAKE_OVER, (run, to_column(req_id)))

    def mark_told(self, req_id: str) -> None:
        """Record that the result of a task is reported, however its run ends."""
        with self._database.write() as connection:
            connection.execute(_TELL, (to_column(req_id),))

    def expire_task(self, req_id: str) -> bool:
        """Mark a pending task as expired; return False if it is expired or finished already.

        No result is stored; `finish_task` still accepts one that arrives later.
        """
        with self._database.write() as connection:
            return connection.execute(EXPIRE, (to_column(req_id),)).rowcount > 0

    def close_lost(self, *, older_than: float) -> LostTasks:
        """Mark submissions that began more than `older_than` seconds ago, and have no response, as lost.

        Only one of several callers gets them. A response that arrives later is still accepted.
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
        """Yield the stored results that match, newest first, in at most 8 bytes of memory each."""
        from moderate_cli.store.queries import history

        return history(self._database, filters)

    def find_results(self, name: str, *, limit: int) -> list[Entry]:
        """Return the newest results with a request id; else with a task id, a SHA-256 or a source, in this order."""
        from moderate_cli.store.details import find_results

        return find_results(self._database, name, limit)

    def find_run(self, number: int) -> StoredRun | None:
        """Return a run, or None if it is pruned."""
        from moderate_cli.store.details import find_run

        return find_run(self._database, number)

    def places_of(self, sha256: str, *, limit: int) -> list[tuple[str, str]]:
        """Return where files with a content were seen: their folders, as absolute paths, and names."""
        from moderate_cli.store.details import places_of

        return places_of(self._database, sha256, limit)

    def places_of_each(self, digests: Collection[str], *, limit: int) -> dict[str, list[tuple[str, str]]]:
        """Return where files with some contents were seen, as `places_of` does, by SHA-256; at most `limit` of each.

        All are found in one pass over the known files, of which there may be a million.
        """
        from moderate_cli.store.details import places_of_each

        return places_of_each(self._database, digests, limit)

    def usage(
        self,
        by: Period | None,
        *,
        since: float | None = None,
        until: float | None = None,
        engine: Engine | None = None,
    ) -> list[Usage]:
        """Return calls, hits and billed calls by service, and by day or month (UTC) if asked to.

        `since` is inclusive and `until` exclusive.
        """
        from moderate_cli.store.statistics import usage

        return usage(self._database, by, since, until, engine)

    def label_counts(
        self, *, since: float | None = None, until: float | None = None, engine: Engine | None = None
    ) -> list[LabelCount]:
        """Return the number of calls by label and service, the most frequent first; see `usage` for the span."""
        from moderate_cli.store.statistics import label_counts

        return label_counts(self._database, since, until, engine)

    def decide(self, decisions: Iterable[tuple[str, Decision]]) -> int:
        """Add people's decisions about the results of requests, all or none, and return how many results got a new one.

        The newest counts, and one without a time is of now. Raises StoreError (`unknown_request`) if no result has a
        request id.
        """
        from moderate_cli.store.decisions import add_decision, knows_decision, results_of

        added = 0
        with self._database.write() as connection:
            for request_id, decision in decisions:
                for result in results_of(connection, request_id):
                    if not knows_decision(connection, result, decision):
                        add_decision(connection, result, decision, self._clock())
                        added += 1
        return added

    def worklist(self, filters: Filters, order: Order) -> Worklist:
        """Return the results that match, for people to decide; the filters must name at least one level."""
        from moderate_cli.store.worklist import Worklist

        return Worklist(self._database, self._clock, filters, order)

    def decision_counts(
        self, *, since: float | None = None, until: float | None = None, engine: Engine | None = None
    ) -> list[DecisionCount]:
        """Return the decisions that stand by label and service, the most frequent first; see `usage` for the span."""
        from moderate_cli.store.statistics import decision_counts

        return decision_counts(self._database, since, until, engine)

    def prune(self, *, older_than: float) -> Pruned:
        """Delete results, finished tasks and known files that are older than `older_than` seconds; return the counts.

        The decisions about the results and the finished runs without other results are deleted too. Other processes can
        write meanwhile.
        """
        from moderate_cli.store.pruning import prune

        return prune(self._database, self._clock() - older_than)


def _final_state(status: object) -> TaskState:
    return TaskState.FAILED if status == "failed" else TaskState.DONE
