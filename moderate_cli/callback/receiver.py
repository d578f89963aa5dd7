"""How callbacks are received: an HTTP server with a bounded number of threads, a deadline for each, and a clean end."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.errors import MissingHeaderBodySeparatorDefect
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BufferedIOBase
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self

from msgspec import Struct, field

from moderate_cli.callback.payload import (
    ALGORITHMS,
    Algorithm,
    Callback,
    CallbackError,
    parse_form,
    verify,
)
from moderate_cli.common.digests import NoSm3Error
from moderate_cli.common.errors import UsageError
from moderate_cli.common.masking import repr_without

MAX_BODY = 1024 * 1024  # bytes of a push; a result has some kilobytes, and more with many frames
HEALTH_PATH = "/healthz"  # where a load balancer may check for life, besides the callback's own path
RETRY_AFTER = 30  # seconds; how long the service really waits before it pushes again is not documented

_FORM = "application/x-www-form-urlencoded"
_READING = ("GET", "HEAD")
_POLL_SECONDS = 0.1
_LINGER_SECONDS = 2.0  # for a client to read our last response while it is still sending
_MAX_LEAVING = 128  # such clients; with those that are served, fewer than the 256 files that macOS allows
_DRAINED = 256 * 1024  # bytes that are read of such a client at once
_MAX_HEADERS = 64 * 1024  # bytes of all headers of a request; http.server itself allows 100 of this size
_MAX_FRAMING = 64 * 1024  # bytes of chunk sizes, extensions and trailers, beside as many as the body may have
_MAX_NUMBER_LENGTH = 18  # digits of a length; Python itself refuses to parse those with thousands
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_BUSY = (
    f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Refusal(Struct, frozen=True):
    """A request that was not accepted, and why; `error` is what `save` raised."""

    status: int
    reason: str
    error: Exception | None = None


def _ignore(_: Refusal) -> None:
    """No-op."""


class CallbackServer:
    """Listens from `start` to `stop`, or for the length of a `with` block.

    `save` is called once per push, by many threads, and returns in a few words what became of the callback. Once it
    returns, the callback is stored; if it raises, the service is asked to push again. It handles repeated pushes
    itself. `refused` is called for all other requests, except GET and HEAD on `path` or /healthz, which get 200 for a
    load balancer. A client has `timeout` seconds for each request, and `max_body` bytes for its body.
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
        self._receiver = CallbackReceiver(save=save, uid=uid, seed=seed, algorithms=tuple(algorithms), refused=refused)
        self._bind_to = (host, port)
        self._path = path if path.startswith("/") else f"/{path}"
        self._limits = (max_body, max_connections, timeout)
        self._listener: Listener | None = None

    def start(self) -> None:
        """Listen: clients that connect from now on are served. Raises UsageError if the address cannot be bound."""
        host, port = self._bind_to
        try:
            self._listener = Listener(self._bind_to, self._path, self._receiver, *self._limits)
        except (OSError, OverflowError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "choose another --host or --port"
            raise UsageError(
                f"cannot listen on {host} port {port}: {reason}", code="cannot_listen", hint=hint
            ) from error
        self._listener.start()

    def stop(self, grace: float = 10.0) -> None:
        """Accept nothing more, and wait up to `grace` seconds for callbacks that are being saved; idempotent.

        Clients without a response by then are disconnected, and push again.
        """
        if self._listener:
            self._listener.stop(grace)
            self._listener = None

    @property
    def address(self) -> tuple[str, int]:
        """The host and the actual port that it listens on; raises RuntimeError before `start`."""
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


class Response(Struct, frozen=True):
    """A status with one line of text."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


LISTENING = Response(200, "listening")
"""The response to a load balancer's health check, which is reported to nobody."""


class CallbackReceiver(Struct, frozen=True, kw_only=True):
    """Verifies callbacks by uid and seed, and hands those that are genuine to `save`."""

    save: Callable[[Callback], str]
    uid: str
    seed: str
    algorithms: tuple[Algorithm, ...]
    refused: Callable[[Refusal], None]

    def __repr__(self) -> str:
        return repr_without(self, "seed")

    def receive(self, form: bytes) -> Response:
        """Return the response to a pushed form: 200 once it is saved, else one that makes the service push again."""
        try:
            fields = parse_form(form)
            # What a stranger sent is not parsed any further.
            if not any(verify(fields.checksum, self.uid, self.seed, fields.content, each) for each in self.algorithms):
                return self.refuse(403, "wrong checksum")
            callback = fields.open()
        except NoSm3Error as error:  # it may be right, but cannot be trusted
            return self.refuse(403, f"cannot verify the checksum: {error.message}")
        except CallbackError as error:
            return self.refuse(400, error.message)
        try:
            return Response(200, self.save(callback))
        except Exception as error:  # noqa: BLE001 - whatever kept it from being saved, the service must push it again
            self.refused(Refusal(503, "not saved", error))
            return Response(503, "not saved, push again", {"Retry-After": str(RETRY_AFTER)})

    def refuse(self, status: int, reason: str, **headers: str) -> Response:
        """Report a refusal, and return its response."""
        self.refused(Refusal(status, reason))
        return Response(status, reason, headers)


class Listener(ThreadingMixIn, HTTPServer):
    """The socket with its threads; knows every connection, and its deadline.

    No connection is closed at once: the kernel responds to unread bytes with a reset, which can overtake our response
    (RFC 9112, 9.6). It is closed for writing first, and what still arrives is read for a while.
    """

    daemon_threads = True  # they are waited for in `stop`, with a limit
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        path: str,
        receiver: CallbackReceiver,
        max_body: int,
        max_connections: int,
        timeout: float,
    ) -> None:
        self.methods: dict[str, tuple[str, ...]] = {HEALTH_PATH: _READING, path: (*_READING, "POST")}
        self.receiver = receiver
        self.max_body = max_body
        self.stopping = False
        self._max_connections = max_connections
        self._seconds = timeout
        self._deadlines: dict[socket.socket, float] = {}
        self._leaving: dict[socket.socket, float] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="callbacks", daemon=True)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Stop accepting, wait up to `grace` seconds for what is being saved, and disconnect the rest."""
        self.stopping = True
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._changed:
            for connection in self._deadlines:
                _disconnect(connection, socket.SHUT_RD)  # ends the wait for a request; responses are still sent
            self._changed.wait_for(lambda: not self._deadlines, grace)
            for connection in self._deadlines:
                _disconnect(connection)
            self._close_left(float("inf"))

    def watch(self, connection: socket.socket, *, working: bool = False) -> None:
        """Give a connection a new deadline, or none while the server is working for it."""
        with self._changed:
            if connection in self._deadlines:
                self._deadlines[connection] = float("inf") if working else time.monotonic() + self._seconds

    def service_actions(self) -> None:
        """Disconnect clients that are past their deadline; called for each new connection, and every 0.1 s."""
        now = time.monotonic()
        with self._changed:
            for connection, deadline in self._deadlines.items():
                if deadline < now:
                    _disconnect(connection)
            self._close_left(now)

    def server_bind(self) -> None:
        """Bind without a lookup of the host name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a connection to a thread, or refuse it if there are too many."""
        with self._changed:
            if len(self._deadlines) >= self._max_connections:
                request.setblocking(False)  # never blocks: so little fits into any buffer
                with contextlib.suppress(OSError):
                    request.send(_BUSY.encode())
                self._dismiss(request)
                return
            self._deadlines[request] = time.monotonic() + self._seconds
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Release a connection: its place is free before its client sees the end of it."""
        with self._changed:
            self._deadlines.pop(request, None)
            self._dismiss(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """No-op: what fails outside a response is a client that went away."""

    def _dismiss(self, connection: socket.socket) -> None:
        """Close a connection for writing, and leave the rest to `_close_left`; the oldest makes room for it."""
        _disconnect(connection, socket.SHUT_WR)
        connection.setblocking(False)
        self._leaving[connection] = time.monotonic() + _LINGER_SECONDS
        if len(self._leaving) > _MAX_LEAVING:
            oldest = next(iter(self._leaving))
            del self._leaving[oldest]
            oldest.close()
        if self.stopping:  # the loop that closes them has ended, or is about to
            self._close_left(float("inf"))

    def _close_left(self, now: float) -> None:
        """Close the connections whose clients have gone, or had time enough to go."""
        gone = [connection for connection, end in self._leaving.items() if _is_gone(connection) or end < now]
        for connection in gone:
            del self._leaving[connection]
            connection.close()


def _is_gone(connection: socket.socket) -> bool:
    """Read some of what has arrived, without waiting; return whether nothing more will."""
    try:
        return not connection.recv(_DRAINED)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _disconnect(connection: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(how)


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection, each within its deadline."""

    server: Listener
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a response is sent in one piece
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Wait for a request until the deadline."""
        self.server.watch(self.connection)
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Give a request its full time from its first line on, however long the connection was idle."""
        self.server.watch(self.connection)
        everything = self.rfile
        self.rfile = _Head(everything)
        try:
            return super().parse_request()
        finally:
            self.rfile = everything

    def do_GET(self) -> None:
        """Respond to a load balancer's health check."""
        self._serve()

    def do_HEAD(self) -> None:
        """Respond to the same, without a body."""
        self._serve()

    def do_POST(self) -> None:
        """Respond to a push."""
        self._serve()

    def handle_expect_100(self) -> bool:
        """Tell a client that asks first whether its body will be accepted."""
        refusal = self._refusal()
        if refusal:
            self.close_connection = True
            self._write(refusal)
            self.wfile.flush()
            return False
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not a request, or has an unknown method, with a response of our own."""
        self.close_connection = True
        refusal = self._refusal() if code == HTTPStatus.NOT_IMPLEMENTED else None
        self._write(refusal or self.server.receiver.refuse(int(code), "no readable request"))

    def version_string(self) -> str:
        """Return the Server header: the program, without a version that would help an attacker."""
        return "moderate"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """No-op: standard error belongs to the command, which learns of refusals by `refused`."""

    def _serve(self) -> None:
        """Respond to a request whose head was read; the body is read too, so that the connection can be reused."""
        if self.request_version == "HTTP/1.0" and "Transfer-Encoding" in self.headers:
            self.close_connection = True  # RFC 9112, 6.1: a proxy in between may not know where it ends
        response = self._refusal()
        body = b""
        try:
            body = read_body(self.rfile, self._length(), self.server.max_body)
        except BodyError as error:
            self.close_connection = True
            response = response or self.server.receiver.refuse(error.status, error.reason)
        self._write(response or self._accept(body))

    def _accept(self, body: bytes) -> Response:
        if self.command != "POST":
            return LISTENING
        self.server.watch(self.connection, working=True)
        response = self.server.receiver.receive(body)
        self.server.watch(self.connection)
        return response

    def _refusal(self) -> Response | None:
        """Return the refusal of a request by its head, None if it is acceptable."""
        refuse = self.server.receiver.refuse
        methods = self.server.methods.get(self.path.partition("?")[0])
        if methods is None:
            return refuse(404, "nothing is here")
        if self.command not in methods:
            allowed = ", ".join(methods)
            return refuse(405, f"only {allowed}", Allow=allowed)
        try:
            self._length()
        except BodyError as error:
            return refuse(error.status, error.reason)
        if self.command == "POST" and self.headers.get_content_type() != _FORM:
            return refuse(415, f"not {_FORM}")
        return None

    def _length(self) -> int | None:
        """Return the length of the body in bytes, None for one in chunks; raises BodyError."""
        return length_of(self.headers, self.server.max_body, is_required=self.command == "POST")

    def _write(self, response: Response) -> None:
        body = f"{response.text}\n".encode()
        if self.server.stopping:
            self.close_connection = True
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if getattr(self, "command", None) != "HEAD":
            self.wfile.write(body)


class _Head(BufferedIOBase):
    """Reads the lines of a request's head, up to a bound on all of them together."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._left = _MAX_HEADERS

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line; raises HTTPException beyond the bound, which http.server turns into a 431."""
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException("the headers are too long")
        return line


class BodyError(Exception):
    """A body that is not read, with the status of its refusal; where the next request begins is unknown."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def length_of(headers: Message, most: int, *, is_required: bool) -> int | None:
    """Return the length of a body in bytes, None if it comes in chunks; raises BodyError if it is unclear or too large.

    A load balancer and this server must see the same requests in the same bytes (RFC 9112, 6.3 and 11.2), so what is
    ambiguous is refused.
    """
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in headers.defects):
        raise BodyError(HTTPStatus.BAD_REQUEST, "a line of the head is not a header")  # those below it were not parsed
    codings = headers.get_all("Transfer-Encoding", [])
    lengths = set(headers.get_all("Content-Length", []))
    if codings:
        if lengths:
            raise BodyError(HTTPStatus.BAD_REQUEST, "both Content-Length and Transfer-Encoding")
        if [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise BodyError(HTTPStatus.NOT_IMPLEMENTED, "a Transfer-Encoding that is not chunked")
        return None
    if not lengths and not is_required:
        return 0
    text = lengths.pop().strip() if len(lengths) == 1 else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_NUMBER_LENGTH):
        raise BodyError(HTTPStatus.LENGTH_REQUIRED, "no readable Content-Length")
    if int(text) > most:
        raise _too_large(most)
    return int(text)


def read_body(file: BufferedIOBase, length: int | None, most: int) -> bytes:
    """Return a body of `length` bytes, or in chunks; raises BodyError, or ConnectionError if it is cut off."""
    return _Chunks(file, most).read() if length is None else _exactly(file, length)


class _Chunks:
    """Reads a body in chunks, at most `most` bytes of it (RFC 9112, 7.1)."""

    def __init__(self, file: BufferedIOBase, most: int) -> None:
        self._file = file
        self._most = most
        self._framing = most + _MAX_FRAMING

    def read(self) -> bytes:
        """Return the chunks as one; extensions and trailers are skipped. Raises as `read_body` does."""
        body = bytearray()
        while size := self._size():
            if len(body) + size > self._most:
                raise _too_large(self._most)
            body += _exactly(self._file, size)
            if _exactly(self._file, 2) != b"\r\n":
                raise BodyError(HTTPStatus.BAD_REQUEST, "a chunk that is longer than its size")
        while self._line() != b"\r\n":
            pass
        return bytes(body)

    def _size(self) -> int:
        found = _SIZE_LINE.fullmatch(self._line())
        if not found:
            raise BodyError(HTTPStatus.BAD_REQUEST, "a chunk without a readable size")
        return int(found[1], 16)

    def _line(self) -> bytes:
        line = self._file.readline(self._framing + 1)
        self._framing -= len(line)
        if self._framing < 0:
            raise _too_large(self._most)
        if not line.endswith(b"\n"):
            raise _cut_off()
        return line


def _exactly(file: BufferedIOBase, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise _cut_off()
    return data


def _too_large(most: int) -> BodyError:
    return BodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {most} bytes")


def _cut_off() -> ConnectionError:
    return ConnectionAbortedError("the client disconnected, or was too slow")
