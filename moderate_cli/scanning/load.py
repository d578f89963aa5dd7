"""How much of the processors this process uses, which tells whether another thread could do anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

_FULL = 0.7  # of what can be used
_HELD_UP = 0.6  # of what so many threads could use: below it they wait for each other, as Python's code does


class Load:
    """The processors' time that this process took since somebody looked last."""

    def __init__(
        self,
        *,
        processors: int | None = None,
        process_time: Callable[[], float] = time.process_time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processors = processors or os.cpu_count() or 1
        self._process_time = process_time
        self._monotonic = monotonic
        self._used, self._at = process_time(), monotonic()

    def is_full(self, threads: int) -> bool:
        """Tell whether so many threads use all that they can get; another one would only be in their way.

        Threads that wait for the network use little. Python runs the code of one at a time, so that some that compute
        use one processor together; only what is no Python code, as in the local engine, uses more.
        """
        used, at = self._process_time(), self._monotonic()
        share = (used - self._used) / max(at - self._at, 1e-9)
        self._used, self._at = used, at
        return share >= _FULL * self._processors or _FULL <= share < _HELD_UP * min(threads, self._processors)
