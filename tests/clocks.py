"""A clock for many threads that never really sleeps."""

from __future__ import annotations

import threading


class VirtualClock:
    """Time that stands still until every thread sleeps, and then jumps to the first that is due to wake."""

    def __init__(self, threads: int = 1) -> None:
        self.now = 0.0
        self._awake = threads
        self._due: list[float] = []
        self._changed = threading.Condition()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._changed:
            due = self.now + seconds
            self._due.append(due)
            self._awake -= 1
            self._advance()
            while self.now < due:
                self._changed.wait(timeout=10)
            self._awake += 1
            self._due.remove(due)

    def leave(self) -> None:
        """Tell that a thread is done and will not sleep again."""
        with self._changed:
            self._awake -= 1
            self._advance()

    def _advance(self) -> None:
        if self._awake == 0 and self._due:
            self.now = max(self.now, min(self._due))
            self._changed.notify_all()
