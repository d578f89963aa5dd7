"""The cap on what a run may cost."""

from __future__ import annotations

import threading

from moderate_cli.errors import CallCapError


class Budget:
    """Counts billed calls before they are made; many threads use it at once."""

    def __init__(self, cap: int | None = None) -> None:
        self._cap = cap
        self._taken = 0
        self._lock = threading.Lock()

    def take(self, calls: int) -> None:
        """Count some calls that are about to be made; raises CallCapError, and counts none, where that is too many."""
        with self._lock:
            if self._cap is not None and self._taken + calls > self._cap:
                raise CallCapError
            self._taken += calls

    def give_back(self, calls: int) -> None:
        """Take some calls out of the count that were not made after all."""
        with self._lock:
            self._taken -= calls
