"""How are results pushed? As a POST with a checksum to the URL that the task named (vendor's page, March 2026)."""

from __future__ import annotations

import hashlib
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlencode

from msgspec import Struct

from moderate_cli.common.digests import sm3
from moderate_cli.common.masking import repr_without

PUSH_SECONDS = 5.0
"""Seconds that a receiver may take; the vendor's limit is not documented."""

WAITS = (0.5, 1.0, 2.0)
"""Seconds before each of the three further pushes; the vendor names their number only."""

_CONFIRMED = 200  # the HTTP status
_THREADS = 2
"""Threads of each kind: the local engine examines two images at once, and slow receivers must not block it."""


class Callback(Struct, frozen=True):
    """Where a result goes, and what its checksum is made with."""

    url: str
    seed: str
    crypt_type: str

    def __repr__(self) -> str:
        return repr_without(self, "seed")


def push(callback: Callback, account_id: str, req_id: str, content: str, wait: Callable[[float], bool]) -> bool:
    """Post a result until the receiver confirms it, four times at most, and tell whether it did.

    `wait` pauses for some seconds, and tells whether to give up.
    """
    checksum = make_checksum(account_id, callback, content)
    form = urlencode({"ReqId": req_id, "Checksum": checksum, "Content": content}).encode()
    if _post(callback.url, form):
        return True
    return any(not wait(seconds) and _post(callback.url, form) for seconds in WAITS)


def make_checksum(account_id: str, callback: Callback, content: str) -> str:
    """Return the checksum of a result: a plain digest, although the page speaks of HMAC, for which there is no key.

    Raises NoSm3Error where that hash is asked for and missing.
    """
    text = f"{account_id}{callback.seed}{content}".encode()
    return sm3(text) if callback.crypt_type == "SM3" else hashlib.sha256(text).hexdigest()


def _post(url: str, form: bytes) -> bool:
    """Post a form once, and tell whether the answer was 200."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "User-Agent": "moderate-cli-emulator",
    }
    try:
        request = urllib.request.Request(url, form, headers, method="POST")  # noqa: S310  (the scheme was checked)
        with opener(redirects=False).open(request, timeout=PUSH_SECONDS) as response:
            return bool(response.status == _CONFIRMED)
    except HTTPError as error:
        error.close()
        return False
    except (OSError, HTTPException, ValueError):
        return False


def opener(
    http: type[urllib.request.HTTPHandler] = urllib.request.HTTPHandler,
    https: type[urllib.request.HTTPSHandler] = urllib.request.HTTPSHandler,
    *,
    redirects: bool = True,
) -> urllib.request.OpenerDirector:
    """Return an opener for http and https without a proxy; the usual one also follows a redirect to ftp."""
    director = urllib.request.OpenerDirector()
    handlers: list[type[urllib.request.BaseHandler]] = [
        http,
        https,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ]
    if redirects:
        handlers.append(urllib.request.HTTPRedirectHandler)
    for handler in handlers:
        director.add_handler(handler())
    return director


class Background:
    """Two small pools of threads, for as long as an emulator runs."""

    def __init__(self) -> None:
        self._examinations = ThreadPoolExecutor(_THREADS, "moderate-emulator-task")
        self._callbacks = ThreadPoolExecutor(_THREADS, "moderate-emulator-callback")
        self._stopping = threading.Event()

    def examine(self, work: Callable[[], object]) -> None:
        """Do some work when a thread for examinations is free."""
        self._examinations.submit(work)

    def push(self, work: Callable[[], object]) -> None:
        """Do some work when a thread for callbacks is free."""
        if not self.is_stopping:
            self._callbacks.submit(work)

    def wait(self, seconds: float) -> bool:
        """Wait, and tell whether the emulator stopped meanwhile."""
        return self._stopping.wait(seconds)

    @property
    def is_stopping(self) -> bool:
        """Whether the emulator stops, so that long work should end."""
        return self._stopping.is_set()

    def drain(self) -> None:
        """Return when all work is done, including the queued work."""
        self._examinations.shutdown()
        self._callbacks.shutdown()

    def stop(self) -> None:
        """Drop the queued work, and return when the running work has ended."""
        self._stopping.set()
        self._examinations.shutdown(cancel_futures=True)
        self._callbacks.shutdown(cancel_futures=True)
