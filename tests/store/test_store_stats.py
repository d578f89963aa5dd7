"""Statistics: what is a call, what is a hit, and when a day begins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from builders import failed, judged, skipped
from store_builders import labelled, record

from moderate_cli.records import to_record
from moderate_cli.store import LabelCount, Store, Usage
from moderate_cli.store.statistics import HITS_OF_BATCHES, LABELS, USAGE


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _add(store: Store, when: str, *labels: str, level: str | None = "none", **changes: Any) -> None:
    store._clock.now = _at(when)  # type: ignore[attr-defined]
    said = to_record(judged(level, *labels)) | {"services": ["a"], "labels": labelled(*labels), "billed_calls": 1}
    store.add_result(None, said | changes)


@pytest.fixture
def used(store: Store) -> Store:
    """A store with the calls of two months."""
    _add(store, "2025-11-30T23:59:59.999", "nsfw", level="high")
    _add(store, "2025-12-01T00:00:00")
    _add(store, "2025-12-01T10:00:00", "nsfw", "flag", level="low")
    _add(store, "2025-12-01T11:00:00", services=["b"], engine="local", billed_calls=0)
    both = {"services": ["a", "b"], "labels": labelled("flag", service="b"), "billed_calls": 2}
    _add(store, "2025-12-02T00:00:00", level="medium", **both)
    store.add_result(None, to_record(failed()))
    store.add_result(None, to_record(skipped()))
    return store


def test_calls_and_hits_by_day(used: Store) -> None:
    assert used.usage("day") == [
        Usage("2025-11-30", "a", 1, 1, 1),
        Usage("2025-12-01", "a", 2, 1, 2),
        Usage("2025-12-01", "b", 1, 0, 0),
        Usage("2025-12-02", "a", 1, 0, 1),
        Usage("2025-12-02", "b", 1, 1, 1),
    ]


def test_calls_and_hits_by_month_and_in_all(used: Store) -> None:
    assert used.usage("month") == [
        Usage("2025-11", "a", 1, 1, 1),
        Usage("2025-12", "a", 3, 1, 3),
        Usage("2025-12", "b", 2, 1, 1),
    ]
    assert used.usage(None) == [Usage(None, "a", 4, 2, 4), Usage(None, "b", 2, 1, 1)]


def test_a_span_has_its_begin_and_not_its_end(used: Store) -> None:
    december = {"since": _at("2025-12-01"), "until": _at("2025-12-02")}
    assert used.usage(None, **december) == [Usage(None, "a", 2, 1, 2), Usage(None, "b", 1, 0, 0)]
    assert used.label_counts(**december) == [LabelCount("flag", "a", 1), LabelCount("nsfw", "a", 1)]


def test_the_local_engine_can_be_left_out(used: Store) -> None:
    assert used.usage(None, engine="local") == [Usage(None, "b", 1, 0, 0)]
    assert used.usage("month", engine="cloud")[-1] == Usage("2025-12", "b", 1, 1, 1)


def test_labels_by_their_frequency(used: Store) -> None:
    assert used.label_counts() == [
        LabelCount("nsfw", "a", 2),
        LabelCount("flag", "a", 1),
        LabelCount("flag", "b", 1),
    ]
    assert used.label_counts(engine="local") == []


def test_an_empty_store_has_no_usage(store: Store) -> None:
    assert store.usage("day") == []
    assert store.label_counts() == []


@pytest.mark.parametrize(
    ("level", "labels", "hits"),
    [("none", (), 0), ("none", ("nonLabel_lib",), 0), (None, (), 0), (None, ("new_label",), 1), ("high", (), 1)],
)
def test_what_is_a_hit(store: Store, level: str | None, labels: tuple[str, ...], hits: int) -> None:
    store.add_result(None, to_record(judged(level, *labels)))
    [usage] = store.usage(None)
    assert usage.hits == hits


def test_a_trusted_image_is_no_hit_of_a_batch(store: Store) -> None:
    labels = [*labelled("nonLabel_lib", service="a"), *labelled("flag", service="b")]
    store.add_result(None, record(services=["a", "b"], labels=labels, risk_level="high"))
    assert store.usage(None) == [Usage(None, "a", 1, 0, 0), Usage(None, "b", 1, 1, 0)]
    assert store.label_counts() == [LabelCount("flag", "b", 1)]


def test_frames_and_texts_are_billed_and_those_of_a_batch_by_each_service(store: Store) -> None:
    _add(store, "2025-12-01", billed_calls=30)
    _add(store, "2025-12-01", services=["a", "b"], billed_calls=2)
    _add(store, "2025-12-01", services=["c", "d", "e"], billed_calls=10)
    _add(store, "2025-12-01", services=["f"], billed_calls=None)
    assert [(each.service, each.calls, each.billed) for each in store.usage("day")] == [
        ("a", 2, 31),
        ("b", 1, 1),
        ("c", 1, 4),
        ("d", 1, 3),
        ("e", 1, 3),
        ("f", 1, 0),
    ]


def test_what_failed_and_was_billed_is_no_call_and_no_hit(store: Store) -> None:
    _add(store, "2025-12-01", "flag", level="high", status="failed", billed_calls=2)
    _add(store, "2025-12-01", status="failed", billed_calls=None)
    _add(store, "2025-12-01", services=["b"], status="failed", billed_calls=0)
    assert store.usage("day") == [Usage("2025-12-01", "a", 0, 0, 2)]
    assert store.usage(None, engine="local") == store.label_counts() == []


def test_a_service_that_nobody_knows_has_no_name(store: Store) -> None:
    _add(store, "2025-12-01", "flag", level="high", services=[])
    _add(store, "2025-12-01")
    assert store.usage("day") == [Usage("2025-12-01", None, 1, 1, 1), Usage("2025-12-01", "a", 1, 0, 1)]
    assert store.label_counts() == [LabelCount("flag", None, 1)]


def test_a_label_of_a_batch_whose_service_nobody_knows(store: Store) -> None:
    _add(store, "2025-12-01", "flag", level="high", services=["a", "b"], billed_calls=2)
    assert store.usage(None) == [Usage(None, "a", 1, 0, 1), Usage(None, "b", 1, 0, 1)]
    assert store.label_counts() == [LabelCount("flag", None, 1)]


COUNTED = "(status = 'judged' OR billed_calls > 0)"
PLANNED = pytest.mark.parametrize(
    ("sql", "values"),
    [
        (USAGE.format(where=COUNTED + "{more}"), ("%Y",)),
        (HITS_OF_BATCHES.format(where="status = 'judged'{more}"), ("%Y",)),
        (LABELS.format(where="status = 'judged'{more}"), ()),
    ],
)


@PLANNED
def test_no_row_of_a_result_is_read(store: Store, sql: str, values: tuple[str, ...]) -> None:
    sql = sql.format(more=" AND judged_at >= ? AND engine = ?")
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", (*values, 1.0, "cloud"))]
    assert "SEARCH results USING COVERING INDEX results_timeline (judged_at>?)" in plan
    assert "SEARCH label_hits USING PRIMARY KEY (result=?)" in plan
    assert len([step for step in plan if "results" in step]) == 1


@PLANNED
def test_all_of_the_past_is_read_from_the_index_too(store: Store, sql: str, values: tuple[str, ...]) -> None:
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql.format(more='')}", values)]
    assert "SCAN results USING COVERING INDEX results_timeline" in plan
    assert "SEARCH label_hits USING PRIMARY KEY (result=?)" in plan
