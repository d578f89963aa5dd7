"""Memory that the images which are decoded at one time share."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Room:
    """So many bytes: who needs more than are left waits until others give theirs back.

    First come, first served, so that small images do not keep a large one waiting for ever.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Hold some bytes, of which there must be so many at all."""
        self._take(size)
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()

    def _take(self, size: int) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._queue[0] is ticket and self._left >= size)
                self._left -= size
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
