"""When an exchange ends at the latest: connecting, sending, headers and body, however slowly the bytes trickle in.

A socket's own timeout starts again with each byte. Here one thread shuts down every connection whose time is over,
which wakes up whoever waits on it with an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, fromfd, socket
from typing import Any

_TICK = 0.05  # seconds between two checks for what is over


class Deadline:
    """The time at which one exchange is over, in seconds of the monotonic clock, and the connection that it uses."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.is_over = False
        self._socket: socket | None = None

    def attach(self, connection: socket) -> None:
        """Watch a connection, and shut it down if the time is over already."""
        self._socket = connection
        if self.is_over:
            self.end()

    def end(self) -> None:
        """Shut the connection down, so that whoever reads or writes fails at once."""
        self.is_over = True
        if self._socket is not None:
            with suppress(OSError):  # it is closed already, or not yet connected
                self._socket.shutdown(SHUT_RDWR)


class _Watch:
    """The deadlines of all threads, and the thread that enforces them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[Deadline] = set()
        self._is_running = False

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._open.add(deadline)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="deadlines", daemon=True).start()
            elif len(self._open) == 1:
                self._changed.notify()

    def discard(self, deadline: Deadline) -> None:
        with self._changed:
            self._open.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._open:
                    self._changed.wait()
                now = time.monotonic()
                over = [deadline for deadline in self._open if deadline.at <= now]
                # Under the lock: a discarded deadline must not end the next exchange. Until then its socket is shut
                # down at each check, since one that is not yet connected cannot be.
                for deadline in over:
                    deadline.end()
            time.sleep(_TICK)


_watch = _Watch()
_thread = threading.local()  # the deadline of what this thread does


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Give all that this thread does over watched connections in the `with` block so many seconds."""
    deadline = Deadline(time.monotonic() + seconds)
    _thread.deadline = deadline
    _watch.add(deadline)
    try:
        yield deadline
    finally:
        _thread.deadline = None
        _watch.discard(deadline)


def _attach(connection: socket | None) -> None:
    deadline: Deadline | None = getattr(_thread, "deadline", None)
    if deadline is not None and connection is not None:
        deadline.attach(connection)


class Watched:
    """A connection with a duplicate of its socket, which stays valid when TLS wraps the first."""

    _duplicate: socket | None = None

    def watch(self, opened: socket) -> None:
        """Give the deadline of what this thread does to a socket instead of an earlier one, connected or not."""
        self.unwatch()
        self._duplicate = fromfd(opened.fileno(), opened.family, opened.type, opened.proto)
        _attach(self._duplicate)

    def unwatch(self) -> None:
        """Close the duplicate."""
        duplicate, self._duplicate = self._duplicate, None
        if duplicate is not None:
            duplicate.close()

    def _new_conn(self) -> socket:
        opened: socket = super()._new_conn()  # type: ignore[misc]
        self.watch(opened)
        return opened

    def request(self, *arguments: Any, **options: Any) -> None:
        """Send a request; a kept-alive connection gets the deadline of this one."""
        _attach(self._duplicate)
        super().request(*arguments, **options)  # type: ignore[misc]

    def close(self) -> None:
        """Close the socket and its duplicate."""
        self.unwatch()
        super().close()  # type: ignore[misc]
