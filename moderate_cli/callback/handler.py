"""One connection of the callback server: from bytes to a form, and from a reply to bytes."""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from moderate_cli.callback.reception import Reply

if TYPE_CHECKING:
    from moderate_cli.callback.server import Listener

_FORM = "application/x-www-form-urlencoded"
_LONGEST_NUMBER = 18  # digits of a length; Python itself refuses to read those with thousands


class Handler(BaseHTTPRequestHandler):
    """Reads requests that come one after another, each within its deadline."""

    server: Listener
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Wait for a request, but not for ever."""
        self.server.watch(self.connection)
        super().handle_one_request()
        if self.server.stopping:
            self.close_connection = True

    def parse_request(self) -> bool:
        """Give a request that has begun its full time, however long the connection was idle."""
        self.server.watch(self.connection)
        return super().parse_request()

    def do_POST(self) -> None:
        """Answer a push."""
        refusal = self._refusal()
        form = self._body()  # read even where it is refused, so that the connection can be used again
        if refusal:
            self._write(refusal)
        elif form is not None:
            self.server.watch(self.connection, working=True)
            reply = self.server.reception.receive(form)
            self.server.watch(self.connection)
            self._write(reply)

    def handle_expect_100(self) -> bool:
        """Tell a client that asks first whether its body is wanted."""
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
        """Refuse what is no request at all, or has a method that is not known here, in our own words."""
        self.close_connection = True
        refusal = self._refusal() if code == HTTPStatus.NOT_IMPLEMENTED else None
        self._write(refusal or self.server.reception.refuse(int(code), "no readable request"))

    def version_string(self) -> str:
        """Name the program in the Server header, and nothing that helps an attacker."""
        return "moderate"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Log nothing: standard error belongs to the command, which is told of refusals."""

    def _refusal(self) -> Reply | None:
        """Return what is wrong with the head of a request."""
        refuse = self.server.reception.refuse
        if self.path.partition("?")[0] != self.server.path:
            return refuse(404, "nothing is here")
        if self.command != "POST":
            return refuse(405, "only POST", Allow="POST")
        length = self._length()
        if length is None:
            return refuse(411, "no readable Content-Length")
        if length > self.server.max_body:
            return refuse(413, f"more than {self.server.max_body} bytes")
        if self.headers.get_content_type() != _FORM:
            return refuse(415, f"not {_FORM}")
        return None

    def _body(self) -> bytes | None:
        """Return the body, None where it is too long or of unknown length, cut off, or out of time."""
        length = self._length()
        if length is not None and length <= self.server.max_body:
            body = self.rfile.read(length)
            if len(body) == length:
                return body
        self.close_connection = True
        return None

    def _length(self) -> int | None:
        """Return the length of the body, None where none is told, or several, or one that nobody means."""
        lengths = set(self.headers.get_all("Content-Length", []))
        text = lengths.pop().strip() if len(lengths) == 1 else ""
        readable = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
        return int(text) if readable and "Transfer-Encoding" not in self.headers else None

    def _write(self, reply: Reply) -> None:
        body = f"{reply.text}\n".encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if getattr(self, "command", None) != "HEAD":
            self.wfile.write(body)
