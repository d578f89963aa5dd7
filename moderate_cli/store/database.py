"""One connection to the store's file: who waits for whom, what is one transaction, and what an error means."""

from __future__ import annotations

import sqlite3
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from moderate_cli.store.problems import explained, is_busy

T = TypeVar("T")

_WAIT_IN_SQLITE = 0.2  # seconds; SQLite waits inside C, where no Ctrl-C is heard, so it may wait only a little
_PAUSE = 0.01  # seconds, for the kinds of "busy" after which SQLite does not wait at all


class Database:
    """A connection that all threads of a process share behind a lock.

    SQLite lets one connection write at a time whatever we do, and a commit takes some 25 µs: a connection a thread
    would wait in the file's lock, which is not fair, instead of in ours, and each would have to be found and closed.
    """

    def __init__(self, path: Path, *, patience: float) -> None:
        self.path = path
        self._patience = patience
        self._lock = threading.RLock()
        with self._explaining():
            # Without an isolation level the module begins no transaction by itself.
            self._connection = sqlite3.connect(
                path, timeout=min(patience, _WAIT_IN_SQLITE), isolation_level=None, check_same_thread=False
            )
        self._connection.row_factory = sqlite3.Row

    def close(self) -> None:
        """Close the connection; twice does no harm."""
        with self._lock:
            self._connection.close()

    def use_write_ahead_log(self) -> None:
        """Let readers and one writer work at once, and say how safe a commit has to be.

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
        """Return the rows of a query."""
        with self._lock, self._explaining():
            return self._patiently(lambda: self._connection.execute(sql, parameters).fetchall())

    def tuples(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query as plain tuples, which is quicker where they are many and small."""
        with self._lock, self._explaining():
            cursor = self._plain_cursor()
            return self._patiently(lambda: cursor.execute(sql, parameters).fetchall())

    def numbers(self, sql: str, parameters: Sequence[Any] = ()) -> array[int]:
        """Return the only column of a query, of integers: eight bytes a row, however many there are."""
        with self._lock, self._explaining():
            cursor = self._plain_cursor()
            return self._patiently(lambda: array("q", (row[0] for row in cursor.execute(sql, parameters))))

    def shrink(self, pages: int) -> None:
        """Give some of the free pages back to the disk, if the file was made so that it can shrink in steps."""
        with self._lock, self._explaining():
            # The statement frees a page a step, and the module's `execute` takes only one step of what has no columns.
            self._patiently(lambda: self._connection.executescript(f"PRAGMA incremental_vacuum({pages})"))

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction that is committed at the end of the `with` block, or rolled back by an error."""
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
        """Run an operation, again and again while another process is in the way, until patience ends."""
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
            raise explained(error, self.path, self._patience) from error
