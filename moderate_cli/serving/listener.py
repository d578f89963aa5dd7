"""How is a small HTTP server kept safe? A bounded number of threads, a deadline for each client, and a clean end."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Mapping
from email.errors import MissingHeaderBodySeparatorDefect
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BufferedIOBase
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Protocol, Self

from msgspec import Struct, field

from moderate_cli.common.errors import UsageError

RETRY_AFTER = 30  # seconds; how long the vendor's service really waits before it pushes again is not documented

_PLAIN = "text/plain; charset=utf-8"
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


class Request(Struct, frozen=True):
    """A request; `target` is the path with the query, as it was sent."""

    method: str
    target: str
    headers: Message
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]


class Response(Struct, frozen=True):
    """A status with a body of a media type."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = _PLAIN


def line(status: int, text: str, **headers: str) -> Response:
    """Return a response with one line of text."""
    return Response(status, f"{text}\n".encode(), headers)


class Application(Protocol):
    """What is served: it turns requests into responses, in many threads."""

    def refusal(self, request: Request) -> Response | None:
        """Return the refusal of a request by its head, before its body is read; None if it is acceptable."""

    def respond(self, request: Request) -> Response:
        """Return the response to an acceptable request; raises nothing."""

    def refuse(self, status: int, reason: str) -> Response:
        """Return the response to what is not a request, or to one with a body that is not read."""


class Limits(Struct, frozen=True):
    """The most bytes of a body, the most connections at once, and the seconds that a client has for each request."""

    body: int
    connections: int = 64
    seconds: float = 10.0


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
        application: Application,
        limits: Limits,
    ) -> None:
        self.application = application
        self.max_body = limits.body
        self.stopping = False
        self._max_connections = limits.connections
        self._seconds = limits.seconds
        self._deadlines: dict[socket.socket, float] = {}
        self._leaving: dict[socket.socket, float] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="listener", daemon=True)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)

    @classmethod
    def bound(cls, host: str, port: int, application: Application, limits: Limits) -> Self:
        """Return a listener at an address; raises UsageError if it cannot be bound."""
        try:
            return cls((host, port), application, limits)
        except (OSError, OverflowError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "choose another --host or --port"
            raise UsageError(
                f"cannot listen on {host} port {port}: {reason}", code="cannot_listen", hint=hint
            ) from error

    @property
    def address(self) -> tuple[str, int]:
        """The host and the actual port that it listens on."""
        host, port = self.server_address[:2]
        return str(host), int(port)

    @property
    def origin(self) -> str:
        """The scheme, the host and the port of its addresses, as seen from this machine."""
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Stop accepting, wait up to `grace` seconds for what is being answered, and disconnect the rest."""
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
        """Respond to a request without a body."""
        self._serve()

    def do_HEAD(self) -> None:
        """Respond to the same, without a body."""
        self._serve()

    def do_POST(self) -> None:
        """Respond to a request with a body."""
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
        self._write(refusal or self.server.application.refuse(int(code), "no readable request"))

    def version_string(self) -> str:
        """Return the Server header: the program, without a version that would help an attacker."""
        return "moderate"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """No-op: standard error belongs to the command."""

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
            response = response or self.server.application.refuse(error.status, error.reason)
        self._write(response or self._respond(body))

    def _respond(self, body: bytes) -> Response:
        self.server.watch(self.connection, working=True)
        response = self.server.application.respond(self._request(body))
        self.server.watch(self.connection)
        return response

    def _request(self, body: bytes = b"") -> Request:
        return Request(self.command, self.path, self.headers, body)

    def _refusal(self) -> Response | None:
        """Return the refusal of a request by its head, None if it is acceptable."""
        application = self.server.application
        refusal = application.refusal(self._request())
        if refusal:
            return refusal
        try:
            self._length()
        except BodyError as error:
            return application.refuse(error.status, error.reason)
        return None

    def _length(self) -> int | None:
        """Return the length of the body in bytes, None for one in chunks; raises BodyError."""
        return length_of(self.headers, self.server.max_body, is_required=self.command == "POST")

    def _write(self, response: Response) -> None:
        if self.server.stopping:
            self.close_connection = True
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.kind)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if getattr(self, "command", None) != "HEAD":
            self.wfile.write(response.body)


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
