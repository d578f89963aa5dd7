"""Credentials that end: held, renewed before they do, and asked for again when the service refuses them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from moderate_cli.client.credentials import Credentials
from moderate_cli.errors import CredentialsError

MARGIN = 180.0
"""How many seconds before their end credentials are renewed.

As `provider/external.py` of alibabacloud-credentials 1.0.12 does; the 15 minutes of its other providers are all that
the shortest session of AssumeRole has.
"""
PAUSE = 10.0
"""For how many seconds nothing is asked again that just failed, or just gave credentials near their end."""

log = logging.getLogger(__name__)


class RenewingCredentials:
    """A source that fetches credentials when they are due, once for all threads; the others wait.

    `fetch` raises CredentialsError. Credentials without an expiration are held until the service refuses them.
    """

    def __init__(
        self,
        origin: str,
        fetch: Callable[[], Credentials],
        *,
        clock: Callable[[], float],
        first: Credentials | None = None,
    ) -> None:
        self.origin = origin
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Credentials | None = None
        self._due = float("-inf")
        self._failure: CredentialsError | None = None
        self._refused_until = float("-inf")
        if first is not None:
            self._hold(first)

    def current(self) -> Credentials:
        """Return credentials that are good for the next call; raises CredentialsError."""
        with self._lock:
            now = self._clock()
            if now >= self._due:
                self._refresh(now)
            elif self._failure is not None:
                # A new one each time: threads that raise the same object write into each other's traceback.
                raise CredentialsError(self._failure.message, code=self._failure.code, hint=self._failure.hint)
            assert self._held is not None, "held, or the refresh would have failed"  # noqa: S101 - for mypy
            return self._held

    def renew(self, refused: Credentials) -> bool:
        """Fetch again after a refusal, unless another thread did; False where the same come back, or none."""
        with self._lock:
            if self._held is not None and not _is_same(self._held, refused):
                return True
            if self._clock() < self._refused_until:
                return False
            try:
                self._hold(self._fetch())
            except CredentialsError as error:
                log.warning("the credentials were refused, and others cannot be had: %s", error.message)
            is_new = self._held is not None and not _is_same(self._held, refused)
            self._refused_until = float("-inf") if is_new else self._clock() + PAUSE
            return is_new

    def _refresh(self, now: float) -> None:
        held = self._held
        try:
            self._hold(self._fetch())
        except CredentialsError as error:
            self._due = now + PAUSE
            if held is None or held.expiration is None or held.expiration <= now:
                self._failure = error
                raise
            self._due = min(self._due, held.expiration)
            log.warning("%s: not renewed yet, the old credentials still hold: %s", self.origin, error.message)

    def _hold(self, credentials: Credentials) -> None:
        self._held, self._failure = credentials, None
        self._due = _due(credentials, self._clock())


def _due(credentials: Credentials, now: float) -> float:
    if credentials.expiration is None:
        return float("inf")
    margin = min(MARGIN, (credentials.expiration - now) / 2)
    return max(credentials.expiration - margin, now + PAUSE)


def _is_same(left: Credentials, right: Credentials) -> bool:
    """Compare without the expiration, which may be told differently for one key."""
    return (left.access_key_id, left.access_key_secret, left.security_token) == (
        right.access_key_id,
        right.access_key_secret,
        right.security_token,
    )
