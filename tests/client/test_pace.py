"""The rule of the rate: one table of cases for Python and for the Lua that Redis runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from redis_server import RedisServer, needs_redis, running_redis

from moderate_cli.client.limits import RateKey
from moderate_cli.client.pace import FORGOTTEN, SHARE, Pace
from moderate_cli.client.quota import read_answer, redis_keys, script

# Redis counts from 1970 with six digits; so does each case.
_T = 1_790_000_000.0

Told = tuple[float, float, float | None, int]
"""What both say to a step: a delay, the rate then, what was borne, and how many share."""


class InPython:
    def __init__(self, per_second: float, *, auto: bool) -> None:
        self._pace = Pace(per_second, auto)
        self._new = lambda: Pace(per_second, auto)

    def tell(self, operation: str, now: float, subject: Any, accepted: list[float], waited: bool) -> Told:
        pace = self._pace = self._pace if self._pace.is_current(now) else self._new()
        pace.accepted(accepted)
        delay = 0.0
        if operation == "reserve":
            delay = pace.reserve(now, waited=waited, member=subject)
        else:
            delay = pace.refused(subject, now)
        now = max(now, pace.seen)
        return delay, pace.rate_at(now), pace.borne, pace.sharing(now)


class InRedis:
    def __init__(self, server: RedisServer, per_second: float, *, auto: bool) -> None:
        self._client = server.client()
        self._client.flushall()
        self._key = RateKey("account", "host", "ImageModeration", per_second, auto)
        # The last argument is the time, which the script otherwise asks Redis for.
        self._script = self._client.register_script(script("local now = tonumber(table.remove(ARGV))"))

    def tell(self, operation: str, now: float, subject: Any, accepted: list[float], waited: bool) -> Told:
        key = self._key
        arguments = [operation, repr(key.per_second), int(key.auto), str(subject), int(waited), *map(repr, accepted)]
        answer = read_answer(self._script(redis_keys(key), [*arguments, repr(now)]))
        return answer.delay, answer.state.rate, answer.state.borne, answer.state.sharing


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


Sides = Callable[..., Any]


@pytest.fixture(params=["python", pytest.param("redis", marks=needs_redis)])
def side(request: pytest.FixtureRequest) -> Sides:
    def opened(per_second: float = 100.0, *, auto: bool = False) -> Driver:
        if request.param == "python":
            return Driver(InPython(per_second, auto=auto))
        return Driver(InRedis(request.getfixturevalue("redis"), per_second, auto=auto))

    return opened


class Driver:
    """Makes calls at one place; `now` goes on only with what it waits for."""

    def __init__(self, place: Any) -> None:
        self._place = place
        self.now = _T
        self.told: Told = (0.0, 0.0, None, 0)
        self.accepted: list[float] = []

    def reserve(self, member: str = "one", *, waited: bool = False) -> float:
        self.told = self._place.tell("reserve", self.now, member, self.accepted, waited)
        self.accepted = []
        return self.told[0]

    def call(self, member: str = "one") -> float:
        self.now += self.reserve(member)
        return self.now

    def refuse(self, started: float) -> float:
        self.told = self._place.tell("refused", self.now, started, self.accepted, False)
        self.accepted = []
        return self.told[0]

    @property
    def rate(self) -> float:
        return self.told[1]

    @property
    def borne(self) -> float | None:
        return self.told[2]

    @property
    def sharing(self) -> int:
        return self.told[3]

    def run(self, seconds: float, quota: float = math.inf) -> list[float]:
        """Call for a while; a window of the last second refuses what is beyond a quota. Return the accepted starts."""
        until, taken = self.now + seconds, []
        while self.now < until:
            start = self.call()
            if len([each for each in taken[-int(min(quota, 1e6)) - 1 :] if each > start - 1]) + 1 > quota:
                self.refuse(start)
            else:
                taken.append(start)
                self.accepted.append(start)
        return taken


def test_starts_are_spaced_and_the_first_second_is_at_90_percent(side: Sides) -> None:
    driver = side()
    starts = [driver.call() for _ in range(300)]
    assert len([start for start in starts if start < _T + 1]) == pytest.approx(90, abs=1)
    assert len([start for start in starts if _T + 1 <= start < _T + 3]) == pytest.approx(2 * 98, abs=1)
    assert min(later - earlier for earlier, later in pairwise(starts)) > 0.99 / 98


def test_several_that_ask_at_once_get_one_start_each(side: Sides) -> None:
    driver = side()
    delays = [driver.reserve(member) for member in "abcd"]
    assert delays == pytest.approx([0, 1 / 90, 2 / 90, 3 / 90], abs=1e-5)
    assert driver.sharing == 4


def test_one_that_has_not_called_for_a_minute_shares_no_longer(side: Sides) -> None:
    driver = side()
    driver.call("a")
    driver.call("b")
    driver.now += 61
    driver.call("b")
    assert driver.sharing == 1


def test_idle_time_is_not_saved_up_and_lateness_is_made_good_by_one_interval(side: Sides) -> None:
    driver = side(10.0)
    driver.run(3)
    driver.now += 60
    assert driver.reserve() == 0
    assert driver.reserve() == pytest.approx(1 / 9.8, abs=1e-5)
    driver.now += 60
    assert driver.reserve(waited=True) == 0
    assert driver.reserve() == pytest.approx(0, abs=1e-5)
    assert driver.reserve() == pytest.approx(1 / 9.8, abs=1e-5)


def test_a_refusal_pauses_all_and_those_on_their_way_tell_nothing_new(side: Sides) -> None:
    driver = side()
    starts = [driver.call() for _ in range(10)]
    pause = driver.refuse(starts[0])
    assert pause == pytest.approx(0.2)
    assert driver.rate == pytest.approx(0.9 * 90)
    assert driver.refuse(starts[5]) == pytest.approx(pause)
    assert driver.rate == pytest.approx(0.9 * 90)
    assert driver.reserve() >= pause
    driver.now += 2
    assert driver.refuse(driver.call()) > 0
    assert driver.rate == pytest.approx(0.7 * 0.9 * 90, rel=0.1)


def test_half_of_the_quota_is_found_and_kept_to(side: Sides) -> None:
    driver = side()
    driver.run(20, quota=50)
    taken = driver.run(20, quota=50)
    assert driver.borne == pytest.approx(50, rel=0.06)
    assert 0.9 * 50 <= len(taken) / 20 <= 50


def test_it_recovers_up_to_the_quota(side: Sides) -> None:
    driver = side()
    driver.run(3, quota=50)
    driver.now += 200
    driver.call()
    assert driver.rate == pytest.approx(98)


def test_an_unknown_quota_is_looked_for_while_the_rate_is_what_limits(side: Sides) -> None:
    driver = side(20.0, auto=True)
    driver.run(40, quota=60)
    assert driver.borne == pytest.approx(60, rel=0.06)
    taken = driver.run(30, quota=60)
    assert 0.9 * 60 <= len(taken) / 30 <= 60
    assert driver.run(5, quota=60)


def test_an_unknown_quota_is_not_looked_for_by_those_who_need_no_more(side: Sides) -> None:
    driver = side(20.0, auto=True)
    for pause in [0.5] * 100 + [10.0] * 3:
        driver.call()
        driver.now += pause
    driver.call()
    assert driver.rate == pytest.approx(20 * SHARE)


@pytest.mark.parametrize("passed", [-3600.0, -1.5, FORGOTTEN + 1])
def test_a_clock_that_was_set_or_a_long_silence_begin_anew(side: Sides, passed: float) -> None:
    driver = side()
    driver.run(3, quota=50)
    assert driver.rate < 60
    driver.now += passed
    assert driver.reserve() == 0
    assert driver.rate == pytest.approx(90)
    assert driver.borne is None


def test_a_clock_that_steps_back_a_little_stands_still_meanwhile(side: Sides) -> None:
    driver = side()
    driver.run(2)
    driver.now -= 0.5
    assert driver.reserve() <= 2 / 98 + 1e-5
    assert driver.reserve() <= 3 / 98 + 1e-5


@needs_redis
def test_both_say_the_same_to_every_step(redis: RedisServer) -> None:
    for auto in (False, True):
        sides = [Driver(InPython(100.0, auto=auto)), Driver(InRedis(redis, 100.0, auto=auto))]
        steps = []
        for driver in sides:
            told = []
            for number in range(600):
                start = driver.call("ab"[number % 2])
                told.append(driver.told)
                if number % 97 > 90:
                    driver.refuse(start)
                    told.append(driver.told)
                else:
                    driver.accepted.append(start)
                driver.now += (number % 7) / 1000
            steps.append(told)
        for ours, theirs in zip(*steps, strict=True):
            assert _numbers(ours) == pytest.approx(_numbers(theirs), rel=1e-4, abs=1e-4)


def _numbers(told: Told) -> list[float]:
    return [-1.0 if number is None else number for number in told]
