"""How one request is sent and its response received: signed, over requests, with one kept-alive session per thread.

Loads requests, which takes 60 ms: a run that needs no call never imports this module.
"""

from __future__ import annotations

import logging
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import parse_url

from moderate_cli import __version__
from moderate_cli.client.auth import (
    FORM_CONTENT_TYPE,
    Credentials,
    UnsignedRequest,
    canonical_query,
    form_body,
    signed_headers,
)
from moderate_cli.client.connections import WatchedAdapter
from moderate_cli.client.deadline import Deadline, within
from moderate_cli.client.limits import Timeouts
from moderate_cli.client.parameters import Endpoint, Parameters
from moderate_cli.client.responses import Response
from moderate_cli.common.errors import ServiceError
from moderate_cli.common.loopback import is_loopback
from moderate_cli.common.masking import Secrets, mask_address, mask_text

USER_AGENT = f"moderate-cli/{__version__}"
MAX_RESPONSE = 8 * 1024 * 1024  # bytes of a response, unpacked; real ones have some kilobytes
MAX_FRAME = 20 * 1024 * 1024  # bytes of a frame, as many as an image may have

_GZIP = zlib.MAX_WBITS | 16  # how zlib is told to read a member of gzip, and to check its length and CRC
_PIECE = 4096  # bytes unpacked at once: each of many tiny members copies what is left of its piece

_PROXY_SCHEMES = frozenset({"http", "https"})
_SOCKS_SCHEMES = frozenset({"socks4", "socks4a", "socks5", "socks5h"})

log = logging.getLogger(__name__)


class Transport:
    """Signs and sends; knows no operation, and retries nothing.

    `version` is that of the API, and `clock` returns Unix seconds. `secrets` are those that responses granted, which
    no later one may repeat; those of the credentials are known with each call.
    """

    def __init__(self, endpoint: Endpoint, *, version: str, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self.endpoint = endpoint
        self._version = version
        self.clock_offset = 0.0  # seconds to add to this machine's clock
        self.secrets = Secrets()
        self._timeouts = timeouts
        self._clock = clock
        self._local = threading.local()
        self._sessions: WeakSet[requests.Session] = WeakSet()  # a thread's session ends with it, and so its connections
        self._lock = threading.Lock()

    def send(
        self, action: str, parameters: Parameters, credentials: Credentials, *, read_timeout: float | None = None
    ) -> Response:
        """Send one call with its own date and nonce; `read_timeout` (seconds) overrides the usual one.

        Raises ServiceError, retryable in most cases, if no complete response arrives.
        """
        sent_at = self._clock()
        request = self._sign(action, parameters, credentials, sent_at + self.clock_offset)
        signature = str(request.headers["authorization"]).rpartition("=")[2]
        own = (credentials.access_key_secret, credentials.security_token, signature)
        seconds = read_timeout or self._timeouts.read
        with within(seconds) as deadline:
            try:
                session, settings = self._session()
                # The adapter alone follows no redirect and keeps no cookie: a signed request is for this host alone.
                response = session.get_adapter(f"{self.endpoint.url}/").send(
                    request, timeout=(self._timeouts.connect, seconds), **settings
                )
                content = self._content(response, MAX_RESPONSE, deadline, own)
            except (OSError, HTTPError) as error:  # what requests raises is an OSError, as is a missing CA bundle
                raise self._no_response(error, self.endpoint.host, deadline, seconds) from error
        log.info("%s %s: HTTP %d, %d bytes", self.endpoint.host, action, response.status_code, len(content))
        return Response(response.status_code, response.headers, content, sent_at, own, self.secrets.known)

    def get(self, address: str | None = None, *, limit: int = MAX_RESPONSE) -> Response:
        """Get an address, by default the endpoint, without a signature.

        Raises ServiceError if there is no response in time, or one of more than `limit` bytes.
        """
        return self._exchange("GET", address or self.endpoint.url, limit, self._timeouts.read)

    def post_form(
        self, address: str, fields: Mapping[str, str], content: bytes, *, name: str, seconds: float
    ) -> Response:
        """Post a form with a file as its last field, `file`, without a signature of ours.

        Raises ServiceError if there is no response within `seconds`.
        """
        return self._exchange("POST", address, MAX_RESPONSE, seconds, data=fields, files={"file": (name, content)})

    def _exchange(self, method: str, url: str, limit: int, seconds: float, **content: Any) -> Response:
        """Send an unsigned request; no redirect is followed."""
        sent_at = self._clock()
        with within(seconds) as deadline:
            try:
                session, settings = self._session()
                response = session.request(
                    method,
                    url,
                    stream=True,
                    timeout=(self._timeouts.connect, seconds),
                    allow_redirects=False,
                    verify=settings["verify"],
                    proxies=proxies_for(url),
                    **content,
                )
                body = self._content(response, limit, deadline)
            except (OSError, HTTPError, ValueError) as error:  # ValueError: not a URL
                host = urlsplit(url).hostname or mask_address(url)
                raise self._no_response(error, host, deadline, seconds) from error
        return Response(response.status_code, response.headers, body, sent_at)

    def _content(
        self, response: requests.Response, limit: int, deadline: Deadline, own: tuple[str | None, ...] = ()
    ) -> bytes:
        """Return the content of a response, unpacked, and release its connection.

        Raises ServiceError for more than `limit` bytes, and for an encoding that is neither gzip nor deflate; it does
        not repeat secrets, the `own` ones of the request included.
        """
        data = b""
        # The last read, which finds nothing more, tells whether the body was cut off.
        while len(data) <= limit and (more := response.raw.read(limit + 1 - len(data), decode_content=False)):
            data += more
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if len(data) <= limit and encoding in {"gzip", "x-gzip", "deflate"}:
            data = _unpacked(data, limit)
        elif encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            response.close()
            encoding = mask_text(encoding, (*own, *self.secrets.known))[:40]
            raise _unreadable(f"has the unknown encoding {encoding!r}", response.status_code)
        if len(data) > limit:
            response.close()
            raise _unreadable(f"is longer than {limit // 1024 // 1024} MB", response.status_code)
        if deadline.is_over:  # a connection cut within the headers looks like a response without a body
            raise TimeoutError
        return data

    def proxy(self) -> str | None:
        """Return the proxy for the endpoint, or None; raises ServiceError, fatal, for one that cannot be used."""
        proxies: dict[str, str] = self._session()[1]["proxies"]
        return proxies.get(self.endpoint.scheme)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()

    def _sign(
        self, action: str, parameters: Parameters, credentials: Credentials, now: float
    ) -> requests.PreparedRequest:
        unsigned = UnsignedRequest(
            host=self.endpoint.host,
            action=action,
            version=self._version,
            date=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            nonce=secrets.token_hex(16),
            query=parameters.query,
            body=b"" if parameters.form is None else form_body(parameters.form),
            content_type=None if parameters.form is None else FORM_CONTENT_TYPE,
        )
        headers = signed_headers(unsigned, credentials)
        headers["accept"] = "application/json"  # RPC gateways have answered in XML without it
        headers["user-agent"] = USER_AGENT
        headers["content-length"] = str(len(unsigned.body))
        query = canonical_query(parameters.query)
        # Prepared by hand: letting requests do it takes a sixth of the CPU time of a call.
        request = requests.PreparedRequest()
        request.method = "POST"
        request.url = f"{self.endpoint.url}/?{query}" if query else f"{self.endpoint.url}/"
        request.headers = CaseInsensitiveDict(headers)
        request.body = unsigned.body or None
        return request

    def _session(self) -> tuple[requests.Session, dict[str, Any]]:
        """Return this thread's session with its proxy and CA settings, which are computed once, not for each call."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            settings = session.merge_environment_settings(self.endpoint.url, {}, True, True, None)
            settings["proxies"] = proxies_for(self.endpoint.url)
            session.trust_env = False  # from here on, ignore netrc and environment variables
            for scheme in ("http://", "https://"):
                session.mount(scheme, WatchedAdapter())
            session.mount(f"{self.endpoint.url}/", _OneHost())
            with self._lock:
                self._sessions.add(session)
            self._local.session = session
            self._local.settings = settings
        return self._local.session, self._local.settings

    def _no_response(self, error: Exception, host: str, deadline: Deadline, seconds: float) -> ServiceError:
        if deadline.is_over or isinstance(error, requests.exceptions.ReadTimeout | ReadTimeoutError):
            hint = "try again, or raise --timeout"
            return _perhaps_judged(
                f"no complete response from {host} within {seconds:g} s", code="read_timeout", hint=hint
            )
        if isinstance(error, HTTPError):  # the body was cut off
            return _perhaps_judged(
                f"the connection to {host} was lost: {_reason(error)}", code="connection_lost", hint="try again"
            )
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | ValueError):
            return ServiceError(f"{host!r} is not a usable address", code="invalid_address")
        if not isinstance(error, requests.RequestException):
            hint = "check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
            return ServiceError(f"cannot send requests to {host}: {error}", code="tls_failed", hint=hint, fatal=True)
        if isinstance(error, requests.exceptions.SSLError):
            hint = "behind a proxy that inspects TLS, set REQUESTS_CA_BUNDLE to its certificate"
            return ServiceError(f"no trusted TLS connection to {host}: {_reason(error)}", code="tls_failed", hint=hint)
        if isinstance(error, requests.exceptions.ProxyError):
            hint = "check HTTPS_PROXY and NO_PROXY"
            message = f"the proxy refused to connect to {host}: {_reason(error)}"
            return ServiceError(message, code="proxy_failed", hint=hint, retryable=True, max_attempts=2)
        hint = "check the network, --region and --endpoint"
        if isinstance(error, requests.exceptions.ConnectTimeout):
            message = f"no connection to {host} within {self._timeouts.connect:g} s"
        elif any(isinstance(cause, NewConnectionError) for cause in _causes(error)):
            message = f"no connection to {host}: {_reason(error)}"
        else:
            message = f"the connection to {host} was lost: {_reason(error)}"
            return _perhaps_judged(message, code="connection_lost", hint="try again")
        return ServiceError(message, code="connection_failed", hint=hint, retryable=True)


class _OneHost(WatchedAdapter):
    """Looks up its connection pool once, not for each request."""

    _pool: ConnectionPool | None = None

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> ConnectionPool:
        """Return the pool of the first request: all have the same host, proxy and CA settings."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*arguments, **options)
        return self._pool


def proxies_for(url: str) -> dict[str, str]:
    """Return the environment's proxy for a URL by the URL's scheme, none for one on this machine.

    Raises ServiceError, fatal for the run, for a proxy that cannot be used.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname or ""):
        return {}
    proxies = get_environ_proxies(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return {parts.scheme: _checked_proxy(proxy)} if proxy else {}


def _checked_proxy(proxy: str) -> str:
    """Return a proxy with its scheme, having read it as it is read for each connection, where its errors come late."""
    url = proxy if ":/" in proxy else f"http://{proxy}"  # without one, requests takes a host for it
    hint = "set HTTPS_PROXY to http://HOST:PORT, or NO_PROXY for the service's host"
    try:
        parts = parse_url(url)
        (parts.host or "").encode("idna")  # as sockets do: refuses a part that is empty or too long
    except (HTTPError, UnicodeError):
        parts = None
    if parts is None or not parts.host or parts.port == 0:
        problem = "no valid host and port"
    elif parts.scheme not in _PROXY_SCHEMES | _SOCKS_SCHEMES:
        problem = "no known scheme"
    elif parts.scheme in _SOCKS_SCHEMES and find_spec("socks") is None:
        hint = f"pip install pysocks, or {hint}"
        raise ServiceError("a SOCKS proxy needs the package pysocks", code="proxy_invalid", hint=hint, fatal=True)
    elif parts.scheme in _PROXY_SCHEMES and any(character > "\xff" for character in unquote(parts.auth or "")):
        problem = "a user or password with characters that HTTP cannot send"
    else:
        return url
    # The proxy itself is not shown, since it may hold a password.
    raise ServiceError(
        f"the proxy of the environment cannot be used: {problem}", code="proxy_invalid", hint=hint, fatal=True
    )


def _unpacked(data: bytes, limit: int) -> bytes:
    """Return the content of gzip or deflate, at most one byte over the limit; raises ServiceError for neither."""
    ways = (_GZIP,) if data.startswith(b"\x1f\x8b") else (zlib.MAX_WBITS, -zlib.MAX_WBITS)  # deflate without a header
    for way in ways:
        with suppress(zlib.error):
            return _inflated(data, way, limit)
    raise _unreadable("cannot be unpacked", 200)


def _inflated(data: bytes, way: int, limit: int) -> bytes:
    """Return the content of all members of gzip (RFC 1952), or of one stream of deflate.

    Raises zlib.error where the last one has no end, or is followed by anything else: what was cut off may say more.
    """
    content = bytearray()
    unpacker = zlib.decompressobj(way)
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        while piece:
            if unpacker.eof:
                if way != _GZIP:
                    raise zlib.error("something follows the end")
                unpacker = zlib.decompressobj(way)
            content += unpacker.decompress(piece, limit + 1 - len(content))
            if len(content) > limit:
                return bytes(content)
            piece = unpacker.unused_data
    if data and not unpacker.eof:
        raise zlib.error("the end is missing")
    return bytes(content)


def _unreadable(what: str, status: int) -> ServiceError:
    return ServiceError(f"the response {what} (HTTP {status})", code="unreadable_answer", http_status=status)


def _perhaps_judged(message: str, *, code: str, hint: str) -> ServiceError:
    """Return the error of a call that was sent, and so may be judged and billed: at most two attempts may end so."""
    return ServiceError(message, code=code, hint=hint, retryable=True, max_attempts=2)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors that it wraps, the outermost first."""
    seen: object = error
    while isinstance(seen, BaseException):
        yield seen
        wrapped = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = getattr(seen, "reason", None) or wrapped or seen.__cause__ or seen.__context__


def _reason(error: BaseException) -> str:
    """Return the operating system's message of the innermost cause, or the name of the error."""
    words = [cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
    return words[-1] if words else type(error).__name__
