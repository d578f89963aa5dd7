"""Work that goes on after a call was answered: a few threads for examinations, a few for callbacks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = 2
"""Of each kind: the local engine examines two images at one time, and slow receivers must not hold it up."""


class Background:
    """Two small pools of threads, for as long as an emulator runs."""

    def __init__(self) -> None:
        self._examinations = ThreadPoolExecutor(_THREADS, "moderate-emulator-task")
        self._callbacks = ThreadPoolExecutor(_THREADS, "moderate-emulator-callback")
        self._stopping = threading.Event()

    def examine(self, work: Callable[[], object]) -> None:
        """Do some work when a thread for examinations is free."""
        self._examinations.submit(work)

    def push(self, work: Callable[[], object]) -> None:
        """Do some work when a thread for callbacks is free."""
        if not self.is_stopping:
            self._callbacks.submit(work)

    def wait(self, seconds: float) -> bool:
        """Pause, and tell whether the emulator stops meanwhile."""
        return self._stopping.wait(seconds)

    @property
    def is_stopping(self) -> bool:
        """Whether the emulator stops, so that long work should end."""
        return self._stopping.is_set()

    def drain(self) -> None:
        """Return when all work is done, that which was still waiting too."""
        self._examinations.shutdown()
        self._callbacks.shutdown()

    def stop(self) -> None:
        """Drop the work that waits, and return when that under way has ended."""
        self._stopping.set()
        self._examinations.shutdown(cancel_futures=True)
        self._callbacks.shutdown(cancel_futures=True)
