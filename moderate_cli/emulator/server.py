"""How is the emulator served? By threads on loopback that turn bytes into requests and responses into bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from moderate_cli.emulator import bodies, buckets, green
from moderate_cli.emulator.callbacks import Background
from moderate_cli.emulator.engine import LocalEngine
from moderate_cli.emulator.gateway import admit
from moderate_cli.emulator.green import OPERATIONS, Call, Service
from moderate_cli.emulator.messages import BodyError, GatewayError, OssError, Request, Response
from moderate_cli.emulator.state import AccessKey, State, TaskFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from moderate_cli.emulator.green import Operation
    from moderate_cli.emulator.rules import ImageRule, Keyword

MAX_BODY = 21 * 1024 * 1024
"""Bytes of a body: a little more than the largest image, so that the service can refuse larger ones."""

_BUG = "The request processing has failed due to some unknown error."
_IDLE_SECONDS = 60  # until an idle connection is closed
_POLL_SECONDS = 0.05  # between looks whether to stop


class Emulator:
    """A local Green API and a local OSS, for as long as the `with` block runs.

    The first `polls_before_result` polls of each task are answered with "in progress". `keywords` are searched in the
    texts of posts, and the first of the `image_rules` that matches an image decides its verdict. `account_id` is the
    UID in the checksum of callbacks. Port 0 is any free one. `results` is a folder for the results of tasks, from which
    a later emulator answers too.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        polls_before_result: int = 0,
        keywords: Sequence[Keyword] = (),
        image_rules: Sequence[ImageRule] = (),
        account_id: str = "1000000000000000",
        port: int = 0,
        results: Path | None = None,
    ) -> None:
        self.state = State(clock, polls_before_result, TaskFiles(results) if results else None)
        self.access_key = AccessKey.random()
        self.state.add_key(self.access_key)
        self._keywords = tuple(keywords)
        self._image_rules = tuple(image_rules)
        self._account_id = account_id
        self._port = port
        self._server: _Server | None = None

    def __enter__(self) -> Emulator:
        self._server = _Server(self._port, self._make_service)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.stop()
            self._server = None
        self.state.close()

    @property
    def endpoint(self) -> str:
        """The URL of both services; raises RuntimeError outside of the `with` block."""
        if self._server is None:
            raise RuntimeError("the emulator runs inside a `with` block only")
        return self._server.service.endpoint

    def finish_tasks(self) -> None:
        """Wait until every queued task has its result, and each callback was pushed; nothing can be queued after."""
        if self._server:
            self._server.service.background.drain()

    def add_key(self, key: AccessKey) -> None:
        """Make a further access key known to the service."""
        self.state.add_key(key)

    def _make_service(self, endpoint: str) -> Service:
        """Put together what answers at an endpoint."""
        return Service(
            self.state, LocalEngine(), Background(), endpoint, self._keywords, self._image_rules, self._account_id
        )


class _Server(ThreadingHTTPServer):
    """A threaded server on a loopback port that knows its open connections."""

    daemon_threads = True
    request_queue_size = 128  # the default of 5 refuses bursts of new connections

    def __init__(self, port: int, make_service: Callable[[str], Service]) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        # This binds and listens: whoever connects from here on is served.
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_SECONDS,), name="moderate-emulator", daemon=True
        )
        self.service = make_service(f"http://127.0.0.1:{self.server_port}")

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, close all connections, and end the background work."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.service.background.stop()

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection, and hand it to a thread."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection, and close it."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the listening socket and the connections that clients keep open."""
        super().server_close()
        with self._connections_lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """No-op: what fails outside a response is a client that disconnected."""


class _Handler(BaseHTTPRequestHandler):
    """One connection; its responses are written at once, without the delay of Nagle's algorithm."""

    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer a GET."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._serve()

    def do_PUT(self) -> None:
        """Answer a PUT."""
        self._serve()

    def handle_expect_100(self) -> bool:
        """Tell a waiting client to continue; the response must not stay in the buffer."""
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Take the Date header from the emulator's clock."""
        return formatdate(self.server.service.state.clock() if timestamp is None else timestamp, usegmt=True)

    def version_string(self) -> str:
        """Name the emulator in the Server header, so that its responses are not taken for the vendor's."""
        return "moderate-emulator"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is inherited)
        """No-op: standard error belongs to the program that runs the emulator."""

    def _serve(self) -> None:
        """Read the rest of a request and write the answer."""
        request = Request(self.command, self.path, self._read_headers())
        refusal = self._refuse_body(request)
        if refusal:
            self.close_connection = True
            self._write(refusal)
            return
        length = int(request.header("content-length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        self._write(answer(self.server.service, Request(self.command, self.path, request.headers, body)))

    def _read_headers(self) -> dict[str, str]:
        """Return the headers with names in lower case; several of one name are joined as for a signature."""
        headers = {}
        for name in self.headers:
            # http.client reads headers as ISO 8859-1; what was signed is UTF-8.
            values = [value.encode("latin-1").decode("utf-8", "replace") for value in self.headers.get_all(name, [])]
            headers[name.lower()] = ",".join(sorted(values))
        return headers

    def _refuse_body(self, request: Request) -> Response | None:
        """Refuse a body whose length is unknown or too large, without reading it."""
        length = request.header("content-length")
        if "transfer-encoding" in request.headers or (not length and request.method != "GET"):
            return refuse(request, "MissingContentLength", "The header Content-Length is mandatory.", 411)
        if length and not (length.isascii() and length.isdecimal()):
            return refuse(request, "InvalidArgument", "The header Content-Length is not a number.", 400)
        if int(length or 0) > MAX_BODY:
            message = f"The body is larger than {MAX_BODY} bytes."
            return refuse(request, "EntityTooLarge", message, 413)
        return None

    def _write(self, response: Response) -> None:
        """Write an answer into the buffer that is sent when the request is done."""
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)


def answer(service: Service, request: Request) -> Response:
    """Return the response to any request; a bug becomes an internal error, as at the vendor's."""
    try:
        if request.path == "/":
            return _call_operation(service, request)
        if request.method == "GET" and request.path.startswith(green.FRAMES_PATH):
            return green.show_frame(service.state, request)
        return buckets.answer(service.state, request)
    except OssError as error:
        return buckets.error_answer(error, request.header("host"))
    except Exception:  # noqa: BLE001  (the boundary of the emulated service)
        return refuse(request, "InternalError", _BUG, 500)


def refuse(request: Request, code: str, message: str, status: int) -> Response:
    """Refuse a request in the form of the part that it is meant for."""
    if request.path == "/":
        error = GatewayError(code, message, status)
        return bodies.gateway_error(error, bodies.new_request_id(), request.header("host"))
    return buckets.error_answer(OssError(code, message, status), request.header("host"))


def _call_operation(service: Service, request: Request) -> Response:
    """Carry out the operation that the header x-acs-action names."""
    action, request_id = request.header("x-acs-action"), bodies.new_request_id()
    try:
        admit(request, service.state)
        data = _operation(action)(service, Call(request.parameters(), request_id))
    except BodyError as error:
        service.state.count_refused()
        return bodies.body_error(action, request_id, error)
    except GatewayError as error:
        service.state.count_refused()
        return bodies.gateway_error(error, request_id, request.header("host"))
    service.state.count_answered(action)
    return bodies.success(action, request_id, data)


def _operation(action: str) -> Operation:
    """Return the operation of a name."""
    operation = OPERATIONS.get(action)
    if operation is None:
        message = "Specified api is not found, please check your url and method."
        raise GatewayError("InvalidAction.NotFound", message, 404)
    return operation
