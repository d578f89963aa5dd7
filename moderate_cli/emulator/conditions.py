"""Under which conditions does the emulator answer? Late, above its quota, or with a fault that a test asked for."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from moderate_cli.emulator.messages import GatewayError

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_OPERATION = "*"
UPLOAD = "PutObject"
"""The name by which faults know an upload to the emulated OSS, which is no operation of the Green API."""

_SECOND = 1.0
_THROTTLED = GatewayError("Throttling.User", "Request was denied due to user flow control.", 429)


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong with the next `times` calls of an operation, or with all of them (None).

    The answer comes `delay` seconds late. With a text as `code` it is an error of the gateway, at `status`; with a
    number one of the service, in the body at HTTP 200. `body` is what is answered in place of any of these. `cut` says
    what the connection does: `reset` it without an answer, `truncate` it after half of the body, or `drip` a byte every
    `pause` seconds.
    """

    operation: str = EVERY_OPERATION
    times: Annotated[int, Meta(ge=1)] | None = 1
    delay: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    code: str | int | None = None
    message: str = "a fault that was asked for"
    body: str | None = None
    cut: Literal["reset", "truncate", "drip"] | None = None
    pause: Annotated[float, Meta(gt=0, le=60)] = 0.05


class Faults:
    """The faults that are still to come, the first that fits a call first; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int | None]] = []

    def add(self, faults: Sequence[Fault]) -> None:
        """Let some faults come, after those that wait already."""
        with self._lock:
            self._waiting += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Let no fault come."""
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """Return the fault of a call, which counts as one of its times; None for a call that goes well."""
        with self._lock:
            for number, (fault, left) in enumerate(self._waiting):
                if fault.operation in (operation, EVERY_OPERATION):
                    if left == 1:
                        del self._waiting[number]
                    elif left is not None:
                        self._waiting[number] = (fault, left - 1)
                    return fault
        return None

    def waiting(self) -> list[tuple[Fault, int | None]]:
        """Return the faults that are still to come, and how often."""
        with self._lock:
            return list(self._waiting)


class Quota:
    """How many calls a second are answered, by a window that slides; None is no limit."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._lock = threading.Lock()
        self._begun: deque[float] = deque()

    def take(self) -> None:
        """Count a call; raises the GatewayError of the vendor for one too many."""
        if self._per_second is None:
            return
        now = time.monotonic()
        with self._lock:
            while self._begun and self._begun[0] <= now - _SECOND:
                self._begun.popleft()
            if len(self._begun) >= self._per_second:
                raise _THROTTLED
            self._begun.append(now)


class Conditions(Struct, frozen=True):
    """All that makes the emulator a worse service than it is: seconds before each answer, a quota, and faults."""

    faults: Faults
    quota: Quota
    latency: float = 0.0
