"""One connection of the callback server: from bytes to a form, and from a reply to bytes."""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any

from moderate_cli.callback.body import BodyError, length_of, read_body
from moderate_cli.callback.reception import LISTENING, Reply

if TYPE_CHECKING:
    from moderate_cli.callback.server import Listener

_FORM = "application/x-www-form-urlencoded"
_MOST_HEADERS = 64 * 1024  # bytes of all headers of a request; http.server itself takes 100 of this size


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

    def parse_request(self) -> bool:
        """Give a request that has begun its full time, however long the connection was idle."""
        self.server.watch(self.connection)
        everything = self.rfile
        self.rfile = _Head(everything)
        try:
            return super().parse_request()
        finally:
            self.rfile = everything

    def do_GET(self) -> None:
        """Answer a load balancer that wants to know whether we live."""
        self._serve()

    def do_HEAD(self) -> None:
        """Answer the same question, without a body."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a push."""
        self._serve()

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

    def _serve(self) -> None:
        """Answer a request whose head was read; the body is too, so that the connection can be used again."""
        if self.request_version == "HTTP/1.0" and "Transfer-Encoding" in self.headers:
            self.close_connection = True  # RFC 9112, 6.1: whoever passed that on may not know where it ends
        reply = self._refusal()
        body = b""
        try:
            body = read_body(self.rfile, self._length(), self.server.max_body)
        except BodyError as error:
            self.close_connection = True
            reply = reply or self.server.reception.refuse(error.status, error.reason)
        self._write(reply or self._accept(body))

    def _accept(self, body: bytes) -> Reply:
        if self.command != "POST":
            return LISTENING
        self.server.watch(self.connection, working=True)
        reply = self.server.reception.receive(body)
        self.server.watch(self.connection)
        return reply

    def _refusal(self) -> Reply | None:
        """Return what is wrong with the head of a request."""
        refuse = self.server.reception.refuse
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
        """Return the length of the body, None for one in chunks. Raises BodyError."""
        return length_of(self.headers, self.server.max_body, is_required=self.command == "POST")

    def _write(self, reply: Reply) -> None:
        body = f"{reply.text}\n".encode()
        if self.server.stopping:
            self.close_connection = True
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


class _Head(BufferedIOBase):
    """The lines of a request's headers, up to a bound on all of them."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._left = _MOST_HEADERS

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line; http.server refuses the request with 431 where this raises."""
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise HTTPException("the headers are too long")
        return line
