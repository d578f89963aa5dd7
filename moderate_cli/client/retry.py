"""Trying again: an immutable policy, one pure decision, and a loop around both.

The loop stands above the signer, not in an HTTP adapter, because each attempt needs a date and a nonce of its own.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from moderate_cli.errors import ServiceError

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try again; times are in seconds.

    The bound of 120 s on what the service asks for is the one of the vendor's SDK (tea_openapi 0.4.6).
    """

    retries: int = 3
    first_wait: float = 0.5
    longest_wait: float = 20.0
    longest_asked_wait: float = 120.0


def decide(policy: RetryPolicy, error: ServiceError, attempts: int, chance: float) -> float | None:
    """Return how many seconds to wait before the next attempt, or None to stop.

    `attempts` counts those that were made, the failed one included; `chance` is a random number from 0 to 1 (full
    jitter). A wait that the service asked for is kept to the letter, within the policy's bound.
    """
    allowed = policy.retries + 1
    if error.max_attempts is not None:
        allowed = min(allowed, error.max_attempts)
    if not error.retryable or attempts >= allowed:
        return None
    if error.retry_after is not None:
        return min(error.retry_after, policy.longest_asked_wait)
    return chance * min(policy.longest_wait, policy.first_wait * 2.0 ** (attempts - 1))


@dataclass(frozen=True, slots=True)
class Retrier:
    """Makes attempts until one succeeds or the policy says to stop."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def run(self, attempt: Callable[[], T], *, mend: Callable[[ServiceError], bool] | None = None) -> tuple[T, int]:
        """Return what an attempt returned, and how many were made.

        `mend` may remove the cause of an error, and then says so: the next attempt follows at once, outside the
        policy's count, but for each code of error only once. Raises the last ServiceError, with its attempts counted.
        """
        mended: set[str] = set()
        made = 0
        while True:
            made += 1
            try:
                return attempt(), made
            except ServiceError as error:
                error.attempts = made
                if mend is not None and error.code not in mended and mend(error):
                    mended.add(error.code)
                    continue
                wait = decide(self.policy, error, made - len(mended), self.chance())
                if wait is None:
                    raise
                log.info("attempt %d: %s; the next one in %.2f s", made, error.message, wait)
            self.sleep(wait)
