"""How is the emulator served? By threads on loopback that turn bytes into requests and responses into bytes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

import msgspec

from moderate_cli.common.errors import UsageError
from moderate_cli.emulator import bodies, buckets, green, library_operations, result_operations, service_operations
from moderate_cli.emulator.account import Account
from moderate_cli.emulator.callbacks import Background
from moderate_cli.emulator.conditions import UPLOAD, Conditions, Fault, Faults, Quota
from moderate_cli.emulator.control import CONTROL_PATH, control
from moderate_cli.emulator.engine import DETECTORS, LocalEngine
from moderate_cli.emulator.fetching import Fetch
from moderate_cli.emulator.gateway import API_VERSION, MANAGEMENT_VERSION, admit
from moderate_cli.emulator.green import Call, Service
from moderate_cli.emulator.messages import BodyError, GatewayError, OssError, Request, Response
from moderate_cli.emulator.rulings import Rulings
from moderate_cli.emulator.scan_results import MAX_RESULTS, ScanResults
from moderate_cli.emulator.state import AccessKey, State, TaskFiles
from moderate_cli.rules import FixedVerdict, Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from moderate_cli.emulator.green import Operation
    from moderate_cli.emulator.tape import Tape

MAX_BODY = 21 * 1024 * 1024
"""Bytes of a body: a little more than the largest image, so that the service can refuse larger ones."""

_BUG = "The request processing has failed due to some unknown error."
_FIRST_ERROR = 400  # HTTP status
_NO_FAULT = Fault()
_IDLE_SECONDS = 60  # until an idle connection is closed
_POLL_SECONDS = 0.05  # between looks whether to stop

_LOCKED: Mapping[str, Operation] = {**library_operations.OPERATIONS, **service_operations.OPERATIONS}
"""Operations on the account, of which one is carried out at a time."""


class Emulator:
    """A local Green API and a local OSS, for as long as the `with` block runs.

    The first `polls_before_result` polls of each task are answered with "in progress". `rules` say what is looked for,
    and what the account begins with. Each answer comes `latency` seconds late, and more than `queries_per_second` calls
    are refused. `tape` records or replays verdicts. `certificate` is the files of a TLS certificate and its key.
    `fetch` says which addresses of images are fetched. `account_id` is the UID in the checksum of callbacks. Port 0 is
    any free one. `results` is a folder for the results of tasks, from which a later emulator answers too. The newest
    results are told by the management API, `history` of them. Raises UsageError for rules whose images cannot be read,
    and for a wrong certificate.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        polls_before_result: int = 0,
        rules: Rules = Rules(),  # noqa: B008 - it never changes
        latency: float = 0.0,
        queries_per_second: int | None = None,
        tape: Tape | None = None,
        certificate: tuple[Path, Path] | None = None,
        fetch: Fetch = Fetch.PUBLIC,
        account_id: str = "1000000000000000",
        port: int = 0,
        results: Path | None = None,
        history: int = MAX_RESULTS,
    ) -> None:
        self.state = State(clock, polls_before_result, TaskFiles(results) if results else None)
        self.access_key = AccessKey.random()
        self.state.add_key(self.access_key)
        self.faults = Faults()
        self._conditions = Conditions(self.faults, Quota(queries_per_second), latency)
        self._account = Account(rules, clock)
        self._results = ScanResults(clock, history)
        self._rulings = Rulings(self._account)
        self.notes = self._rulings.notes
        self._tape = tape
        self._tls = _tls(certificate) if certificate else None
        self._account_id = account_id
        self._fetch = fetch
        self._port = port
        self._server: _Server | None = None

    def __enter__(self) -> Emulator:
        self._server = _Server(self._port, self._make_service, self._tls)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.stop()
            self._server = None
        self.state.close()
        self._account.close()

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

    def seed(self, verdicts: Sequence[Mapping[str, Any]]) -> None:
        """Lay down verdicts, as a rules file has them, before those of the rules; raises msgspec.ValidationError."""
        self._rulings.seeded[:0] = msgspec.convert(verdicts, list[FixedVerdict])

    def add_key(self, key: AccessKey) -> None:
        """Make a further access key known to the service."""
        self.state.add_key(key)

    def _make_service(self, endpoint: str) -> Service:
        """Put together what answers at an endpoint."""
        return Service(
            state=self.state,
            account=self._account,
            results=self._results,
            engine=LocalEngine(DETECTORS, lambda: self._rulings.detectors),
            rulings=self._rulings,
            conditions=self._conditions,
            tape=self._tape,
            background=Background(),
            endpoint=endpoint,
            account_id=self._account_id,
            fetch=self._fetch,
        )


def _tls(files: tuple[Path, Path]) -> ssl.SSLContext:
    """Return what serves by a certificate and its key; raises UsageError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(*files)
    except OSError as error:  # an SSLError is one
        raise UsageError(f"cannot use the certificate {files[0]} with the key {files[1]}: {error}") from error
    return context


class _Server(ThreadingHTTPServer):
    """A threaded server on a loopback port that knows its open connections."""

    daemon_threads = True
    request_queue_size = 128  # the default of 5 refuses bursts of new connections

    def __init__(self, port: int, make_service: Callable[[str], Service], tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        # This binds and listens: whoever connects from here on is served.
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_SECONDS,), name="moderate-emulator", daemon=True
        )
        self.service = make_service(f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}")

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

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection, whose TLS is negotiated later, by the thread that reads from it."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

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
        self._answer(Request(self.command, self.path, request.headers, body))

    def _answer(self, request: Request) -> None:
        """Write the answer to a request, late or wrong if that was asked for."""
        service = self.server.service
        if request.path.startswith(CONTROL_PATH):
            self._write(control(service, request))
            return
        fault = service.conditions.faults.take(_name(request)) or _NO_FAULT
        service.background.wait(service.conditions.latency + fault.delay)
        if fault.cut == "reset":
            self.close_connection = True
            reset = struct.pack("ii", 1, 0)  # on, and no time for what was not sent
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            self.connection.close()
        else:
            self._write(answer(service, request, fault), fault)

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

    def _write(self, response: Response, fault: Fault = _NO_FAULT) -> None:
        """Write an answer into the buffer that is sent when the request is done, or a part of it, or slowly."""
        self.close_connection |= fault.cut is not None
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if fault.cut == "truncate":
            self.wfile.write(response.body[: len(response.body) // 2])
        elif fault.cut == "drip":
            for byte in response.body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.server.service.background.wait(fault.pause):
                    return
        else:
            self.wfile.write(response.body)


def _name(request: Request) -> str:
    """Return the name by which faults know a request."""
    if request.path == "/":
        return request.header("x-acs-action")
    return UPLOAD if request.method in ("PUT", "POST") else ""


def answer(service: Service, request: Request, fault: Fault = _NO_FAULT) -> Response:
    """Return the response to any request; a bug becomes an internal error, as at the vendor's."""
    if fault.body is not None:
        return Response(fault.status or 200, {"Content-Type": "application/json;charset=utf-8"}, fault.body.encode())
    if isinstance(fault.code, str) or (fault.status or 200) >= _FIRST_ERROR:
        return refuse(request, str(fault.code or "ServiceUnavailable"), fault.message, fault.status or 400)
    try:
        if request.path == "/":
            return _call_operation(service, request, fault)
        if request.method == "GET" and request.path.startswith(green.FRAMES_PATH):
            return green.show_frame(service.state, request)
        if request.method == "GET" and request.path.startswith(library_operations.IMAGES_PATH):
            return library_operations.show_library_image(service, request)
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


def _call_operation(service: Service, request: Request, fault: Fault) -> Response:
    """Carry out the operation that the header x-acs-action names, or refuse it with the code of a fault."""
    action, request_id = request.header("x-acs-action"), bodies.new_request_id()
    is_managing = request.header("x-acs-version") == MANAGEMENT_VERSION
    try:
        admit(request, service.state)
        service.conditions.quota.take()
        data = _operation(request, fault)(service, Call(request.parameters(), request_id))
    except BodyError as error:
        service.state.count_refused()
        if is_managing:
            return bodies.management_error(action, request_id, error, request.header("host"))
        return bodies.body_error(action, request_id, error)
    except GatewayError as error:
        service.state.count_refused()
        return bodies.gateway_error(error, request_id, request.header("host"))
    service.state.count_answered(action)
    return bodies.managed(action, request_id, data) if is_managing else bodies.success(action, request_id, data)


def _operation(request: Request, fault: Fault) -> Operation:
    """Return the operation that a request names; raises BodyError where a fault has a code of the service."""
    if isinstance(fault.code, int):
        raise BodyError(fault.code, fault.message)
    operation = _OPERATIONS[request.header("x-acs-version")].get(request.header("x-acs-action"))
    if operation is None:
        message = "Specified api is not found, please check your url and method."
        raise GatewayError("InvalidAction.NotFound", message, 404)
    return operation


def _one_at_a_time(operation: Operation) -> Operation:
    """Return an operation that holds the lock of the account while it is carried out."""

    def carry_out(service: Service, call: Call) -> Mapping[str, Any]:
        with service.account.lock:
            return operation(service, call)

    return carry_out


_OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    API_VERSION: green.OPERATIONS,
    MANAGEMENT_VERSION: {
        **{name: _one_at_a_time(operation) for name, operation in _LOCKED.items()},
        **library_operations.UNLOCKED,
        **result_operations.OPERATIONS,
    },
}
