"""A loopback server that misbehaves as it is told: each request takes the next fault from a list."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer; `cut` bytes are missing at its end, and `delay` is in seconds."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    delay: float = 0.0


class Reset:
    """The connection is reset after the request was read."""


class Late:
    """The answer comes too late: never, that is, for as long as the client waits."""


Fault = type[Reset] | type[Late]


def body(code: int, data: dict[str, Any] | None = None, *, status: int = 200, **headers: str) -> Answer:
    """Return an answer of the service with a code inside its body."""
    content: dict[str, Any] = {"Code": code, "Msg": f"code {code}", "RequestId": "R"}
    return Answer(status, json.dumps(content | ({"Data": data} if data is not None else {})).encode(), headers)


def gateway(code: str, status: int, **headers: str) -> Answer:
    """Return an error of the gateway."""
    content = {"Code": code, "Message": f"words about {code}", "RequestId": "G", "HostId": "h", "Recommend": "r"}
    return Answer(status, json.dumps(content).encode(), headers)


JUDGED = body(200, {"RiskLevel": "high", "Result": [{"Label": "QRCode", "Confidence": 100}]})


class FaultServer(ThreadingHTTPServer):
    """Gives the answers of a list in turn, and the last one for ever; keeps the requests."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answers: list[Answer | Fault | Callable[[BaseHTTPRequestHandler], Answer]]) -> None:
        self.answers = answers
        # Seconds that a client had better wait. On a loaded machine the right answer can take a second too.
        self.patience = 2.0 if Late in answers else 60.0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, handler: BaseHTTPRequestHandler) -> Answer | Fault:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.requests.append((handler.command, handler.path, headers))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if answer in (Reset, Late) or isinstance(answer, Answer) else answer(handler)  # type: ignore[operator,return-value]


class _Handler(BaseHTTPRequestHandler):
    server: FaultServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        self.form = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode(errors="replace")
        answer = self.server.take(self)
        if answer is Late:
            self.close_connection = True
            with suppress(OSError):
                self.connection.recv(1)  # returns when the client hangs up
            return
        if not isinstance(answer, Answer):
            # A linger of 0 seconds makes close() send RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        time.sleep(answer.delay)
        self.send_response_only(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) - answer.cut])
        self.close_connection = bool(answer.cut)

    def do_GET(self) -> None:
        self.do_POST()

    def do_PUT(self) -> None:
        self.do_POST()

    def finish(self) -> None:
        with suppress(OSError, ValueError):  # the client has hung up, or the connection was reset above
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def faults(*answers: Answer | Fault | Callable[[BaseHTTPRequestHandler], Answer]) -> Iterator[FaultServer]:
    """Run a server with some answers, of which the last is given for ever."""
    with FaultServer(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
