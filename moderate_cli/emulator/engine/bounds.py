"""How large may an image be? The limits, their errors, and the memory that all images share."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The vendor's limits for the synchronous API (its page of March 2026).
MAX_SIDE = 16_384  # pixels
MAX_PIXELS = 167_000_000


class ImageTooLargeError(Exception):
    """An image has more pixels than the service accepts."""


class TooLargeForEngineError(ImageTooLargeError):
    """The service accepts an image, but to decode it would take more than the local engine allows itself."""


class UnreadableImageError(Exception):
    """An image has a format that the local engine cannot decode, or is damaged."""


class DamagedImageError(UnreadableImageError):
    """An image is so damaged that nothing of it can be decoded."""


class Room:
    """A number of bytes: who needs more than are left waits until others return theirs.

    First come, first served, so that small images do not keep a large one waiting for ever.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold `size` bytes, which must not be more than there are."""
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
