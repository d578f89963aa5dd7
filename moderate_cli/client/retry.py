"""Trying again: an immutable policy, one pure decision, and a loop around both.

The loop stands above the signer, not in an HTTP adapter, because each attempt needs a date and a nonce of its own.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from moderate_cli.errors import ServiceError, StoppedError

T = TypeVar("T")

log = logging.getLogger(__name__)


_STEP = 0.1  # seconds between two looks at whether somebody asked to stop


class Stop:
    """Whether a run was asked to stop: then nobody waits any longer, and no further call is sent.

    A plain flag, because a signal handler sets it.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.is_set = False
        self._sleep = sleep

    def sleep(self, seconds: float) -> None:
        """Sleep for so long, or until somebody asks to stop."""
        due = time.monotonic() + seconds
        while not self.is_set and (left := due - time.monotonic()) > 0:
            self._sleep(min(_STEP, left))

    def check(self) -> None:
        """Raise StoppedError where somebody asked to stop."""
        if self.is_set:
            raise StoppedError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try again; times are in seconds.

    The bound of 120 s on what the service asks for is the one of the vendor's SDK (tea_openapi 0.4.6).
    """

    retries: int = 3
    first_wait: float = 0.5
    longest_wait: float = 20.0
    longest_asked_wait: float = 120.0


def next_delay(policy: RetryPolicy, errors: Sequence[ServiceError], chance: float) -> float | None:
    """Return how many seconds to wait before the next attempt, or None to stop.

    `errors` are those of one call so far, in order, without those whose cause was removed; the last one has just
    happened. `chance` is a random number from 0 to 1 (full jitter). All errors together count against the policy, and
    those of one kind against their own `max_attempts`. A wait that the service asked for is kept to the letter, within
    the policy's bound.
    """
    error = errors[-1]
    if not error.retryable or len(errors) > policy.retries or _is_used_up(error, errors):
        return None
    if error.retry_after is not None:
        return min(error.retry_after, policy.longest_asked_wait)
    return chance * min(policy.longest_wait, policy.first_wait * 2.0 ** (len(errors) - 1))


def _is_used_up(error: ServiceError, errors: Sequence[ServiceError]) -> bool:
    """Tell whether errors of this kind have happened as often as they may."""
    if error.max_attempts is None:
        return False
    # HTML with a 502 and HTML with a 200 share their code, yet only a call that ended with the latter may be billed.
    alike = sum(other.code == error.code and other.max_attempts is not None for other in errors)
    return alike >= error.max_attempts


@dataclass(frozen=True, slots=True)
class Retrier:
    """Makes attempts until one succeeds or the policy says to stop."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    stop: Stop = field(default_factory=Stop)

    def run(self, attempt: Callable[[], T], *, recover: Callable[[ServiceError], bool] | None = None) -> tuple[T, int]:
        """Return what an attempt returned, and how many were made.

        `recover` may remove the cause of an error, and then says so: the next attempt follows at once, outside the
        policy's count, but for each code of error only once. Raises the last ServiceError, with all attempts counted.
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
                    wait = next_delay(self.policy, errors, self.chance())
                    if wait is None or self.stop.is_set:
                        raise
                    log.info("attempt %d: %s; the next one in %.2f s", made, error.message, wait)
                self.sleep(wait)
                if self.stop.is_set:
                    raise errors[-1]
        finally:
            errors.clear()  # an error's traceback holds this frame: a circle that would keep connections open
