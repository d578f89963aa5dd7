"""The worklist finds what is to be decided by way of images, however many results each of them has."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from store_builders import record

from moderate_cli.models import RiskLevel
from moderate_cli.store import Filters, Order, Store, worklist
from moderate_cli.store.queries import NEWEST, newest_numbers

_MEANT = Filters(risk_levels=("high", "medium"), decision="none", latest=True)


def _add(store: Store, images: Iterable[int], **changes: Any) -> None:
    for image in images:
        store.add_result(None, record(source=f"{image}.png", sha256=f"{image:064}") | changes)


def _numbers(store: Store, order: Order, filters: Filters = _MEANT) -> list[int]:
    work, passed = store.worklist(filters, order), list[int]()
    while entry := work.take("mo", passed):
        passed.append(entry.number)
    return passed


def _steps(store: Store, order: Order, filters: Filters) -> int:
    """How many tens of its steps SQLite takes to the second result."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    store._database._connection.set_progress_handler(count, 10)
    work = store.worklist(filters, order)
    assert (first := work.take("mo", []))
    assert work.take("mo", [first.number])
    store._database._connection.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("level", ["high", "none"])
def test_the_first_results_of_few_images_are_as_far_in_any_store(
    store: Store, monkeypatch: pytest.MonkeyPatch, order: Order, level: str
) -> None:
    monkeypatch.setattr(worklist, "MAX_PASSED", 10)
    filters = Filters(risk_levels=(level,), decision="none", latest=True)
    _add(store, [number % 10 for number in range(60)], risk_level=level)
    few = _steps(store, order, filters)
    _add(store, [number % 10 for number in range(300)], risk_level=level)
    assert _steps(store, order, filters) < 1.5 * few + 100  # each result that is passed over takes some fifty


def _fill(store: Store, images: int, results: int) -> None:
    """Results of some images at all levels, of posts, of addresses, and failures, without any order."""
    random = Random(1)
    for _ in range(results):
        image = random.randrange(images)
        changes: dict[str, Any] = {"risk_level": random.choice(list(RiskLevel)), "services": [f"s{image % 3}"]}
        match random.randrange(6):
            case 0:
                changes["status"] = "failed"
            case 1:
                changes["operation"] = "MultimodalAsyncModeration"
            case 2:
                changes["sha256"] = None
            case 3:
                changes["source"] = "caf\udce9.png"
        _add(store, [image], **changes)


@pytest.mark.parametrize(("images", "results"), [(0, 0), (1, 3), (20, 200), (550, 600)])
def test_the_latest_of_images_are_the_same_by_hops_and_by_reading_all(store: Store, images: int, results: int) -> None:
    _fill(store, images, results)
    for most in (results, results // 2):
        assert list(newest_numbers(store._database, most)) == list(store._database.numbers(NEWEST, (most,)))


@pytest.mark.parametrize("passed", [0, 3])
@pytest.mark.parametrize("levels", [("high", "medium"), ("none", "high")])
def test_the_order_is_the_same_by_way_of_the_images(
    store: Store, monkeypatch: pytest.MonkeyPatch, passed: int, levels: tuple[str, ...]
) -> None:
    _fill(store, 20, 150)
    filters = Filters(risk_levels=levels, decision="none", latest=True)
    latest = {entry.number: entry.record["risk_level"] for entry in store.history(filters)}
    oldest = sorted(latest)
    worst = sorted(latest, key=lambda number: (-RiskLevel(latest[number]).rank, -number))
    assert len(latest) > 10
    monkeypatch.setattr(worklist, "MAX_PASSED", passed)
    assert _numbers(store, Order.OLDEST, filters) == oldest
    for number in oldest:
        store.worklist(filters, Order.OLDEST).give_back(number, "mo")
    assert _numbers(store, Order.WORST, filters) == worst


def test_how_many_wait_is_told_by_the_newest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist, "MAX_COUNTED", 50)
    _add(store, [number % 10 for number in range(100)])
    waiting = store.worklist(_MEANT, Order.OLDEST).waiting()
    assert (waiting.count, waiting.at_least) == (10, True)
