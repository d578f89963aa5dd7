"""A loopback server that keeps what it is sent, and answers every request alike: ours beside the vendor's SDK."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from alibabacloud_tea_openapi.utils_models import Config

from moderate_cli.emulator.gateway import parse_authorization, sign, string_to_sign

SECRET = "AKSECRET"

# The headers in which two clients must agree; others, such as the user agent, are their own.
_HEADERS = ("x-acs-action", "x-acs-version", "accept", "content-type", "x-acs-security-token")


@dataclass
class Captured:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str] = field(repr=False)

    @property
    def content(self) -> tuple[Any, ...]:
        """What the request says, apart from what differs between two clients, or two calls of one."""
        headers = {name: self.headers.get(name) for name in _HEADERS}
        return self.method, self.path, self.query, self.form, headers

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body)))

    def is_signed(self) -> bool:
        authorization = parse_authorization(self.headers["authorization"])
        assert authorization
        text = string_to_sign(self.method, self.path, self.query.items(), self.headers, authorization.signed_headers)
        return sign(SECRET, text) == authorization.signature


class Capture(ThreadingHTTPServer):
    """Answers every request alike and keeps it."""

    def __init__(self, reply: dict[str, Any]) -> None:
        self.reply = reply
        self.requests: list[Captured] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Capture

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Captured(self.command, parts.path, query, body, headers))
        content = json.dumps(self.server.reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def capturing(reply: dict[str, Any]) -> Iterator[Capture]:
    """Run a server that answers every request with the same body."""
    with Capture(reply) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def sdk_config(endpoint: str, token: str | None = None) -> Config:
    """Return what the vendor's SDK needs to speak to HOST:PORT."""
    config = Config(access_key_id="AKID", access_key_secret=SECRET, security_token=token)
    config.endpoint, config.protocol = endpoint, "http"
    return config
