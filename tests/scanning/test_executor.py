"""Many inputs at once: nothing lost, nothing read far ahead, every end a clean one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from builders import call, failed, fatal_error, item, judged, sources_of

from moderate_cli.common.errors import BugError, ServiceError
from moderate_cli.models import Item, NotTried, Outcome
from moderate_cli.scanning import Executor

PATIENCE = 10.0  # seconds: far more than any step here takes


class Endless:
    """Items without an end, which counts how many were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[Item]:
        for number in count():
            self.taken = number + 1
            yield item(str(number))


def _judge(one: Item) -> Outcome:
    return judged(source=one.source)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    _wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.parametrize("jobs", [1, 8])
@pytest.mark.parametrize("number", [0, 1, 200])
def test_every_outcome_comes_out_once(jobs: int, number: int) -> None:
    names = [str(index) for index in range(number)]
    outcomes = list(Executor(map(item, names), _judge, jobs=jobs))
    assert sorted(sources_of(outcomes), key=int) == names


def test_one_job_keeps_the_order() -> None:
    names = [str(index) for index in range(50)]
    assert sources_of(Executor(map(item, names), _judge, jobs=1)) == names


def test_outcomes_come_out_as_they_finish_and_not_as_they_were_given() -> None:
    second_is_out = threading.Event()

    def judge(one: Item) -> Outcome:
        if one.source == "slow":
            assert second_is_out.wait(PATIENCE)
        return _judge(one)

    outcomes = iter(Executor([item("slow"), item("fast")], judge, jobs=2))
    assert next(outcomes).item.source == "fast"
    second_is_out.set()
    assert sources_of(outcomes) == ["slow"]


@pytest.mark.parametrize("jobs", [1, 4])
def test_that_many_jobs_run_at_once_and_no_more(jobs: int) -> None:
    lock, running, most = threading.Lock(), 0, 0
    all_running = threading.Barrier(jobs)

    def judge(one: Item) -> Outcome:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        all_running.wait(PATIENCE)
        with lock:
            running -= 1
        return _judge(one)

    assert len(list(Executor([item(str(index)) for index in range(4 * jobs)], judge, jobs=jobs))) == 4 * jobs
    assert most == jobs


@pytest.mark.parametrize("jobs", [1, 4])
def test_items_are_not_read_far_ahead(jobs: int) -> None:
    items = Endless()
    scan = Executor(items, _judge, jobs=jobs)
    outcomes = iter(scan)
    for _ in range(10):
        next(outcomes)
    time.sleep(0.1)
    assert items.taken <= 10 + 4 * jobs
    scan.stop()
    assert len(list(outcomes)) + len(scan.take_left()) == items.taken - 10


def test_nothing_is_read_before_the_first_outcome_is_asked_for() -> None:
    items = Endless()
    Executor(items, _judge, jobs=4)
    time.sleep(0.02)
    assert items.taken == 0


@pytest.mark.parametrize("jobs", [1, 8])
def test_stop_ends_an_endless_run_and_keeps_what_was_begun(jobs: int) -> None:
    items = Endless()
    scan = Executor(items, _judge, jobs=jobs)
    seen = []
    for outcome in scan:
        seen.append(outcome.item.source)
        if len(seen) == 20:
            scan.stop()
    left = [one.source for one in scan.take_left()]
    assert sorted(seen + left, key=int) == [str(index) for index in range(items.taken)]


def test_stop_before_the_start_judges_nothing() -> None:
    scan = Executor(Endless(), _judge, jobs=4)
    scan.stop()
    assert list(scan) == []


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_fatal_failure_ends_the_run(jobs: int) -> None:
    items = Endless()

    def judge(one: Item) -> Outcome:
        return failed(one.source, error=fatal_error()) if int(one.source) >= 5 else _judge(one)

    scan = Executor(items, judge, jobs=jobs)
    judged = sources_of(list(scan))
    assert (scan.not_tried, scan.at_least) == (items.taken - len(judged), items.taken > len(judged))
    left = [one.source for one in scan.take_left()]
    assert sorted(judged + left, key=int) == [str(index) for index in range(items.taken)]
    assert 6 <= items.taken <= 6 + 4 * jobs


def test_another_failure_does_not_end_the_run() -> None:
    outcomes = list(Executor([item("a"), item("b"), item("c")], lambda one: failed(one.source), jobs=1))
    assert sources_of(outcomes) == ["a", "b", "c"]


@pytest.mark.parametrize("jobs", [1, 8])
def test_an_error_of_the_items_reaches_the_consumer(jobs: int) -> None:
    def items() -> Iterator[Item]:
        yield item("a")
        raise LookupError("no more")

    seen = []
    with pytest.raises(LookupError, match="no more"):
        seen.extend(Executor(items(), _judge, jobs=jobs))
    assert sources_of(seen) in ([], ["a"])


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_the_judge_reaches_the_consumer(jobs: int) -> None:
    def judge(one: Item) -> Outcome:
        raise ZeroDivisionError(one.source)

    with pytest.raises(ZeroDivisionError):
        list(Executor([item("a")], judge, jobs=jobs))


@pytest.mark.parametrize("jobs", [1, 4])
def test_closing_the_generator_frees_workers_that_wait_to_hand_over(jobs: int) -> None:
    outcomes = iter(Executor(Endless(), _judge, jobs=jobs))
    next(outcomes)
    time.sleep(0.05)  # by now what is done waits to be taken
    outcomes.close()


def test_closing_the_generator_stops_the_workers() -> None:
    taken = []

    def judge(one: Item) -> Outcome:
        taken.append(one.source)
        time.sleep(0.02)
        return _judge(one)

    outcomes = iter(Executor(Endless(), judge, jobs=1))
    assert next(outcomes).item.source == "0"
    outcomes.close()
    time.sleep(0.1)
    assert len(taken) <= 2


def test_a_slow_first_image_does_not_keep_the_others_waiting() -> None:
    all_running = threading.Barrier(6)

    def judge(one: Item) -> Outcome:
        all_running.wait(PATIENCE)
        return _judge(one)

    scan = Executor([item(str(index)) for index in range(6)], judge, jobs=64)
    assert len(list(scan)) == 6


def test_workers_grow_only_while_more_are_wanted() -> None:
    scan = Executor([item(str(index)) for index in range(50)], _judge, jobs=64, wants_more=lambda: scan.workers < 3)
    assert len(list(scan)) == 50
    assert 1 <= scan.workers <= 3


def test_workers_go_on_where_no_further_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    real, started = threading.Thread.start, 0

    def start(thread: threading.Thread) -> None:
        nonlocal started
        started += 1
        if started > 3:  # what feeds, and two workers
            raise RuntimeError("can't start new thread")
        real(thread)

    def judge(one: Item) -> Outcome:
        time.sleep(0.002)
        return _judge(one)

    monkeypatch.setattr(threading.Thread, "start", start)
    scan = Executor([item(str(index)) for index in range(100)], judge, jobs=64)
    assert len(list(scan)) == 100
    assert scan.workers == 2
    assert started == 4


def test_outcomes_come_in_the_order_of_the_items_where_that_is_asked_for() -> None:
    def judge(one: Item) -> Outcome:
        time.sleep(0.005 * (int(one.source) % 3))
        return _judge(one)

    names = [str(index) for index in range(60)]
    assert sources_of(Executor(map(item, names), judge, jobs=8, ordered=True)) == names


def test_an_outcome_behind_an_item_that_is_left_comes_out_too() -> None:
    scan = Executor([], _judge, jobs=2, ordered=True)
    for number in (3, 1):  # as if a stop had come when a worker held item 0, and another one item 2
        scan._done.put((number, judged(source=str(number))))
    scan._done.put(None)
    assert sources_of(scan._in_order()) == ["1", "3"]


def test_a_slow_one_holds_up_a_bounded_number_of_others() -> None:
    release = threading.Event()
    items = Endless()

    def judge(one: Item) -> Outcome:
        if one.source == "0":
            assert release.wait(PATIENCE)
        return _judge(one)

    scan = Executor(items, judge, jobs=2, ordered=True)
    outcomes = iter(scan)
    threading.Timer(0.2, release.set).start()
    assert next(outcomes).item.source == "0"
    assert items.taken <= 2 * 17 + 2
    scan.stop()
    list(outcomes)


def test_a_stop_waits_for_no_item() -> None:
    said = threading.Event()

    def silent() -> Iterator[Item]:
        yield item("first")
        assert said.wait(PATIENCE)

    scan = Executor(silent(), _judge, jobs=4)
    outcomes = iter(scan)
    assert next(outcomes).item.source == "first"
    scan.stop()
    assert list(outcomes) == []
    assert scan.is_feeding
    said.set()
    _wait_until(lambda: not scan.is_feeding)


class Capped:
    """Judges as many items as it may, and tries none after them."""

    def __init__(self, cap: int) -> None:
        self._lock = threading.Lock()
        self.left = cap
        self.asked = 0

    def __call__(self, one: Item) -> Outcome:
        with self._lock:
            self.asked += 1
            if not self.left:
                return NotTried(item=one, call=call())
            self.left -= 1
        return _judge(one)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("jobs", [1, 8])
@pytest.mark.parametrize(
    ("cap", "number", "not_tried"), [(3, 10, 7), (0, 10, 10), (10, 10, 0), (11, 10, 0), (500, 5_000, 4_500), (0, 0, 0)]
)
def test_what_is_beyond_the_cap_is_counted_to_the_end(
    cap: int, number: int, not_tried: int, jobs: int, ordered: bool
) -> None:
    judge = Capped(cap)
    scan = Executor((item(str(index)) for index in range(number)), judge, jobs=jobs, ordered=ordered)
    outcomes = list(scan)
    assert len(outcomes) == min(cap, number)
    assert not any(isinstance(outcome, NotTried) for outcome in outcomes)
    assert (scan.not_tried, scan.at_least) == (not_tried, False)
    assert judge.asked <= cap + jobs  # the rest is only counted
    assert scan.take_left() == []


def test_items_beyond_the_cap_from_a_pipe_that_stays_open_are_at_least_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderate_cli.scanning.executor._SILENCE", 0.2)
    closed = threading.Event()

    def pipe() -> Iterator[Item]:
        yield from map(item, map(str, range(10)))
        assert closed.wait(PATIENCE)

    scan = Executor(pipe(), Capped(3), jobs=2)
    started = time.monotonic()
    assert len(list(scan)) == 3
    assert time.monotonic() - started < PATIENCE / 2
    assert (scan.not_tried, scan.at_least) == (7, True)
    closed.set()


def test_a_pipe_that_pauses_before_the_cap_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderate_cli.scanning.executor._SILENCE", 0.1)

    def pipe() -> Iterator[Item]:
        yield item("0")
        time.sleep(0.5)
        yield item("1")

    scan = Executor(pipe(), Capped(2), jobs=2)
    assert sources_of(scan) == ["0", "1"]
    assert (scan.not_tried, scan.at_least) == (0, False)


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_stop_leaves_at_least_what_was_read(jobs: int) -> None:
    items = Endless()
    scan = Executor(items, _judge, jobs=jobs)
    seen = []
    for outcome in scan:
        seen.append(outcome)
        if len(seen) == 20:
            scan.stop()
    assert scan.not_tried == items.taken - len(seen)
    assert scan.at_least is (scan.not_tried > 0)
    before = scan.not_tried
    assert len(scan.take_left()) == before  # what is left has no outcome, and stays counted
    assert scan.not_tried == before


def test_a_stop_when_all_has_been_read_leaves_exactly_what_stands_in_line() -> None:
    is_read = threading.Event()

    def items() -> Iterator[Item]:
        yield from map(item, map(str, range(2)))
        is_read.set()

    def judge(one: Item) -> Outcome:
        assert is_read.wait(PATIENCE)
        _wait_until(lambda: not scan.is_feeding)
        scan.stop()
        return _judge(one)

    scan = Executor(items(), judge, jobs=1)
    assert sources_of(scan) == ["0"]
    assert (scan.not_tried, scan.at_least) == (1, False)


@pytest.mark.parametrize("reached", [True, False])
def test_enough_items_without_a_connection_end_the_run_unless_one_found_it(reached: bool) -> None:
    refused = ServiceError("refused", code="connection_failed", retryable=True)

    def judge(one: Item) -> Outcome:
        return _judge(one) if reached and one.source == "0" else failed(one.source, error=refused)

    scan = Executor(map(item, map(str, range(100))), judge, jobs=1)
    outcomes = list(scan)
    assert scan.is_unreachable is not reached
    assert len(outcomes) == 100 if reached else 8 <= len(outcomes) < 100


def test_a_fatal_failure_after_a_short_list_tells_the_exact_rest() -> None:
    is_read = threading.Event()

    def items() -> Iterator[Item]:
        yield from map(item, map(str, range(2)))
        is_read.set()

    def judge(one: Item) -> Outcome:
        assert is_read.wait(PATIENCE)
        _wait_until(lambda: not scan.is_feeding)
        return failed(one.source, error=fatal_error())

    scan = Executor(items(), judge, jobs=1)
    assert sources_of(scan) == ["0"]
    assert (scan.not_tried, scan.at_least) == (1, False)


def test_a_failure_of_ours_does_not_end_the_run() -> None:
    outcomes = list(
        Executor(map(item, "abc"), lambda one: failed(one.source, error=BugError(ZeroDivisionError("x"))), jobs=1)
    )
    assert sources_of(outcomes) == ["a", "b", "c"]


def test_a_run_that_was_not_begun_leaves_nothing() -> None:
    scan = Executor(Endless(), _judge, jobs=4)
    assert (scan.not_tried, scan.at_least) == (0, False)
