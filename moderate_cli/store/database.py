"""The connection to the store's file: its schema, locking, transactions and errors.

Migrations are applied in their order, and are never changed once released. Times are Unix seconds, and text that is not
valid Unicode is stored as bytes (see `to_column`).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from moderate_cli.common.errors import ExitCode, ModerateError
from moderate_cli.records import UNREADABLE, from_json, upgraded

APPLICATION_ID = 0x6D646572
"""The application id in the header of the file: "mder"."""


Step = Callable[[sqlite3.Connection], int]
"""A step of a migration that SQL cannot express; returns the number of answers that it drops."""


class Migration(Struct, frozen=True):
    """One version of the schema; its statements are applied and recorded in one transaction."""

    name: str
    statements: tuple[str | Step, ...]


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

# A question is an opaque key of all that affects a verdict, a subject one of the inputs of a command line.
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

# A covering index for the history and the statistics. It grows at its end, so that a new result costs next to nothing;
# an index for each column would cost a page each.
_HISTORY = Migration(
    "history",
    (
        "DROP INDEX results_by_time",
        """
        CREATE INDEX results_timeline ON results (judged_at, status, risk_level, engine, operation, services)
        """,
    ),
)

# A digest of the fingerprints of all files of a folder, as long as each was clean or a non-image; see `_LOOKS_AGAIN`.
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
    from moderate_cli.store.upgrade import work_anew  # once in the life of a store

    return work_anew(connection)


# What schema 2 of the record adds. `told` says that a finished run has reported a result; it matters for results of
# tasks only, and those of 0.1.0's `listen`, which belong to no run, were printed. The covering index gets the billed
# calls, and is built again once all rows have them.
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

# An older version that reads the digests must not find an outdated one; it refuses a store with this migration. The
# columns stay, because SQLite before 3.35 cannot drop them, and some Python 3.11 is built with it.
_NO_LOOKS = Migration(
    "no looks",
    (
        """
        UPDATE folders SET look = NULL, question = NULL, judged_at = NULL, passed_over = NULL
        WHERE look IS NOT NULL OR question IS NOT NULL
        """,
    ),
)


def _forgets(event: str, row: str) -> str:
    return f"""
        CREATE TRIGGER files_{event.lower()} AFTER {event} ON files BEGIN
            UPDATE folders SET look = NULL WHERE number = {row}.folder AND look IS NOT NULL;
        END
    """  # noqa: S608 - constants


# A look is a digest of the files of a folder that were all clean, and `judged_at` the oldest of their verdicts: one row
# tells that nothing changed, in place of one a file. Whatever changes a file forgets it, so that it is never outdated.
_LOOKS_AGAIN = Migration(
    "looks again", (_forgets("INSERT", "NEW"), _forgets("UPDATE", "OLD"), _forgets("DELETE", "OLD"))
)

# The columns of `results_by_image` are those that say of what a result is the latest, so that the older ones are passed
# over without a look at their rows. All entries of `results_with_text` are alike, and so in the order of the rows'
# numbers; its expression is repeated in queries.py.
_LATEST = Migration(
    "latest",
    (
        "DROP INDEX results_by_source",
        "CREATE INDEX results_by_image ON results (source, services, operation, sha256, status)",
        """
        CREATE INDEX results_with_text ON results (instr(record, '"text_in_image":{') > 0)
        WHERE instr(record, '"text_in_image":{') > 0
        """,
    ),
)

# Feedback becomes a decision about each result of its request. An undo is kept with what it takes back. The newest
# decision that stands is also in `results.decision`, so that indexes list what is decided, and what waits for it: the
# latter is only about findings, so that a clean result costs nothing. A lease is of whoever looks at a result.
_DECISIONS = Migration(
    "decisions",
    (
        """
        CREATE TABLE decisions (
            number INTEGER PRIMARY KEY,
            result INTEGER NOT NULL REFERENCES results (number) ON DELETE CASCADE,
            value TEXT NOT NULL,
            person TEXT,
            at REAL NOT NULL,
            note TEXT,
            expires TEXT,
            undone_at REAL,
            undone_by TEXT
        )
        """,
        "CREATE INDEX decisions_by_result ON decisions (result)",
        """
        INSERT INTO decisions (result, value, at, note)
        SELECT results.number, feedback.verdict, feedback.at, feedback.note
        FROM feedback JOIN results ON results.request_id = feedback.request_id ORDER BY feedback.number
        """,
        "DROP TABLE feedback",
        "ALTER TABLE results ADD COLUMN decision TEXT",
        """
        UPDATE results SET decision = (SELECT value FROM decisions WHERE result = results.number ORDER BY number DESC)
        WHERE number IN (SELECT result FROM decisions)
        """,
        "CREATE INDEX results_decided ON results (decision) WHERE decision IS NOT NULL",
        """
        CREATE INDEX results_undecided ON results (risk_level)
        WHERE decision IS NULL AND risk_level IN ('high', 'medium', 'low')
        """,
        """
        CREATE TABLE leases (
            result INTEGER PRIMARY KEY REFERENCES results (number) ON DELETE CASCADE,
            holder TEXT NOT NULL,
            until REAL NOT NULL
        )
        """,
    ),
)

MIGRATIONS = (
    *(_RUNS_AND_RESULTS, _TASKS, _FEEDBACK, _REUSE, _HISTORY),
    *(_LOOKS, _SCHEMA_2, _NO_LOOKS, _LOOKS_AGAIN, _LATEST, _DECISIONS),
)


_ELSEWHERE = "name another place with --store or MODERATE_STORE"


class StoreError(ModerateError):
    """The store cannot be opened, read or written; the verdicts of the run are not affected."""

    def __init__(
        self, message: str, *, code: str, hint: str | None = None, exit_code: ExitCode = ExitCode.INCOMPLETE
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.exit_code = exit_code


def not_a_database(path: Path) -> StoreError:
    """Return the error for a file that is not an SQLite database."""
    hint = f"move it away, or {_ELSEWHERE}"
    message = f"the store {path} is not an SQLite database"
    return StoreError(message, code="store_not_a_database", hint=hint, exit_code=ExitCode.USAGE)


def not_a_store(path: Path) -> StoreError:
    """Return the error for a file that holds nothing, and can only be read."""
    message = f"the read-only file {path} is empty, and no store"
    return StoreError(message, code="store_empty", hint=_ELSEWHERE, exit_code=ExitCode.USAGE)


def not_ours(path: Path) -> StoreError:
    """Return the error for a database of another program."""
    message = f"{path} is a database of another program"
    return StoreError(message, code="store_not_ours", hint=_ELSEWHERE, exit_code=ExitCode.USAGE)


def too_new(path: Path, version: int, known: int) -> StoreError:
    """Return the error for a store of a newer version; `version` and `known` count migrations."""
    message = f"the store {path} was written by a newer moderate (schema {version}; this one knows {known})"
    hint = f"update moderate-cli, or {_ELSEWHERE}"
    return StoreError(message, code="store_too_new", hint=hint, exit_code=ExitCode.USAGE)


def unwritable(path: Path, reason: str) -> StoreError:
    """Return the error for a path that cannot be created or written."""
    message = f"cannot write the store {path}: {reason}"
    return StoreError(message, code="store_unwritable", hint=_ELSEWHERE, exit_code=ExitCode.USAGE)


def unreadable(path: Path, reason: str) -> StoreError:
    """Return the error for a store that may only be read, and cannot be read as it is."""
    message = f"cannot read the read-only store {path}: {reason}"
    hint = "copy it, with the files beside it that begin with its name, to where you can write, and name the copy"
    return StoreError(message, code="store_unreadable", hint=hint, exit_code=ExitCode.USAGE)


def unknown_request(request_id: str) -> StoreError:
    """Return the error for a decision about an unknown request id."""
    message = f"the store has no result with the request id {request_id}"
    hint = "`moderate history -f jsonl` shows the request id of each result"
    return StoreError(message, code="unknown_request", hint=hint, exit_code=ExitCode.USAGE)


def explained(error: sqlite3.Error, path: Path, patience: float, *, read_only: bool) -> StoreError:
    """Return the error to show for one of SQLite; `patience` is in seconds."""
    match primary_code(error):
        case sqlite3.SQLITE_NOTADB:
            return not_a_database(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            message = f"the store {path} has been locked by another process for {patience:g} seconds"
            return StoreError(message, code="store_locked", hint="try again when that process is done")
        case sqlite3.SQLITE_FULL:
            return StoreError(
                f"no space is left for the store {path}", code="store_full", hint="make room on that disk"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            if read_only:
                return unreadable(path, str(error))
            return unwritable(path, str(error))
        case sqlite3.SQLITE_CORRUPT:
            hint = f"move it away, or {_ELSEWHERE}; `sqlite3 FILE .recover` saves what can be read"
            return StoreError(f"the store {path} is damaged", code="store_damaged", hint=hint)
        case _:
            return StoreError(f"the store {path} failed: {error}", code="store_failed")


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether the statement may succeed once another connection has finished."""
    return primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def primary_code(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary result code (the low byte of the extended one), or None for an error of the module."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def read_only_uri(path: Path) -> str:
    """Return the URI with which SQLite opens a store without writing anything, not even beside it.

    Where a process has it open, or was killed, the log's index is there, and SQLite reads what is in the log. Else it
    is told that nothing changes, or it would make that index. Raises StoreError for changes that are not yet in the
    file, and could not be read: the file alone may be half of an old state and half of a new one.
    """
    real = path.resolve()
    uri = f"{real.as_uri()}?mode=ro"
    if real.with_name(f"{real.name}-shm").exists():
        return uri
    for suffix in ("-wal", "-journal"):
        beside = real.with_name(real.name + suffix)
        if beside.exists() and beside.stat().st_size:
            raise unreadable(path, f"it has changes that are still in {beside.name}")
    return f"{uri}&immutable=1"


def is_read_only(path: Path) -> bool:
    """Return whether an existing store may only be read here: its file or its folder says so, or its file system.

    The mode counts for the superuser too, who could write anyway.
    """
    try:
        real = path.resolve(strict=True)
        return not all(os.access(each, os.W_OK) and each.stat().st_mode & _WRITABLE for each in (real, real.parent))
    except (OSError, ValueError):
        return False  # what is wrong with it is said when it is opened


_WRITABLE = 0o222
_OWNER_ONLY = 0o600
_SMALLEST_DATABASE = 512  # bytes, one page; SQLite takes a file of one byte for an empty one and overwrites it
_COMPANIONS = ("", "-wal", "-shm", "-journal")  # the files that SQLite keeps beside a database


def default_path() -> Path:
    """Return the default path of the store, in the system's folder for user state."""
    from platformdirs import user_state_path  # not needed by commands that keep nothing

    return user_state_path("moderate", appauthor=False) / "store.db"


def prepare(path: Path) -> Path:
    """Create the file unless it exists, readable by its owner only, and return its absolute path.

    SQLite's companion files inherit its mode. Raises StoreError if it cannot be created or is not a regular file.
    """
    try:
        absolute = path.absolute()  # SQLite would take `:memory:` for no file at all
        absolute.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            # An existing file is never opened here: closing it would drop the locks that this process has on it.
            os.close(os.open(absolute, os.O_RDWR | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        status = absolute.stat()
    except (OSError, ValueError) as error:
        raise unwritable(path, getattr(error, "strerror", None) or str(error)) from error
    if not stat.S_ISREG(status.st_mode) or 0 < status.st_size < _SMALLEST_DATABASE:
        raise not_a_database(path)
    if status.st_size == 0:
        protect(absolute)
    return absolute


def protect(path: Path) -> None:
    """Make a store and its companion files readable by their owner only.

    Raises StoreError if the mode cannot be changed, because somebody else owns the file.
    """
    for companion in _COMPANIONS:
        file = path.with_name(path.name + companion)
        try:
            if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & ~_OWNER_ONLY:
                file.chmod(stat.S_IMODE(file.stat().st_mode) & _OWNER_ONLY)
        except FileNotFoundError:
            continue  # there is none, or another process has just closed the store and removed it
        except OSError as error:
            message = f"the store {path} is readable by others, and its mode cannot be changed: {error.strerror}"
            raise StoreError(message, code="store_unprotected", hint="name another place with --store") from error


Column = str | bytes | None


def to_column(text: str | None) -> Column:
    """Return the value of a column for a text: the text, or bytes if it has lone surrogates.

    Those stand for bytes of file names that are not UTF-8, and SQLite refuses them in text.
    """
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def from_column(value: Any) -> Any:
    """Return the text, number or None that a column holds."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def read_record(text: str, stored_at: float) -> dict[str, Any]:
    """Return a stored record in schema 2; one that is unreadable is unchanged, or empty if it is no JSON object.

    `stored_at` (Unix seconds) replaces the time of the verdict, which schema 1 lacks. No row raises an error: a single
    one that is damaged would hide all others.
    """
    record: dict[str, Any] = {}
    try:
        found = from_json(text)
        if isinstance(found, dict):
            record = found
        return upgraded(record, at=stored_at)
    except UNREADABLE:
        return record


T = TypeVar("T")

_WAIT_IN_SQLITE = 0.2  # seconds; SQLite waits inside C, where no Ctrl-C is heard, so it may wait only a little
_PAUSE = 0.01  # seconds, for the kinds of "busy" after which SQLite does not wait at all


class Database:
    """One connection, which all threads of a process share behind a lock.

    SQLite lets one connection write at a time whatever we do, and a commit takes some 25 µs: a connection a thread
    would wait in the file's lock, which is not fair, instead of in ours, and each would have to be found and closed.
    """

    def __init__(self, path: Path, *, patience: float, read_only: bool = False) -> None:
        """Open a file, with `read_only` so that nothing is written; raises StoreError."""
        self.path = path
        self._patience = patience
        self._read_only = read_only
        self._lock = threading.RLock()
        name = read_only_uri(path) if read_only else str(path)
        with self._explaining():
            # Without an isolation level the module begins no transaction by itself.
            self._connection = sqlite3.connect(
                name,
                timeout=min(patience, _WAIT_IN_SQLITE),
                isolation_level=None,
                check_same_thread=False,
                uri=read_only,
            )
        self._connection.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close the connection; closing it again does nothing."""
        with self._lock:
            self._connection.close()

    def use_write_ahead_log(self) -> None:
        """Let readers and one writer work at once, and set the durability of commits; raises StoreError.

        A write-ahead log that is not synchronised at each commit can lose the last rows to a power cut, never to a
        killed process, and is never damaged. Where a file system allows no such log, only FULL promises the latter.
        """
        mode = str(self.read("PRAGMA journal_mode")[0][0])
        if mode != "wal":
            self.read("PRAGMA auto_vacuum = INCREMENTAL")  # heeded by a file without tables: it can shrink in steps
            mode = str(self.read("PRAGMA journal_mode = WAL")[0][0])
        self.read(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
        self.read("PRAGMA foreign_keys = ON")

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query; raises StoreError."""
        with self._lock, self._explaining():
            return self._patiently(lambda: self._connection.execute(sql, parameters).fetchall())

    def tuples(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query as plain tuples, which is faster for many small rows; raises StoreError."""
        with self._lock, self._explaining():
            cursor = self._plain_cursor()
            return self._patiently(lambda: cursor.execute(sql, parameters).fetchall())

    def numbers(self, sql: str, parameters: Sequence[Any] = ()) -> array[int]:
        """Return the only column of a query, of integers, in eight bytes per row; raises StoreError."""
        with self._lock, self._explaining():
            cursor = self._plain_cursor()
            return self._patiently(lambda: array("q", (row[0] for row in cursor.execute(sql, parameters))))

    def shrink(self, pages: int) -> None:
        """Return some free pages to the disk, if the file was created for incremental vacuum; raises StoreError."""
        with self._lock, self._explaining():
            # The statement frees a page a step, and the module's `execute` takes only one step of what has no columns.
            self._patiently(lambda: self._connection.executescript(f"PRAGMA incremental_vacuum({pages})"))

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that the end of the `with` block commits, and an error rolls back; raises StoreError."""
        with self._lock, self._explaining():
            # IMMEDIATE takes the right to write at once: asking for it later fails where another has written meanwhile.
            self._patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"))
            try:
                yield self._connection
                self._patiently(lambda: self._connection.execute("COMMIT"))
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself rolls back after some errors, as a full disk
                    self._connection.execute("ROLLBACK")
                raise

    def _plain_cursor(self) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor

    def _patiently(self, operation: Callable[[], T]) -> T:
        """Run an operation, and repeat it while another process locks the store, until the patience ends."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return operation()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(_PAUSE)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(error, self.path, self._patience, read_only=self._read_only) from error


_RECORDS = """
    CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at REAL NOT NULL)
"""


def check_owner(database: Database) -> None:
    """Raise StoreError for a database with tables of another program, before anything in it is changed."""
    # In this order, because another process may write both, at once, between the two readings.
    if not database.read("SELECT 1 FROM sqlite_master LIMIT 1"):
        return
    if database.read("PRAGMA application_id")[0][0] != APPLICATION_ID:
        raise not_ours(database.path)


def migrate(database: Database, now: float) -> int:
    """Apply the missing migrations, each in one transaction, and return the number of dropped answers.

    `now` is in Unix seconds. Raises StoreError for a store with unknown migrations.
    """
    version = _version(database)
    dropped = 0
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        with database.write() as connection:
            dropped += _apply(connection, number, migration, now)
    return dropped


def check_is_current(database: Database) -> None:
    """Raise StoreError for a store that lacks migrations, where none can be applied, or has unknown ones."""
    version = _version(database)
    if not version:
        raise not_a_store(database.path)
    if version < len(MIGRATIONS):
        raise unreadable(database.path, "it was written by an older moderate, and cannot be brought up to date")


def _version(database: Database) -> int:
    """Return how many migrations were applied; raises StoreError for unknown ones."""
    if not database.read("SELECT 1 FROM sqlite_master WHERE name = 'migrations'"):
        return 0
    version = int(database.read("SELECT coalesce(max(number), 0) FROM migrations")[0][0])
    if version > len(MIGRATIONS):
        raise too_new(database.path, version, len(MIGRATIONS))
    return version


def _apply(connection: sqlite3.Connection, number: int, migration: Migration, now: float) -> int:
    connection.execute(_RECORDS)
    if connection.execute("SELECT 1 FROM migrations WHERE number = ?", (number,)).fetchone():
        return 0  # another process was quicker
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    dropped = 0
    for statement in migration.statements:
        if isinstance(statement, str):
            connection.execute(statement)
        else:
            dropped += statement(connection)
    connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (number, migration.name, now))
    return dropped
