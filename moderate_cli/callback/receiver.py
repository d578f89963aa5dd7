"""How are callbacks received? As forms that are pushed over HTTP, verified, and acknowledged once they are saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from msgspec import Struct

from moderate_cli.callback.payload import (
    ALGORITHMS,
    Algorithm,
    Callback,
    CallbackError,
    parse_form,
    verify,
)
from moderate_cli.common.digests import NoSm3Error
from moderate_cli.common.masking import repr_without
from moderate_cli.serving import RETRY_AFTER, Limits, Listener, Request, Response, line

MAX_BODY = 1024 * 1024  # bytes of a push; a result has some kilobytes, and more with many frames
HEALTH_PATH = "/healthz"  # where a load balancer may check for life, besides the callback's own path

_FORM = "application/x-www-form-urlencoded"
_READING = ("GET", "HEAD")


class Refusal(Struct, frozen=True):
    """A request that was not accepted, and why; `error` is what `save` raised."""

    status: int
    reason: str
    error: Exception | None = None


def _ignore(_: Refusal) -> None:
    """No-op."""


class CallbackServer:
    """Listens from `start` to `stop`, or for the length of a `with` block.

    `save` is called once per push, by many threads, and returns in a few words what became of the callback. Once it
    returns, the callback is stored; if it raises, the service is asked to push again. It handles repeated pushes
    itself. `refused` is called for all other requests, except GET and HEAD on `path` or /healthz, which get 200 for a
    load balancer. A client has `timeout` seconds for each request, and `max_body` bytes for its body.
    """

    def __init__(
        self,
        save: Callable[[Callback], str],
        *,
        uid: str,
        seed: str,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/",
        algorithms: Sequence[Algorithm] = ALGORITHMS,
        max_body: int = MAX_BODY,
        max_connections: int = 64,
        timeout: float = 10.0,
        refused: Callable[[Refusal], None] = _ignore,
    ) -> None:
        self._bind_to = (host, port)
        self._path = path if path.startswith("/") else f"/{path}"
        self._receiver = CallbackReceiver(
            save=save, uid=uid, seed=seed, path=self._path, algorithms=tuple(algorithms), refused=refused
        )
        self._limits = Limits(max_body, max_connections, timeout)
        self._listener: Listener | None = None

    def start(self) -> None:
        """Listen: clients that connect from now on are served. Raises UsageError if the address cannot be bound."""
        self._listener = Listener.bound(*self._bind_to, self._receiver, self._limits)
        self._listener.start()

    def stop(self, grace: float = 10.0) -> None:
        """Accept nothing more, and wait up to `grace` seconds for callbacks that are being saved; idempotent.

        Clients without a response by then are disconnected, and push again.
        """
        if self._listener:
            self._listener.stop(grace)
            self._listener = None

    @property
    def address(self) -> tuple[str, int]:
        """The host and the actual port that it listens on; raises RuntimeError before `start`."""
        if self._listener is None:
            raise RuntimeError("the server has not been started")
        return self._listener.address

    @property
    def url(self) -> str:
        """The URL to push to, as seen from this machine."""
        if self._listener is None:
            raise RuntimeError("the server has not been started")
        return f"{self._listener.origin}{self._path}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


LISTENING = line(200, "listening")
"""The response to a load balancer's health check, which is reported to nobody."""


class CallbackReceiver(Struct, frozen=True, kw_only=True):
    """Verifies callbacks by uid and seed, and hands those that are genuine to `save`."""

    save: Callable[[Callback], str]
    uid: str
    seed: str
    path: str
    algorithms: tuple[Algorithm, ...]
    refused: Callable[[Refusal], None]

    def __repr__(self) -> str:
        return repr_without(self, "seed")

    def refusal(self, request: Request) -> Response | None:
        """Return the refusal of a request by its head, None if it is acceptable."""
        methods = {HEALTH_PATH: _READING, self.path: (*_READING, "POST")}.get(request.path)
        if methods is None:
            return self.refuse(404, "nothing is here")
        if request.method not in methods:
            allowed = ", ".join(methods)
            return self.refuse(405, f"only {allowed}", Allow=allowed)
        if request.method == "POST" and request.headers.get_content_type() != _FORM:
            return self.refuse(415, f"not {_FORM}")
        return None

    def respond(self, request: Request) -> Response:
        """Return the response to a push, or to a health check."""
        return self.receive(request.body) if request.method == "POST" else LISTENING

    def receive(self, form: bytes) -> Response:
        """Return the response to a pushed form: 200 once it is saved, else one that makes the service push again."""
        try:
            fields = parse_form(form)
            # What a stranger sent is not parsed any further.
            if not any(verify(fields.checksum, self.uid, self.seed, fields.content, each) for each in self.algorithms):
                return self.refuse(403, "wrong checksum")
            callback = fields.open()
        except NoSm3Error as error:  # it may be right, but cannot be trusted
            return self.refuse(403, f"cannot verify the checksum: {error.message}")
        except CallbackError as error:
            return self.refuse(400, error.message)
        try:
            return line(200, self.save(callback))
        except Exception as error:  # noqa: BLE001 - whatever kept it from being saved, the service must push it again
            self.refused(Refusal(503, "not saved", error))
            return line(503, "not saved, push again", **{"Retry-After": str(RETRY_AFTER)})

    def refuse(self, status: int, reason: str, **headers: str) -> Response:
        """Report a refusal, and return its response."""
        self.refused(Refusal(status, reason))
        return line(status, reason, **headers)
