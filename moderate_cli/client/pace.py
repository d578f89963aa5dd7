"""When may the next call start? The rule of a rate, whose numbers may be kept here, in a file or in Redis.

Calls start at even intervals, without bursts. Whichever of four kinds of window a service counts in, even starts at
98 % of the quota used 0.98 of it without one refusal; a token bucket that allows a second's worth of burst had 17 % of
its calls refused (measured in November 2026 at 100 calls/s and a latency of 300 ms).

After a refusal, the calls accepted in the last second tell what the service allows. With a true quota of half the
configured one, 1,000 calls and four kinds of window, this used 0.93 to 0.99 of the true quota, with 0.4 % of the calls
refused (measured in November 2026 with `tests/benchmarks/`).

`pace.lua` is the same rule for Redis; one table of cases in `tests/client/test_pace.py` runs both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct, field

SHARE = 0.98  # of the quota that is used
FIRST_SHARE = 0.9  # of the quota in the first second: the service's window may contain calls of another run
WINDOW = 1.0  # seconds in which services count calls
ENOUGH = 0.95  # of a window: with less, the calls accepted in it say little about the quota
GENTLE_BRAKE = 0.9  # of the rate, after a first refusal of which little is known; it may have had another cause
BLIND_BRAKE = 0.7  # of the rate, after further ones
SMALL_BRAKE = 0.96  # of the rate, where nearly all calls were accepted
DEEPEST_BRAKE = 0.5  # of the rate, at once
PAUSE = 2.0  # seconds, times the share that the rate loses: a second where it is halved
HOLD = 5.0  # seconds at a lowered rate before it grows
GROWTH = 0.02  # of the lowered rate, per second
GENTLE_HOLD, GENTLE_GROWTH = 1.0, 0.1  # the same after a gentle brake: one refusal must not cost a short run much
LOWEST = 0.05  # of the full rate
# Where the quota is unknown the rate grows by this share of the documented one each second: fast until a first refusal
# shows where the quota is, and then just enough to notice that it was raised.
SEARCH_HOLD, SEARCH_GROWTH = 1.0, 0.1
WATCH_GROWTH = 0.002
MEMBER_FOR = 60.0  # seconds after its last call for which a process counts as one that shares the quota
FORGOTTEN = 3600.0  # seconds without a call after which nothing is known any more
STEP_BACK = 1.0  # seconds: a clock that goes back by more was set, or its machine was started anew


class Pace(Struct):
    """What is known of the rate of some calls; all times are seconds by one clock.

    `per_second` is the quota; with `auto` it is unknown, and that is where the search begins. `next` is when the next
    call may start, `seen` when that was asked last, `first` the first start, `resumed` when calls began, or begin again
    after a refusal. The rate grows from `base` at `since`. `borne` is what the service accepted in the second before
    the last refusal that told. `members` are the processes that share the quota, and when each asked last.
    """

    per_second: float
    auto: bool = False
    next: float = -math.inf
    seen: float = -math.inf
    first: float | None = None
    resumed: float | None = None
    since: float = 0.0
    base: float | None = None
    refusals: int = 0
    was_gentle: bool = False
    borne: float | None = None
    accepted_starts: list[float] = field(default_factory=list)
    members: dict[str, float] = field(default_factory=dict)

    def is_current(self, now: float) -> bool:
        """Tell whether this still says something, by the time that has passed and the clock that tells it."""
        return self.first is None or self.seen - STEP_BACK <= now <= self.seen + FORGOTTEN

    def reserve(self, now: float, *, waited: bool = False, member: str = "") -> float:
        """Hand out the next start, and return in how many seconds it is.

        One who had to wait for its turn may be late, which does not delay those behind it.
        """
        now = self._see(now)
        if self.resumed is None:
            self.first = self.resumed = self.since = now
        start = max(now, self.next)
        if self.auto and start == now and not waited:  # the rate is not what limits: it does not grow meanwhile
            self.base, self.since = self._grown_at(now), now
        interval = 1 / self.rate_at(start)
        self.next = max(self.next, now - interval if waited else now) + interval
        self.members[member] = now
        return start - now

    def refused(self, started: float, now: float) -> float:
        """Slow down after a throttled call that was started then; return for how many seconds no call may start.

        Calls that were on their way when an earlier one was refused tell nothing new.
        """
        now = self._see(now)
        if self.resumed is None or started < self.resumed:
            return max(0.0, (now if self.resumed is None else self.resumed) - now)
        before = self.rate_at(started)
        self.refusals += 1
        lowered = self._lowered(before, self.resumed)
        self.base = max(lowered, before * DEEPEST_BRAKE, self.per_second * SHARE * LOWEST)
        pause = min(WINDOW, PAUSE * (1 - self.base / before))
        self.resumed = self.since = now + pause
        self.next = max(self.next, self.resumed)
        return pause

    def accepted(self, started: Iterable[float]) -> None:
        """Record that the service accepted calls that were started then."""
        starts = self.accepted_starts
        for start in started:
            starts.append(start)
            old = 0
            while starts[old] < start - 2 * WINDOW:
                old += 1
            del starts[:old]

    def rate_at(self, now: float) -> float:
        """Return the rate at a time, in calls a second."""
        rate = self._grown_at(now)
        if self.first is not None and now < self.first + WINDOW:
            return min(rate, self.per_second * FIRST_SHARE)
        return rate

    def sharing(self, now: float) -> int:
        """Return how many processes share the quota."""
        self.members = {name: seen for name, seen in self.members.items() if seen >= now - MEMBER_FOR}
        return len(self.members)

    def _see(self, now: float) -> float:
        self.seen = max(now, self.seen)
        return self.seen

    def _lowered(self, rate: float, since: float) -> float:
        """Return a rate that the service seems to bear, by the last window of which all responses are known.

        That window ends with the newest accepted call: a refusal comes at once, and overtakes the calls on their way.
        """
        newest = max(self.accepted_starts, default=since)
        span = min(WINDOW, newest - since)
        if span < ENOUGH * WINDOW:
            self.was_gentle = self.refusals == 1
            return rate * (GENTLE_BRAKE if self.was_gentle else BLIND_BRAKE)
        self.was_gentle = False
        self.borne = sum(start > newest - span for start in self.accepted_starts) / span
        return min(self.borne * SHARE, rate * SMALL_BRAKE)

    def _grown_at(self, now: float) -> float:
        full = self.per_second * SHARE
        base = full if self.base is None else self.base
        # A rate that is looked for grows with the calls, not with the time in which there are none.
        passed = (min(now, self.next) if self.auto else now) - self.since
        if self.auto and not self.refusals:
            return base + SEARCH_GROWTH * full * max(0.0, passed - SEARCH_HOLD)
        if self.auto and not self.was_gentle and self.borne is not None:
            return base + WATCH_GROWTH * full * max(0.0, passed - HOLD)
        hold, growth = (GENTLE_HOLD, GENTLE_GROWTH) if self.was_gentle else (HOLD, GROWTH)
        rate = base * (1 + growth * max(0.0, passed - hold))
        return rate if self.auto else min(full, rate)
