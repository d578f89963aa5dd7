"""A bound on the whole of an exchange: connecting, sending, headers and body, however slowly the other side drips.

A socket's own timeout starts anew with each byte. Here one thread hangs up on every connection whose time is over; who
waits on it wakes up with an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool

_TICK = 0.05  # seconds between two looks at what is over


class Deadline:
    """When one exchange is over, by the monotonic clock, and the connection that it uses."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.is_over = False
        self._line: socket | None = None

    def attach(self, line: socket) -> None:
        """Use a connection."""
        self._line = line
        if self.is_over:
            self.end()

    def end(self) -> None:
        """Hang up, so that whoever reads or writes fails at once."""
        self.is_over = True
        if self._line is not None:
            with suppress(OSError):  # it is closed already
                self._line.shutdown(SHUT_RDWR)


class _Watch:
    """The deadlines of all threads, and the thread that keeps them."""

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
                self._open.difference_update(over)
                for deadline in over:  # under the lock: what was discarded never hangs up on the next exchange
                    deadline.end()
            time.sleep(_TICK)


_watch = _Watch()
_here = threading.local()  # the deadline of what this thread does


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Bound all that this thread does over watched connections in the `with` block."""
    deadline = Deadline(time.monotonic() + seconds)
    _here.deadline = deadline
    _watch.add(deadline)
    try:
        yield deadline
    finally:
        _here.deadline = None
        _watch.discard(deadline)


def _attach(line: socket | None) -> None:
    deadline: Deadline | None = getattr(_here, "deadline", None)
    if deadline is not None and line is not None:
        deadline.attach(line)


class _Watched:
    """A connection with a second handle on its socket, which stays the same when TLS takes the first."""

    _line: socket | None = None

    def _new_conn(self) -> socket:
        opened: socket = super()._new_conn()  # type: ignore[misc]
        self._line = opened.dup()
        _attach(self._line)
        return opened

    def request(self, *arguments: Any, **options: Any) -> None:
        """Send a request; a connection that was kept open gets the deadline of this one."""
        _attach(self._line)
        super().request(*arguments, **options)  # type: ignore[misc]

    def close(self) -> None:
        """Close both handles."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        super().close()  # type: ignore[misc]


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class WatchedAdapter(HTTPAdapter):
    """Opens connections that a deadline can end."""

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> ConnectionPool:
        """Return the pool of connections for a request."""
        pool = super().get_connection_with_tls_context(*arguments, **options)
        # Exactly these: the connections of other kinds of pools, as for a SOCKS proxy, are made in their own ways.
        if type(pool) is HTTPSConnectionPool:
            pool.ConnectionCls = _WatchedHTTPS
        elif type(pool) is HTTPConnectionPool:
            pool.ConnectionCls = _WatchedHTTP
        return pool
