"""The history: what each filter finds, in which order, with which index, and in how much memory."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from builders import failed, judged, schema_1
from jsonschema import Draft202012Validator
from store_builders import Clock, labelled, record

from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Decision, DecisionWord, Label, RiskLevel
from moderate_cli.records import record_schema, to_record
from moderate_cli.store import Filters, Store, StoredDecision, StoreError
from moderate_cli.store.queries import candidates, conditions, joined
from moderate_cli.store.store import insert_result

NOT_UTF_8 = b"photos/\xff.png".decode("utf-8", "surrogateescape")


def _add(store: Store, source: str, *labels: str, level: str = "none", at: float = 1000.0, **changes: Any) -> None:
    store._clock.now = at  # type: ignore[attr-defined]
    said = to_record(judged(level, *labels, source=source)) | {"request_id": f"R-{source}"} | changes
    store.add_result(None, said)


def _found(store: Store, **filters: Any) -> list[str]:
    return [entry.record["source"] for entry in store.history(Filters(**filters))]


@pytest.fixture
def past(store: Store) -> Store:
    """A store with a little of everything."""
    _add(store, "photos/clean.png", at=1.0, data_id="d1")
    _add(store, "photos/knife.png", "violent_knives", level="high", at=2.0, services=["a", "b"])
    _add(store, "photos/both.png", "violent_knives", "contraband_drug", level="medium", at=3.0)
    _add(store, "other/drug.gif", "contraband_drug", level="low", at=4.0, operation="ImageAsyncModeration")
    _add(store, NOT_UTF_8, at=5.0, services=["b"])
    store.add_result(None, to_record(failed("photos/broken.png")))
    return store


@pytest.fixture
def partial(past: Store) -> Store:
    """The same with a failed answer in which a label could be read, an exempt image, and both labels at once."""
    _add(past, "half/gun.png", "violent_gun", level="high", at=6.0, status="failed")
    _add(past, "half/exempt.png", "nonLabel_lib", at=7.0)
    _add(past, "half/both.png", "nonLabel_lib", "violent_gun", level="medium", at=8.0)
    return past


def test_everything_comes_newest_first(past: Store) -> None:
    assert _found(past) == [
        "photos/broken.png",
        NOT_UTF_8,
        "other/drug.gif",
        "photos/both.png",
        "photos/knife.png",
        "photos/clean.png",
    ]
    assert _found(past, limit=2) == ["photos/broken.png", NOT_UTF_8]
    assert _found(past, limit=0) == []


def test_an_entry_is_all_that_is_known(store: Store, clock: Clock) -> None:
    run = store.begin_run("sync")
    store.add_result(run, record())
    clock.now = 1500.0
    store.decide([("R1", Decision("missed", "mo", None, "see the corner"))])
    [entry] = store.history(Filters())
    said = {"value": "missed", "by": "mo", "at": "1970-01-01T00:25:00Z", "note": "see the corner", "expires": None}
    assert (entry.record, entry.judged_at, entry.run) == (record(decision=said), 1000.0, run)
    assert entry.decisions == (StoredDecision("missed", "mo", 1500.0, "see the corner"),)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"labels": ("violent_knives",)}, ["photos/both.png", "photos/knife.png"]),
        (
            {"labels": ("violent_knives", "contraband_drug")},
            ["other/drug.gif", "photos/both.png", "photos/knife.png"],
        ),
        ({"without_labels": ("nonLabel",)}, ["other/drug.gif", "photos/both.png", "photos/knife.png"]),
        ({"without_labels": ("nonLabel", "violent_knives")}, ["other/drug.gif"]),
        ({"without_labels": ("violent_knives",)}, [NOT_UTF_8, "other/drug.gif", "photos/clean.png"]),
        ({"labels": ("nonLabel",)}, [NOT_UTF_8, "photos/clean.png"]),
        (
            {"labels": ("nonLabel", "contraband_drug")},
            [NOT_UTF_8, "other/drug.gif", "photos/both.png", "photos/clean.png"],
        ),
        ({"labels": ("contraband_drug",), "without_labels": ("violent_knives",)}, ["other/drug.gif"]),
        ({"labels": ("contraband",)}, []),
        ({"risk_levels": ("high", "low")}, ["other/drug.gif", "photos/knife.png"]),
        ({"risk_levels": ("none",)}, [NOT_UTF_8, "photos/clean.png"]),
        ({"services": ("b",)}, [NOT_UTF_8, "photos/knife.png"]),
        ({"services": ("a", "b")}, [NOT_UTF_8, "photos/knife.png"]),
        ({"services": ("baselineCheck",)}, []),
        (
            {"source": "photos/*.png"},
            ["photos/broken.png", NOT_UTF_8, "photos/both.png", "photos/knife.png", "photos/clean.png"],
        ),
        ({"source": "*.gif"}, ["other/drug.gif"]),
        ({"source": "photos/[kb]????.png"}, ["photos/knife.png"]),
        ({"source": "photos/clean.png"}, ["photos/clean.png"]),
        ({"source": NOT_UTF_8}, [NOT_UTF_8]),
        ({"source": "Photos/*"}, []),
        ({"request_id": "R-photos/both.png"}, ["photos/both.png"]),
        ({"data_id": "d1"}, ["photos/clean.png"]),
        ({"since": 3.0, "until": 5.0}, ["other/drug.gif", "photos/both.png"]),
        ({"operation": "ImageAsyncModeration"}, ["other/drug.gif"]),
        ({"status": "failed"}, ["photos/broken.png"]),
        ({"status": "failed", "without_labels": ("nonLabel",)}, []),
        ({"labels": ("violent_knives",), "risk_levels": ("high",), "since": 2.0}, ["photos/knife.png"]),
        ({"source": "photos/*", "labels": ("violent_knives",), "limit": 1}, ["photos/both.png"]),
    ],
)
def test_each_filter_finds_what_it_means(past: Store, filters: dict[str, Any], found: list[str]) -> None:
    assert _found(past, **filters) == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"risk_levels": ("high",)}, ["half/gun.png", "photos/knife.png"]),
        ({"labels": ("violent_gun",)}, ["half/both.png", "half/gun.png"]),
        ({"labels": ("violent_gun",), "status": "failed"}, ["half/gun.png"]),
        ({"labels": ("violent_gun",), "status": "judged"}, ["half/both.png"]),
        ({"without_labels": ("nonLabel",), "since": 5.0}, ["half/both.png", "half/gun.png"]),
        ({"without_labels": ("nonLabel",), "status": "failed"}, ["half/gun.png"]),
        ({"without_labels": ("nonLabel", "nonLabel_lib"), "since": 5.0}, ["half/gun.png"]),
        ({"labels": ("nonLabel_lib",)}, ["half/both.png", "half/exempt.png"]),
        ({"labels": ("nonLabel",)}, ["half/exempt.png", NOT_UTF_8, "photos/clean.png"]),
        ({"labels": ("nonLabel", "violent_gun"), "since": 6.0}, ["half/both.png", "half/exempt.png", "half/gun.png"]),
        ({"labels": ("nonLabel",), "without_labels": ("nonLabel_lib",)}, [NOT_UTF_8, "photos/clean.png"]),
        ({"without_labels": ("violent_knives",), "since": 6.0}, ["half/both.png", "half/exempt.png", "half/gun.png"]),
        ({"without_labels": ("nonLabel_lib",), "since": 5.0}, ["half/gun.png", NOT_UTF_8]),
        ({"without_labels": ("violent_gun",), "source": "half/*"}, ["half/exempt.png"]),
        ({"without_labels": ("violent_gun",), "source": "*broken*"}, []),
        ({"labels": ("nonLabel",), "source": "*broken*"}, []),
    ],
)
def test_labels_of_failed_answers_are_found_and_exemptions_are_no_findings(
    partial: Store, filters: dict[str, Any], found: list[str]
) -> None:
    assert _found(partial, **filters) == found


def test_a_record_of_schema_1_comes_in_schema_2(store: Store) -> None:
    old = schema_1(judged("none", Label("violent_gun", risk_level=RiskLevel.HIGH), source="a.png"))
    store.add_result(None, old)
    [entry] = store.history(Filters())
    assert (entry.record["schema"], entry.record["risk_level"], entry.record["reported_level"]) == (2, "high", "none")
    assert (entry.record["judged_at"], entry.record["billed_calls"]) == ("1970-01-01T00:16:40Z", 1)
    Draft202012Validator(json.loads(record_schema())).validate(entry.record)


def test_a_record_that_nobody_can_read_comes_as_it_is(store: Store) -> None:
    store.add_result(None, {"status": "judged", "source": 1})
    assert [entry.record for entry in store.history(Filters())] == [{"status": "judged", "source": 1}]


def _decide(store: Store, request_id: str, value: str, note: str | None = None) -> int:
    return store.decide([(request_id, Decision(value, None, None, note))])


def test_a_decision_is_a_filter_and_the_newest_counts(past: Store) -> None:
    everything = _found(past)
    _decide(past, "R-photos/knife.png", "missed")
    _decide(past, "R-photos/knife.png", "false-positive", "a bread knife")
    _decide(past, "R-photos/clean.png", "missed")
    assert _found(past, decision=DecisionWord.FALSE_POSITIVE) == ["photos/knife.png"]
    assert _found(past, decision=DecisionWord.MISSED) == ["photos/clean.png"]
    assert _found(past, decision="any") == ["photos/knife.png", "photos/clean.png"]
    assert _found(past, decision="none") == [
        name for name in everything if name not in {"photos/knife.png", "photos/clean.png"}
    ]
    [entry] = past.history(Filters(decision=DecisionWord.FALSE_POSITIVE))
    assert [said.value for said in entry.decisions] == ["missed", "false-positive"]


def test_a_decision_that_is_read_again_is_stored_once(past: Store) -> None:
    said = [(f"R-photos/{name}.png", Decision("missed", "mo", 5.0, None)) for name in ("clean", "knife")]
    assert (past.decide(said), past.decide(said)) == (2, 0)


def test_of_several_decisions_all_are_stored_or_none(past: Store) -> None:
    with pytest.raises(StoreError):
        past.decide((name, Decision("missed", None, None, None)) for name in ("R-photos/clean.png", "R-of-nothing"))
    assert _found(past, decision="any") == []


def test_a_decision_about_nothing_is_refused(past: Store) -> None:
    with pytest.raises(StoreError) as caught:
        _decide(past, "R-of-nothing", "missed")
    assert (caught.value.code, caught.value.exit_code) == ("unknown_request", ExitCode.USAGE)
    assert "history" in str(caught.value.hint)
    assert _found(past, decision="any") == []


def test_a_result_comes_once_however_many_services_found_its_label(store: Store) -> None:
    labels = [*labelled("nsfw", service="a"), *labelled("nsfw", service="b")]
    store.add_result(None, record(labels=labels, services=["a", "b"]))
    assert len(_found(store, labels=("nsfw",))) == len(_found(store, labels=("nsfw", "other"))) == 1
    assert len(_found(store, without_labels=("nonLabel",))) == 1


def _fill(store: Store, count: int) -> None:
    clean, flagged = record(risk_level="none", labels=[]), record(ext={"padding": "x" * 3000})
    with store._database.write() as connection:
        for number in range(count):
            said = (flagged if number % 2 else clean) | {
                "source": f"photos/{number:06d}.png",
                "request_id": str(number),
            }
            insert_result(connection, said, run=None, now=1000.0 + number, question=None)


@pytest.mark.parametrize("filters", [{}, {"risk_levels": ("high",)}, {"without_labels": ("nonLabel",)}])
def test_many_come_in_pages(store: Store, filters: dict[str, Any]) -> None:
    _fill(store, 1001)
    step = 2 if filters else 1
    expected = [f"photos/{number:06d}.png" for number in range(1000 if step == 1 else 999, -1, -step)]
    assert _found(store, **filters) == expected


def test_results_may_be_stored_while_others_are_streamed(store: Store) -> None:
    _fill(store, 500)
    stream = store.history(Filters())
    next(stream)
    _add(store, "newer.png")
    assert sum(1 for _ in stream) == 499


@pytest.mark.parametrize("filters", [{}, {"without_labels": ("nonLabel",)}, {"source": "photos/*"}])
def test_the_history_is_streamed(store: Store, filters: dict[str, Any]) -> None:
    _fill(store, 5000)
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.history(Filters(**filters))) >= 2500
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"request_id": "R1"}, "results USING COVERING INDEX results_by_request (request_id=?)"),
        ({"data_id": "d1"}, "results USING COVERING INDEX results_by_data_id (data_id=?)"),
        ({"decision": DecisionWord.MISSED}, "results USING COVERING INDEX results_decided (decision=?)"),
        ({"decision": "any"}, "results USING COVERING INDEX results_decided"),
        ({"source": "photos/*"}, "results USING COVERING INDEX results_by_image (source>? AND source<?)"),
        ({"source": NOT_UTF_8}, "results USING COVERING INDEX results_by_image (source>? AND source<?)"),
        ({"labels": ("a",)}, "label_hits USING COVERING INDEX label_hits_by_label (label=?)"),
        ({"labels": ("a", "b")}, "label_hits USING COVERING INDEX label_hits_by_label (label=?)"),
        ({"without_labels": ("nonLabel",)}, "SCAN label_hits"),  # all of it, in the order of its primary key
        ({"labels": ("nonLabel",)}, "results USING COVERING INDEX results_timeline"),
        ({"since": 1.0}, "results USING COVERING INDEX results_timeline (judged_at>?)"),
        ({"until": 1.0}, "results USING COVERING INDEX results_timeline (judged_at<?)"),
        ({"risk_levels": ("high",)}, "results USING COVERING INDEX results_timeline"),
        ({"services": ("a",)}, "results USING COVERING INDEX results_timeline"),
        ({"operation": "ImageModeration"}, "results USING COVERING INDEX results_timeline"),
        ({"status": "failed"}, "results USING COVERING INDEX results_timeline"),
    ],
)
def test_each_filter_uses_an_index(store: Store, filters: dict[str, Any], index: str) -> None:
    query = candidates(Filters(**filters))
    assert query is not None
    plan = _plan(store, query.text, query.values)
    assert any(index in step for step in plan), plan
    assert "SCAN results" not in plan


def test_the_rows_of_a_page_are_found_by_their_numbers(store: Store) -> None:
    where = joined(conditions(Filters(request_id="R1", since=1.0, labels=("a",), decision="any")))
    sql = f"SELECT record FROM results NOT INDEXED WHERE number IN (?, ?) AND {where.text} ORDER BY number DESC"
    plan = _plan(store, sql, (1, 2, *where.values))
    assert "SEARCH results USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert any(step.startswith("SEARCH label_hits") and "label=?" in step and "result=?" in step for step in plan)


def _plan(store: Store, sql: str, values: tuple[object, ...]) -> list[str]:
    return [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", values)]
