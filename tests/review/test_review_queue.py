"""The queue of a review: its order, who gets what, and what comes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from review_builders import Clock, fill, found, queue_of

from moderate_cli.common.errors import ModerateError
from moderate_cli.models import Decision
from moderate_cli.review import Desk, ReviewQueue
from moderate_cli.store import Filters, Order, Store
from moderate_cli.store.worklist import LEASE

CONFIRMED = Decision("confirmed", "mo", None, None)


def _sources(desk: Desk) -> list[str]:
    return [Path(item.outcome.item.source).name for item in desk.items]


def _walked(queue: ReviewQueue, name: str = "a") -> list[str]:
    """The names of all results that one person gets, each of which is confirmed."""
    found = []
    while current := queue.desk(name).current:
        found.append(Path(current.outcome.item.source).name)
        queue.decide(queue.desk(name), current.entry.number, CONFIRMED)
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fill(tmp_path / "store.db", tmp_path / "images", "mhnlhm")
    return tmp_path / "store.db"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.WORST, ["004-h.png", "001-h.png", "005-m.png", "000-m.png"]),
        (Order.OLDEST, ["000-m.png", "001-h.png", "004-h.png", "005-m.png"]),
    ],
)
def test_the_order(path: Path, order: Order, expected: list[str]) -> None:
    with Store.open(path) as store:
        assert _walked(queue_of(store, order=order)) == expected
        assert _walked(queue_of(store, order=order)) == []


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"risk_levels": ("low",)}, 1),
        ({"risk_levels": ("none",)}, 1),
        ({"risk_levels": ("high",)}, 2),
        ({"labels": ("violent_gun",)}, 4),
        ({"labels": ("other",)}, 0),
        ({"services": ("other",)}, 0),
        ({"source": "*-h.png"}, 2),
        ({"request_id": "R0"}, 1),
        ({"decision": "confirmed"}, 0),
        ({"text": "word"}, 0),
    ],
)
@pytest.mark.parametrize("order", Order)
def test_filters_are_those_of_the_history(path: Path, filters: dict, count: int, order: Order) -> None:
    with Store.open(path) as store:
        queue = queue_of(store, order=order, **filters)
        if "text" not in filters:
            assert queue.progress().left == count
        assert len(_walked(queue)) == count


def test_only_the_latest_result_of_an_image_waits(path: Path, tmp_path: Path) -> None:
    again = found(tmp_path / "images" / "004-h.png", 4, "none", request_id="R-again")
    with Store.open(path) as store:
        store.add_result(None, again)
        queue = queue_of(store)
        assert queue.progress().left == 3
        assert "004-h.png" not in _walked(queue)
        assert len(_walked(queue_of(store, latest=False))) == 1


def test_two_people_never_get_the_same(path: Path) -> None:
    with Store.open(path) as store, Store.open(path) as other:
        here, there = queue_of(store, "here"), queue_of(other, "there")
        desks = [here.desk("a"), here.desk("b"), there.desk("a")]
        names = [name for desk in desks for name in _sources(desk)]
        assert sorted(names) == ["000-m.png", "001-h.png", "004-h.png", "005-m.png"]
        here.close()
        assert _sources(there.desk("a")) == ["004-h.png", "001-h.png"]


def test_a_lease_ends_and_whoever_had_it_cannot_decide_then(path: Path, clock: Clock) -> None:
    with Store.open(path, clock=clock) as store, Store.open(path, clock=clock) as other:
        slow, quick = queue_of(store, "slow"), queue_of(other, "quick")
        desk = slow.desk("a")
        number = desk.items[0].entry.number
        clock.now += LEASE - 1
        assert number not in {item.entry.number for item in quick.desk("b").items}
        quick.close()
        clock.now += 2
        mine = quick.desk("c")
        assert mine.items[0].entry.number == number
        with pytest.raises(ModerateError, match="with somebody else"):
            slow.decide(desk, number, CONFIRMED)
        quick.decide(mine, number, CONFIRMED)
        assert number not in {item.entry.number for item in slow.desk("a").items}
        [entry] = store.history(Filters(decision="any"))
        assert (entry.number, len(entry.decisions)) == (number, 1)


def test_whoever_asks_again_keeps_what_they_have(path: Path, clock: Clock) -> None:
    with Store.open(path, clock=clock) as store:
        queue = queue_of(store)
        before = _sources(queue.desk("a"))
        for _ in range(3):
            clock.now += LEASE - 1
            assert _sources(queue.desk("a")) == before
            assert not set(before) & set(_sources(queue.desk("b")))


def test_what_was_skipped_is_for_others_and_for_a_later_review(path: Path) -> None:
    with Store.open(path) as store:
        queue = queue_of(store)
        first = queue.desk("a").items[0]
        queue.skip(queue.desk("a"), first.entry.number)
        assert "004-h.png" not in _walked(queue, "a")
        assert _walked(queue, "b") == ["004-h.png"]
        assert (queue.tally.skipped, queue.tally.decided) == (1, 4)


def test_undo_brings_back_what_was_done_last(path: Path, clock: Clock) -> None:
    with Store.open(path, clock=clock) as store:
        queue = queue_of(store)
        first, second = (item.entry.number for item in queue.desk("a").items)
        queue.decide(queue.desk("a"), first, CONFIRMED)
        queue.skip(queue.desk("a"), second)
        assert queue.undo(queue.desk("a"), "ann")
        assert queue.desk("a").items[0].entry.number == second
        assert queue.undo(queue.desk("a"), "ann")
        assert [item.entry.number for item in queue.desk("a").items][:2] == [first, second]
        assert not queue.undo(queue.desk("a"), "ann")
        assert (queue.tally.decided, queue.tally.skipped, queue.tally.undone, queue.decided) == (0, 0, 1, {})
        [entry] = store.history(Filters(request_id="R4"))
        [said] = entry.decisions
        assert (said.value, said.by, said.undone_at, said.undone_by) == ("confirmed", "mo", clock.now, "ann")
        assert entry.record["decision"] is None
        assert queue.progress().left == 4


def test_an_earlier_decision_stands_again_after_an_undo(path: Path) -> None:
    with Store.open(path) as store:
        store.decide([("R4", Decision("escalated", None, None, None))])
        queue = queue_of(store, decision="escalated")
        [item] = queue.desk("a").items
        queue.decide(queue.desk("a"), item.entry.number, CONFIRMED)
        assert [entry.record["request_id"] for entry in store.history(Filters(decision="confirmed"))] == ["R4"]
        queue.undo(queue.desk("a"), None)
        assert [entry.record["request_id"] for entry in store.history(Filters(decision="escalated"))] == ["R4"]


def test_a_result_that_cannot_be_read_is_counted_and_passed_over(path: Path) -> None:
    with Store.open(path) as store:
        store.add_result(None, {"schema": 9, "source": "x", "status": "judged", "risk_level": "high"})
        queue = queue_of(store)
        assert len(_walked(queue)) == 4
        assert queue.tally.unreadable == 1


def test_what_others_decided_meanwhile_is_not_offered(path: Path) -> None:
    with Store.open(path) as store, Store.open(path) as other:
        queue = queue_of(store)
        desk = queue.desk("a")
        assert _sources(desk) == ["004-h.png", "001-h.png"]
        other.decide([("R4", CONFIRMED), ("R5", CONFIRMED)])
        assert _walked(queue) == ["001-h.png", "000-m.png"]


def test_many_at_once_get_each_result_once(tmp_path: Path) -> None:
    names = fill(tmp_path / "store.db", tmp_path / "images", "m" * 40)

    def walk(name: str) -> list[str]:
        with Store.open(tmp_path / "store.db") as store:
            return _walked(queue_of(store, name))

    with ThreadPoolExecutor(4) as pool:
        walked = [name for part in pool.map(walk, "abcd") for name in part]
    assert sorted(walked) == names
    with Store.open(tmp_path / "store.db") as store:
        assert {len(entry.decisions) for entry in store.history(Filters())} == {1}
