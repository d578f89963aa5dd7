"""Which runs are still at work? Each locks a file, and the system lets go of it when the process ends, however it does.

A time or a process id in the store would not do: a run may wait for hours, and containers share their ids.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

_OWNER_ONLY = 0o600


class LiveRuns:
    """The locks of one open store; where a system or a file system has none, every other run looks ended."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()

    def hold(self, run: int) -> None:
        """Show that a run is at work, until `release` or the end of this process."""
        with self._lock:
            if run not in self._held and (handle := _lock(self._file(run), os.O_CREAT)) is not None:
                self._held[run] = handle

    def is_at_work(self, run: int) -> bool:
        """Tell whether somebody else holds a run; the file of one that was cut off is removed."""
        file = self._file(run)
        if run in self._held or not file.exists():
            return False
        try:
            handle = _lock(file)
        except BlockingIOError:
            return True
        if handle is not None:
            file.unlink(missing_ok=True)  # a run that was cut off keeps its number: nobody is about to hold it
            os.close(handle)
        return False

    def release(self, run: int) -> None:
        """Show that a run has ended."""
        with self._lock:
            if (handle := self._held.pop(run, None)) is not None:
                with suppress(OSError):
                    self._file(run).unlink(missing_ok=True)
                os.close(handle)

    def close(self) -> None:
        """Show that all runs of this store have ended."""
        for run in list(self._held):
            self.release(run)

    def _file(self, run: int) -> Path:
        return self._store.with_name(f"{self._store.name}-run-{run}")


def _lock(file: Path, flags: int = 0) -> int | None:
    """Lock a file and return its handle, or None where that cannot be done; raises BlockingIOError if it is locked."""
    try:
        import fcntl

        handle = os.open(file, os.O_RDWR | flags, _OWNER_ONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return handle
