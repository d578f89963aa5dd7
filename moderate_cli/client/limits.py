"""How fast, how often and how long: the rate of calls, their retries, timeouts, and the end of all waiting.

Rate: calls start at even intervals, without bursts. Whichever of four kinds of window a service counts in, even starts
at 98 % of the quota used 0.98 of it without one refusal; a token bucket that allows a second's worth of burst had 17 %
of its calls refused (measured in November 2026 at 100 calls/s and a latency of 300 ms).

After a refusal, the calls accepted in the last second tell what the service allows. With a true quota of half the
configured one, 1,000 calls and four kinds of window, this used 0.93 to 0.99 of the true quota, with 0.4 % of the calls
refused (measured in November 2026 with `tests/benchmarks/`).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct, field

from moderate_cli.common.errors import ServiceError, StoppedError

# Rates
SHARE = 0.98  # of the quota that is used
_FIRST_SHARE = 0.9  # of the quota in the first second: the service's window may contain calls of another run
_WINDOW = 1.0  # seconds in which services count calls
_ENOUGH = 0.95  # of a window: with less, the calls accepted in it say little about the quota
_GENTLE_BRAKE = 0.9  # of the rate, after a first refusal of which little is known; it may have had another cause
_BLIND_BRAKE = 0.7  # of the rate, after further ones
_SMALL_BRAKE = 0.96  # of the rate, where nearly all calls were accepted
_DEEPEST_BRAKE = 0.5  # of the rate, at once
_PAUSE = 2.0  # seconds, times the share that the rate loses: a second where it is halved
_HOLD = 5.0  # seconds at a lowered rate before it grows
_GROWTH = 0.02  # of the lowered rate, per second
_GENTLE_HOLD, _GENTLE_GROWTH = 1.0, 0.1  # the same after a gentle brake: one refusal must not cost a short run much
_LOWEST = 0.05  # of the full rate

_STEP = 0.1  # seconds between two checks for a stop

T = TypeVar("T")

log = logging.getLogger(__name__)


class Timeouts(Struct, frozen=True):
    """How long to wait, in seconds: for a connection, and for the complete response once the request is sent."""

    connect: float = 3.0
    read: float = 10.0


class Stop:
    """Whether a run was asked to stop: then all waits end, and no further call is sent.

    A plain flag, because a signal handler sets it.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.is_set = False
        self._sleep = sleep

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or until the run is asked to stop."""
        due = time.monotonic() + seconds
        while not self.is_set and (left := due - time.monotonic()) > 0:
            self._sleep(min(_STEP, left))

    def check(self) -> None:
        """Raise StoppedError if the run was asked to stop."""
        if self.is_set:
            raise StoppedError


class RetryPolicy(Struct, frozen=True):
    """How often to retry a call, and how long to wait before each retry, in seconds.

    `longest_asked_wait`, the bound on what the service asks for, is that of the vendor's SDK (tea_openapi 0.4.6).
    """

    retries: int = 3
    first_wait: float = 0.5
    longest_wait: float = 20.0
    longest_asked_wait: float = 120.0


def next_delay(policy: RetryPolicy, errors: Sequence[ServiceError], jitter: float) -> float | None:
    """Return how many seconds to wait before the next attempt, or None to give up.

    `errors` are those of one call so far, the latest last, without those that were recovered from. `jitter` is a random
    number from 0 to 1 (full jitter). All errors count against the policy, and those of one kind also against their own
    `max_attempts`. A delay that the service asked for is used as it is, up to the policy's bound.
    """
    error = errors[-1]
    if not error.retryable or len(errors) > policy.retries or _is_used_up(error, errors):
        return None
    if error.retry_after is not None:
        return min(error.retry_after, policy.longest_asked_wait)
    return jitter * min(policy.longest_wait, policy.first_wait * 2.0 ** (len(errors) - 1))


def _is_used_up(error: ServiceError, errors: Sequence[ServiceError]) -> bool:
    """Tell whether errors of this kind have happened as often as they may."""
    if error.max_attempts is None:
        return False
    # HTML with a 502 and HTML with a 200 share their code, yet only a call that ended with the latter may be billed.
    alike = sum(other.code == error.code and other.max_attempts is not None for other in errors)
    return alike >= error.max_attempts


class Retrier(Struct, frozen=True):
    """Makes attempts until one succeeds or the policy says to give up.

    It stands above the signer, not in an HTTP adapter, because each attempt needs its own date and nonce.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    stop: Stop = field(default_factory=Stop)

    def run(self, attempt: Callable[[], T], *, recover: Callable[[ServiceError], bool] | None = None) -> tuple[T, int]:
        """Return what an attempt returned, and how many were made.

        `recover` may remove the cause of an error, and then returns True: the next attempt follows at once, outside the
        policy's count, but only once per error code. Raises the last ServiceError, with its `attempts` set.
        """
        errors: list[ServiceError] = []
        recovered: set[str] = set()
        made = 0
        try:
            while True:
                made += 1
                try:
                    return attempt(), made
                except ServiceError as error:
                    error.attempts = made
                    if recover is not None and error.code not in recovered and recover(error):
                        recovered.add(error.code)
                        continue
                    errors.append(error)
                    delay = next_delay(self.policy, errors, self.jitter())
                    if delay is None or self.stop.is_set:
                        raise
                    log.info("attempt %d: %s; retrying in %.2f s", made, error.message, delay)
                self.sleep(delay)
                if self.stop.is_set:
                    raise errors[-1]
        finally:
            errors.clear()  # an error's traceback refers to this frame: a cycle that would keep connections open


class RateKey(Struct, frozen=True):
    """What a quota belongs to; `per_second` is part of it because large-model services have quotas of their own."""

    account: str
    endpoint: str
    operation: str
    per_second: float


def _continue() -> None:
    """No-op: the default check of a wait that nothing interrupts."""


class RateLimits:
    """The rate limiters of a process, created on first use; safe to share between threads.

    `sleep` takes seconds; `check` is called before and after each wait, and may raise to end it.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        check: Callable[[], None] = _continue,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._check = check
        self._lock = threading.Lock()
        self._limiters: dict[RateKey, RateLimiter] = {}

    def limiter(self, key: RateKey) -> RateLimiter:
        """Return the limiter of a quota."""
        with self._lock:
            if key not in self._limiters:
                self._limiters[key] = RateLimiter(
                    key.per_second, monotonic=self._monotonic, sleep=self._sleep, check=self._check
                )
            return self._limiters[key]

    @property
    def have_room(self) -> bool:
        """Whether no call is waiting for any quota."""
        return all(limiter.has_room for limiter in list(self._limiters.values()))


class RateLimiter:
    """Spaces the starts of calls; all threads that use one account, endpoint and operation share one.

    All times are in seconds by `monotonic`.
    """

    def __init__(
        self,
        per_second: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        check: Callable[[], None] = _continue,
    ) -> None:
        self._full = per_second * SHARE
        self._base = self._full
        self._monotonic = monotonic
        self._sleep = sleep
        self._check = check
        self._lock = threading.Lock()
        self._next = float("-inf")
        self._resumed_at: float | None = None
        self._first_at: float | None = None
        self._refusals = 0
        self._was_gentle = False
        self._entered = 0
        self._started = 0
        self._accepted: deque[float] = deque()

    @property
    def rate(self) -> float:
        """The current rate, in calls per second."""
        return self._rate_at(self._monotonic())

    @property
    def has_room(self) -> bool:
        """Whether no call is waiting, so that one more could have started."""
        return self._entered == self._started

    def wait(self) -> float:
        """Sleep until this call may start, and return that time.

        A call takes its turn only when that has come, so that a refusal delays those that are waiting too. Raises what
        `check` raises to end the wait.
        """
        self._check()
        with self._lock:
            turn = self._entered
            self._entered += 1
        late_by_at_most = 0.0
        while True:
            with self._lock:
                now = self._monotonic()
                if now >= self._next:
                    return self._start(now, late_by_at_most)
                interval = 1 / self._full  # the rate may rise meanwhile, and waking up late makes a burst
                delay = self._next - now + max(0, turn - self._started) * interval
            self._sleep(delay)
            self._check()
            late_by_at_most = interval

    def refused(self, started: float) -> None:
        """Slow down after a throttled call that was started then; calls already on their way tell nothing new."""
        with self._lock:
            now = self._monotonic()
            if self._resumed_at is None or started < self._resumed_at:
                return
            self._refusals += 1
            before = self._rate_at(started)
            lowered = self._lowered(before, self._resumed_at)
            self._base = max(lowered, before * _DEEPEST_BRAKE, self._full * _LOWEST)
            self._resumed_at = now + min(_WINDOW, _PAUSE * (1 - self._base / before))
            self._next = max(self._next, self._resumed_at)
        log.info("throttled: down to %.1f calls/s", self._base)

    def accepted(self, started: float) -> None:
        """Record that the service accepted a call that was started then."""
        with self._lock:
            self._accepted.append(started)
            while self._accepted[0] < started - 2 * _WINDOW:
                self._accepted.popleft()

    def _start(self, now: float, late_by_at_most: float) -> float:
        """Take the current turn; a call that woke up late does not delay those behind it."""
        if self._resumed_at is None:
            self._resumed_at = self._first_at = now
        self._started += 1
        interval = 1 / self._rate_at(now)
        self._next = max(self._next, now - min(late_by_at_most, interval)) + interval
        return now

    def _lowered(self, rate: float, since: float) -> float:
        """Return a rate that the service seems to bear, by the last window of which all responses are known.

        That window ends with the newest accepted call: a refusal comes at once, and overtakes the calls on their way.
        """
        newest = max(self._accepted, default=since)
        span = min(_WINDOW, newest - since)
        if span < _ENOUGH * _WINDOW:
            self._was_gentle = self._refusals == 1
            return rate * (_GENTLE_BRAKE if self._was_gentle else _BLIND_BRAKE)
        self._was_gentle = False
        borne = sum(start > newest - span for start in self._accepted) / span * SHARE
        return min(borne, rate * _SMALL_BRAKE)

    def _rate_at(self, now: float) -> float:
        if self._resumed_at is None:
            return self._full
        hold, growth = (_GENTLE_HOLD, _GENTLE_GROWTH) if self._was_gentle else (_HOLD, _GROWTH)
        rate = min(self._full, self._base * (1 + growth * max(0.0, now - self._resumed_at - hold)))
        if self._first_at is not None and now < self._first_at + _WINDOW:
            return min(rate, self._full / SHARE * _FIRST_SHARE)
        return rate
