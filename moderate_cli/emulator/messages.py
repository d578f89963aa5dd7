"""What are requests, responses and errors? Values, without the code that reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, field

from moderate_cli.common.masking import repr_without

NOTHING_CHECKED = 490
"""A code of our own for what no check could look at; the vendor's codes end at 480, by its pages of March 2026."""


class GatewayError(Exception):
    """The API gateway refuses a call: an HTTP error status and a named code."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class BodyError(Exception):
    """The moderation service refuses a call: HTTP 200, and a number in the body's Code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class OssError(Exception):
    """OSS refuses a request: an HTTP error status and a named code, written in XML."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


_FORM = "application/x-www-form-urlencoded"


class Request(Struct, frozen=True):
    """A request that was read completely; the names of its headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return repr_without(self, "headers", "body")

    @property
    def path(self) -> str:
        """The path as it was sent, still percent-encoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded parameters of the URL, in the order in which they were sent."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str:
        """Return a header's value, or an empty text where it is absent."""
        return self.headers.get(name, "")

    def parameters(self) -> dict[str, str]:
        """Return what a gateway of the RPC style takes as parameters: those of the form and of the URL."""
        parameters = dict(self.query)
        if self.header("content-type").partition(";")[0].strip().lower() == _FORM:
            form = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
            parameters = {**dict(form), **parameters}
        return parameters


class Response(Struct, frozen=True):
    """A response, ready to be written."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        return repr_without(self, "body")
