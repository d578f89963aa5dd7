"""One signed request to the service and its answer, over requests with one kept-alive session a thread."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import NewConnectionError

from moderate_cli import __version__
from moderate_cli.client.credentials import Credentials
from moderate_cli.client.endpoint import Endpoint
from moderate_cli.client.exchange import Answer, Parameters, Timeouts
from moderate_cli.client.signing import (
    FORM_CONTENT_TYPE,
    UnsignedRequest,
    canonical_query,
    form_body,
    signed_headers,
)
from moderate_cli.errors import ServiceError

API_VERSION = "2022-03-02"
USER_AGENT = f"moderate-cli/{__version__}"

log = logging.getLogger(__name__)


class _OneHost(HTTPAdapter):
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
        try:
            session, settings = self._session()
            # The adapter alone follows no redirect and keeps no cookie: a signed request is for this host, as it is.
            response = session.get_adapter(f"{self.endpoint.url}/").send(
                request, timeout=(self._timeouts.connect, read_timeout or self._timeouts.read), **settings
            )
            content = response.content
        except OSError as error:  # what requests raises is one, and so is its complaint about a missing CA bundle
            raise self._unanswered(error) from error
        log.info("%s %s: HTTP %d, %d bytes", self.endpoint.host, action, response.status_code, len(content))
        return Answer(response.status_code, response.headers, content, sent_at)

    def probe(self, address: str | None = None) -> Answer:
        """Get an address, or else the endpoint, without a signature; raises ServiceError where nobody answers."""
        sent_at = self._clock()
        try:
            session, settings = self._session()
            response = session.get(
                address or self.endpoint.url,
                timeout=(self._timeouts.connect, self._timeouts.read),
                allow_redirects=False,
                verify=settings["verify"],
            )
        except OSError as error:
            raise self._unanswered(error) from error
        return Answer(response.status_code, response.headers, response.content, sent_at)

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
            session.mount(f"{self.endpoint.url}/", _OneHost())
            with self._lock:
                self._sessions.add(session)
            self._local.session = session
            self._local.settings = session.merge_environment_settings(self.endpoint.url, {}, False, True, None)
        return self._local.session, self._local.settings

    def _unanswered(self, error: OSError) -> ServiceError:
        host = self.endpoint.host
        if not isinstance(error, requests.RequestException):
            hint = "check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
            return ServiceError(f"no request to {host} can be made: {error}", code="tls_failed", hint=hint, fatal=True)
        if isinstance(error, requests.exceptions.SSLError):
            hint = "behind a proxy that inspects TLS, set REQUESTS_CA_BUNDLE to its certificate"
            return ServiceError(f"no trusted TLS connection to {host}: {_reason(error)}", code="tls_failed", hint=hint)
        if isinstance(error, requests.exceptions.ReadTimeout):
            hint = "try again, or raise --timeout"
            return _perhaps_judged(f"no answer from {host} in time", code="read_timeout", hint=hint)
        if isinstance(error, requests.exceptions.ProxyError):
            hint = "check HTTPS_PROXY and NO_PROXY"
            return ServiceError(
                f"the proxy refused the way to {host}: {_reason(error)}", code="proxy_failed", hint=hint
            )
        hint = "check the network, --region and --endpoint"
        if isinstance(error, requests.exceptions.ConnectTimeout):
            message = f"no connection to {host} within {self._timeouts.connect:g} s"
        elif any(isinstance(cause, NewConnectionError) for cause in _causes(error)):
            message = f"no connection to {host}: {_reason(error)}"
        else:
            message = f"the connection to {host} was lost: {_reason(error)}"
            return _perhaps_judged(message, code="connection_lost", hint="try again")
        return ServiceError(message, code="connection_failed", hint=hint, retryable=True)


def _perhaps_judged(message: str, *, code: str, hint: str) -> ServiceError:
    """Return the error of a call that was sent: it may have been judged and billed, so it is sent once more at most."""
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
