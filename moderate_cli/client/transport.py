"""One signed request to the service and its answer, over requests with one kept-alive session a thread."""

from __future__ import annotations

import logging
import re
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import requests
from msgspec import Struct, field
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from moderate_cli import __version__
from moderate_cli.client.auth import (
    FORM_CONTENT_TYPE,
    Credentials,
    UnsignedRequest,
    canonical_query,
    form_body,
    signed_headers,
)
from moderate_cli.client.deadline import Deadline, WatchedAdapter, within
from moderate_cli.common.errors import ServiceError, UsageError
from moderate_cli.common.loopback import is_loopback
from moderate_cli.common.masking import mask_bytes, repr_without
from moderate_cli.common.text import shortened


class Timeouts(Struct, frozen=True):
    """How long to wait, in seconds: for a connection, and for the answer once the request is sent."""

    connect: float = 3.0
    read: float = 10.0


class Parameters(Struct, frozen=True, kw_only=True):
    """The parameters of one call, where they travel."""

    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None


class Answer(Struct, frozen=True):
    """What came back: status, headers (names in any case), the bytes of the body, and when it was asked for.

    `secrets` are those with which it was asked for, which no answer may repeat.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: float
    secrets: tuple[str | None, ...] = ()

    def __repr__(self) -> str:
        return repr_without(self, "secrets")

    @property
    def clock_skew(self) -> float | None:
        """By how many seconds this machine is ahead of the service, where a Date header tells."""
        from email.utils import parsedate_to_datetime  # 7 ms that only a wrong clock needs

        try:
            return self.sent_at - parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return None


_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ADDRESS = re.compile(
    rf"(?:(?P<scheme>https?)://)?(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?/?",
    re.IGNORECASE | re.ASCII,
)


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    from ipaddress import ip_address  # hardly any endpoint is a number

    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class Endpoint(Struct, frozen=True):
    """A scheme and a host with its port, as `host` is signed."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        """The address as text, without a path."""
        return f"{self.scheme}://{self.host}"

    @property
    def hostname(self) -> str:
        """The host's name or address alone."""
        return urlsplit(self.url).hostname or ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `HOST[:PORT]` (https) or an address with its scheme.

        Raises UsageError for anything else, and for http to another machine: signed requests carry credentials' ids
        and users' images.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None or not 0 < int(found["port"] or 443) < 65536 or not _is_host(found["host"]):
            raise UsageError(f"{shortened(text)!r} is not an endpoint", hint="give HOST, HOST:PORT or https://HOST")
        scheme, host = (found["scheme"] or "https").lower(), found["host"].lower()
        if scheme == "http" and not is_loopback(host.strip("[]")):
            raise UsageError(f"{shortened(text)!r} is plain http to another machine", hint="use https")
        return cls(scheme, f"{host}:{found['port']}" if found["port"] else host)


API_VERSION = "2022-03-02"
USER_AGENT = f"moderate-cli/{__version__}"

log = logging.getLogger(__name__)


MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer, once it is unpacked; real ones have some kilobytes."""
MAX_FRAME = 20 * 1024 * 1024
"""Bytes of a frame, as many as an image may have."""

_PROXY_SCHEMES = frozenset({"http", "https"})


class _OneHost(WatchedAdapter):
    """Looks up the connections of its host once, and not for each request."""

    _pool: ConnectionPool | None = None

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> ConnectionPool:
        """Return the connections that the first request needed: all have the same host, proxy and CA settings."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*arguments, **options)
        return self._pool


class Transport:
    """Signs and sends; knows no operation and tries nothing twice."""

    def __init__(self, endpoint: Endpoint, *, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        self.endpoint = endpoint
        self.clock_offset = 0.0  # seconds to add to this machine's clock
        self._timeouts = timeouts
        self._clock = clock
        self._local = threading.local()
        self._sessions: WeakSet[requests.Session] = WeakSet()  # a thread's session ends with it, and so its connections
        self._lock = threading.Lock()

    def send(
        self, action: str, parameters: Parameters, credentials: Credentials, *, read_timeout: float | None = None
    ) -> Answer:
        """Send one call with a date and a nonce of its own; `read_timeout` takes the place of the usual one.

        Raises ServiceError, retryable, where no complete answer arrived.
        """
        sent_at = self._clock()
        request = self._sign(action, parameters, credentials, sent_at + self.clock_offset)
        seconds = read_timeout or self._timeouts.read
        with within(seconds) as deadline:
            try:
                session, settings = self._session()
                # The adapter alone follows no redirect and keeps no cookie: a signed request is for this host alone.
                response = session.get_adapter(f"{self.endpoint.url}/").send(
                    request, timeout=(self._timeouts.connect, seconds), **settings
                )
                content = self._content(response, MAX_ANSWER, deadline)
            except (OSError, HTTPError) as error:  # what requests raises is an OSError, as is a missing CA bundle
                raise self._unanswered(error, self.endpoint.host, deadline, seconds) from error
        log.info("%s %s: HTTP %d, %d bytes", self.endpoint.host, action, response.status_code, len(content))
        signature = str(request.headers["authorization"]).rpartition("=")[2]
        secrets_ = (credentials.access_key_secret, credentials.security_token, signature)
        return Answer(response.status_code, response.headers, mask_bytes(content, secrets_), sent_at, secrets_)

    def get(self, address: str | None = None, *, limit: int = MAX_ANSWER) -> Answer:
        """Get an address, or else the endpoint, without a signature, and at most `limit` bytes of it.

        Raises ServiceError where nobody answers in time, or with more.
        """
        sent_at = self._clock()
        url = address or self.endpoint.url
        host = urlsplit(url).hostname or ""
        with within(self._timeouts.read) as deadline:
            try:
                session, settings = self._session()
                response = session.get(
                    url,
                    stream=True,
                    timeout=(self._timeouts.connect, self._timeouts.read),
                    allow_redirects=False,
                    verify=settings["verify"],
                    proxies=proxies_for(url),
                )
                content = self._content(response, limit, deadline)
            except (OSError, HTTPError, ValueError) as error:  # ValueError: no address at all
                raise self._unanswered(error, host or url, deadline, self._timeouts.read) from error
        return Answer(response.status_code, response.headers, content, sent_at)

    def _content(self, response: requests.Response, limit: int, deadline: Deadline) -> bytes:
        """Return what a response holds, unpacked, and give its connection back.

        Raises ServiceError for more than `limit` bytes, and for a packing that we did not ask for and do not know.
        """
        data = b""
        # The read that finds nothing more tells whether the body broke off.
        while len(data) <= limit and (more := response.raw.read(limit + 1 - len(data), decode_content=False)):
            data += more
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if len(data) <= limit and encoding in {"gzip", "x-gzip", "deflate"}:
            data = _unpacked(data, limit)
        elif encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            response.close()
            raise _unreadable(f"is packed as {encoding[:40]!r}", response.status_code)
        if len(data) > limit:
            response.close()
            raise _unreadable(f"is longer than {limit // 1024 // 1024} MB", response.status_code)
        if deadline.is_over:  # a line that was cut among the headers looks like an answer without a body
            raise TimeoutError
        return data

    def proxy(self) -> str | None:
        """Return the proxy on the way to the endpoint, or None."""
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
            version=API_VERSION,
            date=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            nonce=secrets.token_hex(16),
            query=parameters.query,
            body=b"" if parameters.form is None else form_body(parameters.form),
            content_type=None if parameters.form is None else FORM_CONTENT_TYPE,
        )
        headers = signed_headers(unsigned, credentials)
        headers["accept"] = "application/json"  # RPC gateways have answered XML without it
        headers["user-agent"] = USER_AGENT
        headers["content-length"] = str(len(unsigned.body))
        query = canonical_query(parameters.query)
        # Ready as it is: to let requests prepare it takes a sixth of all that a call costs the processor.
        request = requests.PreparedRequest()
        request.method = "POST"
        request.url = f"{self.endpoint.url}/?{query}" if query else f"{self.endpoint.url}/"
        request.headers = CaseInsensitiveDict(headers)
        request.body = unsigned.body or None
        return request

    def _session(self) -> tuple[requests.Session, dict[str, Any]]:
        """Return this thread's session and its proxy and CA settings, which are worked out once, not once a call."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            settings = session.merge_environment_settings(self.endpoint.url, {}, True, True, None)
            settings["proxies"] = proxies_for(self.endpoint.url)
            session.trust_env = False  # from here on no netrc and no variable has a say
            for scheme in ("http://", "https://"):
                session.mount(scheme, WatchedAdapter())
            session.mount(f"{self.endpoint.url}/", _OneHost())
            with self._lock:
                self._sessions.add(session)
            self._local.session = session
            self._local.settings = settings
        return self._local.session, self._local.settings

    def _unanswered(self, error: Exception, host: str, deadline: Deadline, seconds: float) -> ServiceError:
        if deadline.is_over or isinstance(error, requests.exceptions.ReadTimeout | ReadTimeoutError):
            hint = "try again, or raise --timeout"
            return _perhaps_judged(f"no whole answer from {host} within {seconds:g} s", code="read_timeout", hint=hint)
        if isinstance(error, HTTPError):  # the body broke off
            return _perhaps_judged(
                f"the connection to {host} was lost: {_reason(error)}", code="connection_lost", hint="try again"
            )
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | ValueError):
            return ServiceError(f"{host!r} is no address that can be asked", code="invalid_address")
        if not isinstance(error, requests.RequestException):
            hint = "check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
            return ServiceError(f"no request to {host} can be made: {error}", code="tls_failed", hint=hint, fatal=True)
        if isinstance(error, requests.exceptions.SSLError):
            hint = "behind a proxy that inspects TLS, set REQUESTS_CA_BUNDLE to its certificate"
            return ServiceError(f"no trusted TLS connection to {host}: {_reason(error)}", code="tls_failed", hint=hint)
        if isinstance(error, requests.exceptions.ProxyError):
            hint = "check HTTPS_PROXY and NO_PROXY"
            message = f"the proxy refused the way to {host}: {_reason(error)}"
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


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies of the environment for a URL; what is on this machine is never asked through one.

    Raises ServiceError, fatal for the run, for one that cannot be used.
    """
    if is_loopback(urlsplit(url).hostname or ""):
        return {}
    proxies = get_environ_proxies(url)
    scheme = urlsplit(url).scheme
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy:
        _check_proxy(proxy)
    return proxies


def _check_proxy(proxy: str) -> None:
    hint = "set HTTPS_PROXY to http://HOST:PORT, or NO_PROXY for the service's host"
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        is_usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or brackets without an address
        is_usable = False
        parts = None
    if parts is not None and parts.scheme.startswith("socks"):
        if find_spec("socks") is None:
            hint = f"pip install pysocks, or {hint}"
            raise ServiceError("a SOCKS proxy needs the package pysocks", code="proxy_invalid", hint=hint, fatal=True)
    elif parts is None or not is_usable or parts.scheme not in _PROXY_SCHEMES:
        shown = parts.scheme if parts is not None and parts.scheme not in _PROXY_SCHEMES else "no host and port"
        raise ServiceError(
            f"the proxy of the environment cannot be used: {shown}", code="proxy_invalid", hint=hint, fatal=True
        )


def _unpacked(data: bytes, limit: int) -> bytes:
    """Return what gzip or deflate holds, one byte beyond a limit at most; raises ServiceError for what is neither."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, limit + 1)
    except zlib.error:
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit + 1)
        except zlib.error as error:
            raise _unreadable("cannot be unpacked", 200) from error


def _unreadable(what: str, status: int) -> ServiceError:
    return ServiceError(f"the answer {what} (HTTP {status})", code="unreadable_answer", http_status=status)


def _perhaps_judged(message: str, *, code: str, hint: str) -> ServiceError:
    """Return the error of a call that was sent: it may be judged and billed, so this may happen twice at most."""
    return ServiceError(message, code=code, hint=hint, retryable=True, max_attempts=2)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it wraps, from the outside in."""
    seen: object = error
    while isinstance(seen, BaseException):
        yield seen
        wrapped = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = getattr(seen, "reason", None) or wrapped or seen.__cause__ or seen.__context__


def _reason(error: BaseException) -> str:
    """Return the innermost cause in the operating system's words, where there is one."""
    words = [cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
    return words[-1] if words else type(error).__name__
