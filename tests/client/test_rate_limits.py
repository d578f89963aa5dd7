"""The limiter under a clock of its own: spaced starts, no bursts, slower when refused, faster when accepted."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from clocks import VirtualClock

from moderate_cli.client.limits import OwnPlace, RateKey, RateLimiter, RateLimits, RateState, Reservation
from moderate_cli.client.pace import SHARE, Pace


def _new(per_second: float, clock: VirtualClock) -> RateLimiter:
    place = OwnPlace(Pace(per_second), clock.monotonic)
    return RateLimiter(place, monotonic=clock.monotonic, sleep=clock.sleep)


def _starts(threads: int, per_second: float, seconds: float) -> list[float]:
    """Return the times at which calls start that so many threads make, each as fast as it may."""
    clock = VirtualClock()  # of all threads only that whose turn it is sleeps
    limiter = _new(per_second, clock)
    starts: list[float] = []

    def work() -> None:
        while True:
            started = limiter.wait()
            if started >= seconds:
                return
            starts.append(started)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
    assert not any(worker.is_alive() for worker in workers)
    return sorted(starts)


def test_32_threads_send_50_a_second_and_never_burst() -> None:
    starts = _starts(threads=32, per_second=50, seconds=5)
    assert len([start for start in starts if start < 1]) == pytest.approx(
        0.9 * 50, abs=1
    )  # the first second is at 90 %
    assert abs(len([start for start in starts if start >= 1]) / 4 - 50) <= 1
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 1 / 50
    for second in range(5):
        assert len([start for start in starts if second <= start < second + 1]) <= 50


@pytest.mark.parametrize("per_second", [1, 10, 100])
def test_one_thread_is_spaced_alike(per_second: int) -> None:
    starts = _starts(threads=1, per_second=per_second, seconds=3)
    assert all(later - earlier >= 1 / per_second for earlier, later in pairwise(starts))
    assert len(starts) == pytest.approx((0.9 + 2 * SHARE) * per_second, abs=1)


def _limiter(per_second: float = 100) -> tuple[RateLimiter, VirtualClock]:
    clock = VirtualClock()
    return _new(per_second, clock), clock


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    limiter, clock = _limiter(10)
    limiter.wait()
    clock.now += 60
    starts = []
    for _ in range(3):
        limiter.wait()
        starts.append(clock.now)
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(starts))


def test_a_refusal_stops_all_starts_for_a_while_and_slows_down() -> None:
    limiter, clock = _limiter(100)
    limiter.refused(limiter.wait())
    assert limiter.state.rate == pytest.approx(0.9 * 90)  # 90 is the rate of the first second
    limiter.refused(limiter.wait())
    assert limiter.state.rate == pytest.approx(0.7 * 0.9 * 90)
    limiter.wait()
    assert 0.5 <= clock.now <= 1


def test_one_refusal_in_the_first_second_costs_a_short_run_little() -> None:
    def starts(refused: bool) -> int:
        limiter, clock = _limiter(100)
        count = 0
        while clock.now < 12:
            started = limiter.wait()
            count += 1
            if refused and count == 20:
                limiter.refused(started)
            else:
                limiter.accepted(started)
        return count

    assert starts(refused=True) >= 0.95 * starts(refused=False)


def test_the_refusals_of_calls_that_were_on_their_way_count_once() -> None:
    limiter, clock = _limiter(100)
    started = [limiter.wait() for _ in range(30)]
    limiter.refused(started[0])
    slowed = limiter.state.rate
    for start in started[1:]:
        limiter.refused(start)
    assert limiter.state.rate == slowed
    clock.now += 1.5
    limiter.refused(limiter.wait())
    assert limiter.state.rate < slowed


def test_a_refusal_holds_up_those_that_wait() -> None:
    clock = VirtualClock(threads=2)
    limiter = _new(10, clock)
    first = limiter.wait()
    starts: list[float] = []

    def waits() -> None:
        starts.append(limiter.wait())
        clock.leave()

    waiting = threading.Thread(target=waits)
    waiting.start()
    limiter.refused(first)
    clock.leave()
    waiting.join(timeout=10)
    assert starts[0] >= 0.19


def test_what_was_accepted_in_the_last_second_tells_the_quota() -> None:
    limiter, clock = _limiter(100)
    for _ in range(300):
        started = limiter.wait()
        clock.now = started
        if int(started * 1000) % 1000 < 600:
            limiter.accepted(started)
    refused = limiter.wait()
    limiter.refused(refused)
    assert limiter.state.rate == pytest.approx(0.6 * 98 * SHARE, rel=0.05)


def test_a_refusal_that_overtakes_calls_on_their_way_does_not_count_them_as_refused() -> None:
    limiter, _clock = _limiter(100)
    full = limiter.state.rate
    started = [limiter.wait() for _ in range(200)]
    for start in started[:-30]:
        limiter.accepted(start)
    limiter.refused(started[-1])
    assert limiter.state.rate == pytest.approx(0.96 * full)


def test_it_recovers_after_a_while_and_no_further_than_the_quota() -> None:
    limiter, clock = _limiter(100)
    full = limiter.state.rate
    for _ in range(2):
        limiter.refused(limiter.wait())
    rates = []
    for _ in range(120):
        rates.append(limiter.state.rate)
        clock.now += 1
    assert all(later >= earlier for earlier, later in pairwise(rates))
    assert rates[4] == rates[0]
    assert rates[-1] == full


def test_refusals_without_end_leave_a_trickle() -> None:
    limiter, _clock = _limiter(100)
    for _ in range(100):
        limiter.refused(limiter.wait())
    assert 1 < limiter.state.rate < 10


def test_there_is_room_while_nobody_waits() -> None:
    clock = VirtualClock(threads=2)
    limits = RateLimits(monotonic=clock.monotonic, sleep=clock.sleep)
    assert limits.have_room
    limiter = limits.limiter(RateKey("id", "host", "ImageModeration", 10))
    limiter.wait()
    assert limits.have_room
    waiting = threading.Thread(target=limiter.wait)
    waiting.start()
    while limits.have_room:
        time.sleep(0.001)
    clock.leave()
    waiting.join(timeout=10)
    assert limits.have_room


def test_a_quota_has_one_limiter() -> None:
    limits = RateLimits()
    key = RateKey("id", "host", "ImageModeration", 100)
    assert limits.limiter(key) is limits.limiter(RateKey("id", "host", "ImageModeration", 100))
    others = [
        RateKey("id2", "host", "ImageModeration", 100),
        RateKey("id", "host2", "ImageModeration", 100),
        RateKey("id", "host", "ImageBatchModeration", 100),
        RateKey("id", "host", "ImageModeration", 50),
    ]
    assert len({limits.limiter(other) for other in [key, *others]}) == 5


@pytest.mark.parametrize(("late", "asked"), [(0.005, 1), (0.2, 4)])
def test_a_start_that_was_missed_is_given_up_a_few_times(late: float, asked: int) -> None:
    """After a moment in which a machine stood still, the calls of all processes must not come at once."""

    class Place:
        asked = 0

        def reserve(self, accepted: object, *, waited: bool) -> Reservation:
            self.asked += 1
            return Reservation(clock.now + 0.05, 0.05)

        def refused(self, started: float, accepted: object) -> float:
            return 0.0

        def state(self) -> RateState:
            return RateState(1.0)

    clock, place = VirtualClock(), Place()
    limiter = RateLimiter(place, monotonic=clock.monotonic, sleep=lambda seconds: clock.sleep(seconds + late))
    limiter.wait()
    assert place.asked == asked


class SlowPlace:
    """Hands out starts by a clock of its own; a question takes a while to come, and so does the answer."""

    def __init__(self, clock: VirtualClock, apart: float, takes: Sequence[tuple[float, float]]) -> None:
        self.clock = clock
        self.apart = apart
        self.takes = list(takes)
        self.asked = 0

    def reserve(self, accepted: Sequence[float], *, waited: bool) -> Reservation:
        there, back = self.takes[self.asked]
        self.asked += 1
        self.clock.sleep(there)
        start = self.clock.monotonic() + self.apart
        self.clock.sleep(back)
        return Reservation(start, 0.0)

    def refused(self, started: float, accepted: Sequence[float]) -> float:
        return 0.0

    def state(self) -> RateState:
        return RateState(1.0)


@pytest.mark.parametrize("apart", [0.0, 3600.0, -3600.0])
@pytest.mark.parametrize(
    ("takes", "asked"),
    [
        ([(0.5, 0.001)], 2),  # it stood in a queue: the start is as fresh as the answer
        ([(0.001, 0.5)], 3),
        ([(0.001, 0.5)] * 2, 4),
    ],
)
def test_only_the_way_of_the_answer_makes_a_start_late(
    apart: float, takes: list[tuple[float, float]], asked: int
) -> None:
    clock = VirtualClock()
    place = SlowPlace(clock, apart, [(0.001, 0.001), *takes, (0.001, 0.001)])
    limiter = RateLimiter(place, monotonic=clock.monotonic, sleep=clock.sleep)
    limiter.wait()
    limiter.wait()
    assert place.asked == asked


@pytest.mark.parametrize("jump", [5.0, -5.0])
def test_a_clock_of_the_place_that_is_set_is_learned_anew(jump: float) -> None:
    clock = VirtualClock()
    place = SlowPlace(clock, 0.0, [(0.001, 0.001)] * 4)
    limiter = RateLimiter(place, monotonic=clock.monotonic, sleep=clock.sleep)
    limiter.wait()
    place.apart = jump
    limiter.wait()
    limiter.wait()
    assert place.asked == 3
