"""The callback server: a bounded number of threads, each with a deadline, and an orderly end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http.server import HTTPServer
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self

from moderate_cli.callback.checksum import ALGORITHMS, Algorithm
from moderate_cli.callback.handler import Handler
from moderate_cli.callback.message import Callback
from moderate_cli.callback.reception import RETRY_AFTER, Reception, Refusal
from moderate_cli.errors import UsageError

MAX_BODY = 1024 * 1024
"""Bytes of a push that are read; a result has some kilobytes, and more with many frames."""

HEALTH_PATH = "/healthz"
"""Where a load balancer may ask whether we live, besides the callback's own path."""

_POLL_SECONDS = 0.1
_LINGER_SECONDS = 2.0  # for a client to read our last answer while it is still sending
_MOST_LEAVING = 128  # such clients; with those that are served, fewer than the 256 files that macOS allows
_DRAINED = 256 * 1024  # bytes that are read of such a client at once
_BUSY = (
    f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
_READING = ("GET", "HEAD")


def _ignore(_: Refusal) -> None:
    """Tell nobody."""


class CallbackServer:
    """Listens from `start` to `stop`, or as long as its `with` block runs.

    `save` is called by many threads, once a push, and returns in a few words what became of the callback; when it
    returns the callback is stored, when it raises the service is asked to push again. Pushes that say the same are its
    business. `refused` is told of everything else, except of GET and HEAD on `path` or /healthz: those are answered
    with 200 for a load balancer. `timeout` is what a client has for each request, in seconds.
    """

    def __init__(
        self,
        save: Callable[[Callback], str],
        *,
        uid: str,
        seed: str,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/",
        algorithms: Sequence[Algorithm] = ALGORITHMS,
        max_body: int = MAX_BODY,
        max_connections: int = 64,
        timeout: float = 10.0,
        refused: Callable[[Refusal], None] = _ignore,
    ) -> None:
        self._reception = Reception(save=save, uid=uid, seed=seed, algorithms=tuple(algorithms), refused=refused)
        self._place = (host, port)
        self._path = path if path.startswith("/") else f"/{path}"
        self._limits = (max_body, max_connections, timeout)
        self._listener: Listener | None = None

    def start(self) -> None:
        """Listen; whoever connects after this is served. Raises UsageError where the address cannot be had."""
        host, port = self._place
        try:
            self._listener = Listener(self._place, self._path, self._reception, *self._limits)
        except (OSError, OverflowError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "choose another --host or --port"
            raise UsageError(
                f"cannot listen on {host} port {port}: {reason}", code="cannot_listen", hint=hint
            ) from error
        self._listener.start()

    def stop(self, grace: float = 10.0) -> None:
        """Accept nothing more, and wait so many seconds for callbacks that are being saved; twice does no harm.

        Whoever has not been answered by then is hung up on, and pushes again.
        """
        if self._listener:
            self._listener.stop(grace)
            self._listener = None

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port that it listens on; the port is a real one where 0 was asked for."""
        if self._listener is None:
            raise RuntimeError("the server has not been started")
        host, port = self._listener.server_address[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """The URL to push to, as seen from this machine."""
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{self._path}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Listener(ThreadingMixIn, HTTPServer):
    """The socket with its threads; it knows every connection, and until when it may keep its thread.

    No connection is closed at once: the kernel answers bytes that nobody read with a reset, which can reach the client
    before our answer does (RFC 9112, 9.6). It is closed for writing, and what still comes is read for a while.
    """

    daemon_threads = True  # they are waited for in `stop`, with a limit
    request_queue_size = 128

    def __init__(
        self,
        place: tuple[str, int],
        path: str,
        reception: Reception,
        max_body: int,
        max_connections: int,
        timeout: float,
    ) -> None:
        self.methods: dict[str, tuple[str, ...]] = {HEALTH_PATH: _READING, path: (*_READING, "POST")}
        self.reception = reception
        self.max_body = max_body
        self.stopping = False
        self._max_connections = max_connections
        self._seconds = timeout
        self._deadlines: dict[socket.socket, float] = {}
        self._leaving: dict[socket.socket, float] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="callbacks", daemon=True)
        self.address_family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        super().__init__(place, Handler)

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Stop accepting, let what is being saved be saved, and hang up on the rest."""
        self.stopping = True
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._changed:
            for connection in self._deadlines:
                _hang_up(connection, socket.SHUT_RD)  # who waits for a request waits no longer; answers still leave
            self._changed.wait_for(lambda: not self._deadlines, grace)
            for connection in self._deadlines:
                _hang_up(connection)
            self._see_off(float("inf"))

    def watch(self, connection: socket.socket, *, working: bool = False) -> None:
        """Give a connection a new deadline, or none while we are the ones who work."""
        with self._changed:
            if connection in self._deadlines:
                self._deadlines[connection] = float("inf") if working else time.monotonic() + self._seconds

    def service_actions(self) -> None:
        """Hang up on connections that are past their deadline; this is called with each new one, and every 0.1 s."""
        now = time.monotonic()
        with self._changed:
            for connection, deadline in self._deadlines.items():
                if deadline < now:
                    _hang_up(connection)
            self._see_off(now)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a connection to a thread, or turn it away where there are too many."""
        with self._changed:
            if len(self._deadlines) >= self._max_connections:
                request.setblocking(False)  # nothing waits here; so little fits into any buffer
                with contextlib.suppress(OSError):
                    request.send(_BUSY.encode())
                self._dismiss(request)
                return
            self._deadlines[request] = time.monotonic() + self._seconds
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Free the place of a connection; whoever sees its end can have that place."""
        with self._changed:
            self._deadlines.pop(request, None)
            self._dismiss(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what fails outside of a reply is a client that went away."""

    def _dismiss(self, connection: socket.socket) -> None:
        """Tell a client that this was all, and leave it to `_see_off`; the oldest makes room for it."""
        _hang_up(connection, socket.SHUT_WR)
        connection.setblocking(False)
        self._leaving[connection] = time.monotonic() + _LINGER_SECONDS
        if len(self._leaving) > _MOST_LEAVING:
            oldest = next(iter(self._leaving))
            del self._leaving[oldest]
            oldest.close()
        if self.stopping:  # the loop that sees them off has ended, or is about to
            self._see_off(float("inf"))

    def _see_off(self, now: float) -> None:
        """Close the connections whose clients have gone, or had time enough to go."""
        gone = [connection for connection, end in self._leaving.items() if _is_gone(connection) or end < now]
        for connection in gone:
            del self._leaving[connection]
            connection.close()


def _is_gone(connection: socket.socket) -> bool:
    """Read some of what has come, without waiting; tell whether nothing more will."""
    try:
        return not connection.recv(_DRAINED)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _hang_up(connection: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(how)
