"""How fast, how often and how long: the limiter of calls, their retries, timeouts, and the end of all waiting.

The rule of the rate is in `pace`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct, field

from moderate_cli.client.pace import Pace
from moderate_cli.common.errors import ServiceError, StoppedError

# Seconds by which a call may be late for its start. Beyond that it takes another, as often as this: after a moment in
# which the machine stood still, the calls of all processes would come at once, on top of those that start on time.
_MAX_LATE = 0.01
_MAX_MISSED = 3

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
    """What a quota belongs to; `per_second` is part of it because large-model services have quotas of their own.

    With `auto` the quota is unknown, and looked for from `per_second` on.
    """

    account: str
    endpoint: str
    operation: str
    per_second: float
    auto: bool = False


class Reservation(Struct, frozen=True):
    """The start of a call, by the clock of the place that handed it out, and how many seconds from now that is."""

    start: float
    delay: float


class RateState(Struct, frozen=True):
    """How things stand with a rate: the calls a second, how many processes share it, and what it was found to be.

    `borne` is what the service accepted in the second before the last refusal that told, None without one.
    """

    rate: float
    sharing: int = 1
    borne: float | None = None


class Place(Protocol):
    """Where the numbers of one quota are kept; safe to share between threads."""

    def reserve(self, accepted: Sequence[float], *, waited: bool) -> Reservation:
        """Hand out the next start; `accepted` are the starts of calls that were accepted since this was last told."""

    def refused(self, started: float, accepted: Sequence[float]) -> float:
        """Slow down after a throttled call; return for how many seconds no call may start."""

    def state(self) -> RateState:
        """Return how things stand."""


class OwnPlace:
    """Keeps the numbers of a quota in this process."""

    def __init__(self, pace: Pace, monotonic: Callable[[], float]) -> None:
        self._pace = pace
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def reserve(self, accepted: Sequence[float], *, waited: bool) -> Reservation:
        """Hand out the next start."""
        with self._lock:
            now = self._monotonic()
            self._pace.accepted(accepted)
            delay = self._pace.reserve(now, waited=waited)
        return Reservation(now + delay, delay)

    def refused(self, started: float, accepted: Sequence[float]) -> float:
        """Slow down after a throttled call."""
        with self._lock:
            self._pace.accepted(accepted)
            return self._pace.refused(started, self._monotonic())

    def state(self) -> RateState:
        """Return how things stand."""
        with self._lock:
            return RateState(self._pace.rate_at(self._monotonic()), 1, self._pace.borne)


def _continue() -> None:
    """No-op: the default check of a wait that nothing interrupts."""


class RateLimits:
    """The rate limiters of a process, created on first use; safe to share between threads.

    `sleep` takes seconds; `check` is called before and after each wait, and may raise to end it. `places` says where
    the numbers of a quota are kept, by default in this process.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        check: Callable[[], None] = _continue,
        places: Callable[[RateKey], Place] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._check = check
        self._places = places
        self._lock = threading.Lock()
        self._limiters: dict[RateKey, RateLimiter] = {}

    def limiter(self, key: RateKey) -> RateLimiter:
        """Return the limiter of a quota."""
        with self._lock:
            if key not in self._limiters:
                place = self._places(key) if self._places else OwnPlace(Pace(key.per_second, key.auto), self._monotonic)
                self._limiters[key] = RateLimiter(
                    place, monotonic=self._monotonic, sleep=self._sleep, check=self._check
                )
            return self._limiters[key]

    @property
    def have_room(self) -> bool:
        """Whether no call is waiting for any quota."""
        return all(limiter.has_room for limiter in list(self._limiters.values()))

    @property
    def searched(self) -> dict[RateKey, RateState]:
        """How things stand with the quotas that are unknown."""
        return {key: limiter.state for key, limiter in list(self._limiters.items()) if key.auto}


class RateLimiter:
    """Spaces the starts of calls; all threads that use one account, endpoint and operation share one.

    One thread at a time holds a reservation, and the others wait for their turn: with more of them in one process,
    calls that wake up late would come at once. Starts are those of the clock of the place.
    """

    def __init__(
        self,
        place: Place,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        check: Callable[[], None] = _continue,
    ) -> None:
        self._place = place
        self._monotonic = monotonic
        self._sleep = sleep
        self._check = check
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._accepted: list[float] = []
        self._held_until = float("-inf")
        self._ahead = float("-inf")  # seconds that this clock is ahead of the place's, at most

    @property
    def state(self) -> RateState:
        """How things stand."""
        return self._place.state()

    @property
    def has_room(self) -> bool:
        """Whether no call is waiting, so that one more could have started."""
        return not self._turn.locked()

    def wait(self) -> float:
        """Sleep until this call may start, and return that time.

        A refusal delays the call that has the next start too. Raises what `check` raises to end the wait.
        """
        self._check()
        waited = not self._turn.acquire(blocking=False)
        if waited:
            self._turn.acquire()
        try:
            return self._reserved(waited)
        finally:
            self._turn.release()

    def _reserved(self, waited: bool) -> float:
        """Reserve starts until one has come that was neither held up nor missed, and return it."""
        missed = 0
        while True:
            self._check()
            asked_at = self._monotonic()
            reserved = self._place.reserve(self._take_accepted(), waited=waited or missed > 0)
            self._compare(reserved.start - reserved.delay, asked_at)
            if reserved.delay > 0:
                self._sleep(reserved.delay)
                self._check()
            now = self._monotonic()
            late = now - self._ahead - reserved.start
            if now < self._held_until:
                continue
            if late <= _MAX_LATE or missed == _MAX_MISSED:
                return reserved.start
            missed += 1

    def _compare(self, told: float, asked_at: float) -> None:
        """Learn how the clocks differ from an answer that was given at `told` by the place's.

        How long the question and the answer took is unknown. The quickest answer tells best, until one was given before
        it was asked for by that: then a clock was set, or the place is another one.
        """
        latest = self._monotonic() - told
        self._ahead = min(self._ahead, latest) if self._ahead >= asked_at - told else latest

    def refused(self, started: float) -> None:
        """Slow down after a throttled call that was started then; calls already on their way tell nothing new."""
        pause = self._place.refused(started, self._take_accepted())
        with self._lock:
            now = self._monotonic()
            is_new = pause > 0 and now >= self._held_until
            self._held_until = max(self._held_until, now + pause)
        if is_new and log.isEnabledFor(logging.INFO):
            log.info("throttled: down to %.1f calls/s", self._place.state().rate)

    def accepted(self, started: float) -> None:
        """Record that the service accepted a call that was started then; the place hears of it with the next call."""
        with self._lock:
            self._accepted.append(started)

    def _take_accepted(self) -> Sequence[float]:
        with self._lock:
            taken, self._accepted = self._accepted, []
        return taken
