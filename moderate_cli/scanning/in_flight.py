"""Images with the same content, one after the other, so that the second can use the answer to the first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    """Whose turn it is with some content, and how many want it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


class InFlight:
    """Holds one turn for each content that is being judged; memory does not grow with what was judged before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}

    @contextmanager
    def alone(self, content: str | None) -> Iterator[None]:
        """Let one thread at a time work on some content; None is never the same content."""
        if content is None:
            yield
            return
        with self._lock:
            turn = self._turns.setdefault(content, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[content]
