"""Statistics: what is a call, what is a hit, and when a day begins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from builders import failed, judged, skipped
from store_builders import record

from moderate_cli.records import to_record
from moderate_cli.store import LabelCount, Store, Usage
from moderate_cli.store.stats import HITS_OF_BATCHES, LABELS, USAGE


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _add(store: Store, when: str, *labels: str, level: str | None = "none", **changes: Any) -> None:
    store._clock.now = _at(when)  # type: ignore[attr-defined]
    store.add_result(None, to_record(judged(level, *labels)) | {"services": ["a"]} | changes)


def _part(service: str, *labels: str) -> dict[str, Any]:
    return {"service": service, "labels": [{"label": label} for label in labels], "risk_level": None, "ext": {}}


@pytest.fixture
def used(store: Store) -> Store:
    """A store with the calls of two months."""
    _add(store, "2025-11-30T23:59:59.999", "nsfw", level="high")
    _add(store, "2025-12-01T00:00:00")
    _add(store, "2025-12-01T10:00:00", "nsfw", "flag", level="low")
    _add(store, "2025-12-01T11:00:00", services=["b"], engine="local")
    both = [_part("a"), _part("b", "flag")]
    _add(store, "2025-12-02T00:00:00", level="medium", services=["a", "b"], per_service=both)
    store.add_result(None, to_record(failed()))
    store.add_result(None, to_record(skipped()))
    return store


def test_calls_and_hits_by_day(used: Store) -> None:
    assert used.usage("day") == [
        Usage("2025-11-30", "a", 1, 1),
        Usage("2025-12-01", "a", 2, 1),
        Usage("2025-12-01", "b", 1, 0),
        Usage("2025-12-02", "a", 1, 0),
        Usage("2025-12-02", "b", 1, 1),
    ]


def test_calls_and_hits_by_month_and_in_all(used: Store) -> None:
    assert used.usage("month") == [
        Usage("2025-11", "a", 1, 1),
        Usage("2025-12", "a", 3, 1),
        Usage("2025-12", "b", 2, 1),
    ]
    assert used.usage(None) == [Usage(None, "a", 4, 2), Usage(None, "b", 2, 1)]
    assert used.usage(None)[0].share == 0.5


def test_a_span_has_its_begin_and_not_its_end(used: Store) -> None:
    december = {"since": _at("2025-12-01"), "until": _at("2025-12-02")}
    assert used.usage(None, **december) == [Usage(None, "a", 2, 1), Usage(None, "b", 1, 0)]
    assert used.label_counts(**december) == [LabelCount("flag", "a", 1), LabelCount("nsfw", "a", 1)]


def test_the_local_engine_can_be_left_out(used: Store) -> None:
    assert used.usage(None, engine="local") == [Usage(None, "b", 1, 0)]
    assert used.usage("month", engine="cloud")[-1] == Usage("2025-12", "b", 1, 1)


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
    parts = [_part("a", "nonLabel_lib"), _part("b", "flag")]
    store.add_result(None, record(services=["a", "b"], labels=[], risk_level="high", per_service=parts))
    assert store.usage(None) == [Usage(None, "a", 1, 0), Usage(None, "b", 1, 1)]


@pytest.mark.parametrize(("sql", "values"), [(USAGE, ("%Y",)), (HITS_OF_BATCHES, ("%Y",)), (LABELS, ())])
def test_no_row_of_a_result_is_read(store: Store, sql: str, values: tuple[str, ...]) -> None:
    sql = sql.format(where="status = 'judged' AND judged_at >= ? AND engine = ?")
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", (*values, 1.0, "cloud"))]
    assert "SEARCH results USING COVERING INDEX results_timeline (judged_at>?)" in plan
    assert "SEARCH label_hits USING PRIMARY KEY (result=?)" in plan
    assert len([step for step in plan if "results" in step]) == 1


@pytest.mark.parametrize(("sql", "values"), [(USAGE, ("%Y",)), (HITS_OF_BATCHES, ("%Y",)), (LABELS, ())])
def test_all_of_the_past_is_read_from_the_index_too(store: Store, sql: str, values: tuple[str, ...]) -> None:
    sql = sql.format(where="status = 'judged'")
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert "SCAN results USING COVERING INDEX results_timeline" in plan
    assert "SEARCH label_hits USING PRIMARY KEY (result=?)" in plan
