"""Four kinds of window in which a service may count calls; which one the real service has is not documented.

A call that was refused counts in none of them. Times are Unix seconds.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Quota(Protocol):
    """Counts calls."""

    def admits(self, now: float) -> bool:
        """Tell whether one more call is within the quota, and count it if it is."""


class FixedWindow:
    """Counts from one full second to the next."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._second = 0
        self._count = 0

    def admits(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        if self._count + 1 > self._per_second:
            return False
        self._count += 1
        return True


class SlidingLog:
    """Counts the calls of the last second, each with its time."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._times: deque[float] = deque()

    def admits(self, now: float) -> bool:
        while self._times and self._times[0] <= now - 1:
            self._times.popleft()
        if len(self._times) + 1 > self._per_second:
            return False
        self._times.append(now)
        return True


class SlidingCounter:
    """Counts this second and the share of the one before that a window of one second still covers."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._second = 0
        self._before = 0
        self._count = 0

    def admits(self, now: float) -> bool:
        second = int(now)
        if second != self._second:
            self._before = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0
        if self._before * (1 - now % 1) + self._count + 1 > self._per_second:
            return False
        self._count += 1
        return True


class TokenBucket:
    """Fills evenly, up to the calls of one second, which may then come at once."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._tokens = per_second
        self._filled_at = 0.0

    def admits(self, now: float) -> bool:
        self._tokens = min(self._per_second, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


QUOTAS: dict[str, type[FixedWindow | SlidingLog | SlidingCounter | TokenBucket]] = {
    "fixed window": FixedWindow,
    "sliding log": SlidingLog,
    "sliding counter": SlidingCounter,
    "token bucket": TokenBucket,
}
