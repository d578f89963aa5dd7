"""The latest result of each image, and the words in its text: what counts as the same image, and by which index."""

from __future__ import annotations

from typing import Any

import pytest
from builders import judged
from store_builders import Clock

from moderate_cli.records import to_record
from moderate_cli.store import Filters, Store, queries
from moderate_cli.store.queries import NEWEST, candidates, conditions, joined
from moderate_cli.store.text_search import HAS_TEXT, MAY_CONTAIN, contains, like_pattern

A, B = "a" * 64, "b" * 64


def _add(store: Store, number: int, source: str = "a.png", **changes: Any) -> None:
    """Store a result with a number as its request id, at that time."""
    store._clock.now = float(number)  # type: ignore[attr-defined]
    defaults = {"request_id": str(number), "sha256": A, "services": ["baselineCheck"]}
    store.add_result(None, to_record(judged("none", source=source)) | defaults | changes)


def _found(store: Store, **filters: Any) -> list[int]:
    return [int(entry.record["request_id"]) for entry in store.history(Filters(**{"latest": True} | filters))]


@pytest.mark.parametrize("recent", [queries.RECENT, 3, 0])
@pytest.mark.parametrize(
    ("second", "found"),
    [
        ({}, [2]),
        ({"sha256": B}, [2, 1]),
        ({"source": "b.png"}, [2, 1]),
        ({"services": ["aigcCheck"]}, [2, 1]),
        ({"operation": "ImageAsyncModeration"}, [2, 1]),
        ({"status": "failed"}, [2, 1]),
        ({"status": "skipped"}, [2, 1]),
        ({"sha256": None}, [2, 1]),
    ],
)
def test_a_later_result_about_the_same_replaces_an_earlier_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, recent: int, second: dict[str, Any], found: list[int]
) -> None:
    monkeypatch.setattr(queries, "RECENT", recent)
    _add(store, 1)
    _add(store, 2, **second)
    assert _found(store) == found
    assert _found(store, latest=False) == [2, 1]


@pytest.mark.parametrize("recent", [queries.RECENT, 0])
def test_an_address_without_a_hash_is_an_image_and_a_post_is_none(
    store: Store, monkeypatch: pytest.MonkeyPatch, recent: int
) -> None:
    monkeypatch.setattr(queries, "RECENT", recent)
    for number in (1, 2):
        _add(store, number, "https://example.com/a.png", sha256=None)
    for number in (3, 4):
        _add(store, number, "the post given by options", sha256=None, operation="MultimodalAsyncModeration")
    assert _found(store) == [4, 3, 2]
    assert [entry.has_older for entry in store.history(Filters(latest=True))] == [False, False, True]


def test_a_verdict_replaces_failures_and_the_last_failure_the_others(store: Store) -> None:
    for number, status in enumerate(["failed", "judged", "failed", "failed"], start=1):
        _add(store, number, status=status)
    assert _found(store) == [4, 2]
    _add(store, 5)
    assert _found(store) == [5]
    assert next(store.history(Filters(latest=True))).has_older


def test_filters_apply_to_the_latest_and_a_span_ends_what_is_known(store: Store) -> None:
    _add(store, 1, risk_level="high")
    _add(store, 2, risk_level="none")
    assert _found(store, risk_levels=("high",)) == []
    assert _found(store, risk_levels=("high",), latest=False) == [1]
    assert _found(store, until=2.0) == [1]
    assert _found(store, since=2.0) == [2]
    assert _found(store, sha256=A) == [2]
    assert _found(store, sha256=A, latest=False) == [2, 1]
    assert _found(store, sha256=B) == []


@pytest.mark.parametrize("recent", [queries.RECENT, 250, 0])
def test_many_images_come_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch, recent: int) -> None:
    monkeypatch.setattr(queries, "RECENT", recent)
    for number in range(1, 901):
        _add(store, number, f"{number % 450}.png")
    assert _found(store) == list(range(900, 450, -1))
    assert _found(store, limit=3) == [900, 899, 898]


def _plan(store: Store, sql: str, values: tuple[object, ...]) -> list[str]:
    return [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", values)]


def test_the_latest_are_found_by_the_index_alone(store: Store) -> None:
    plan = _plan(store, NEWEST, (1,))
    scans = [step for step in plan if step.startswith("SCAN")]
    assert scans == [f"SCAN results USING COVERING INDEX {name}" for name in ("results_by_image", "results_timeline")]
    assert not [step for step in plan if "GROUP BY" in step]
    where = joined(conditions(Filters(latest=True)))
    plan = _plan(store, f"SELECT record FROM results NOT INDEXED WHERE number < 9 AND {where.text}", where.values)
    key = "source=? AND services=? AND operation=? AND sha256=? AND status=? AND rowid>?"
    assert f"SEARCH other USING COVERING INDEX results_by_image ({key})" in plan


def test_a_hash_and_a_text_have_their_index(store: Store) -> None:
    query = candidates(Filters(sha256=A))
    assert query is not None
    assert any("results_by_content (sha256=?)" in step for step in _plan(store, query.text, query.values))
    assert candidates(Filters(text="x")) is None
    where = f"({HAS_TEXT}) = 1 AND {HAS_TEXT} AND number > ? AND number < ? AND {MAY_CONTAIN}"
    sql = f"SELECT record FROM results INDEXED BY results_with_text WHERE {where} ORDER BY number DESC LIMIT 9"
    plan = _plan(store, sql, (0, 9, "%x%"))
    assert any("results_with_text (<expr>=? AND rowid>? AND rowid<?)" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)


def _text(*lines: str, risk: tuple[str, ...] = (), keyword: str | None = None) -> dict[str, Any]:
    hits = [] if keyword is None else [{"lib_id": "1", "lib_name": "mine", "key_words": keyword}]
    shown = {"ocr_result": [{"text": line} for line in lines], "risk_word": list(risk), "custom_text": hits}
    return {"custom_image": [], "text_in_image": shown, "public_figure": [], "logo_data": []}


@pytest.mark.parametrize(
    ("word", "is_found"),
    [
        ("赌博", True),
        ("博网", True),
        ("澳门", True),
        ("网站澳", True),  # over the end of a line
        ("赌站", False),
        ("门", True),
        ("sale TODAY", True),
        ("today\n only", True),
        ("onlysale", False),
        ("100%", True),
        ("100_", False),
        ('say "hi"', True),
        (r"C:\x", True),
        ("ÉTÉ", True),
        ("straße", True),
        ("mine", False),  # the name of a library
        ("text", False),  # a key of the record
        ("casino", True),
        ("bonus", True),
    ],
)
@pytest.mark.parametrize("source", ["a.png", b"\xff.png".decode("utf-8", "surrogateescape")])
def test_a_word_is_found_in_text_and_in_keywords(store: Store, word: str, is_found: bool, source: str) -> None:
    lines = ("赌博网站", "澳门 Sale Today", "only 100% été", 'Say "Hi"', r"c:\X STRASSE")
    _add(store, 1, source, ext=_text(*lines, risk=("Casino",), keyword="bonus"))
    _add(store, 2, "clean.png")
    assert _found(store, text=word) == ([1] if is_found else [])


def test_the_text_of_services_and_frames_is_found_and_filters_hold(store: Store) -> None:
    part = {"service": "s", "risk_level": "none", "labels": [], "ext": _text("second")}
    _add(store, 1, "batch.png", per_service=[part], risk_level="high")
    frame = {"index": 0, "url": None, "risk_level": "none", "labels": [], "ext": _text("second frame")}
    _add(store, 2, "anim.gif", frames=[frame])
    assert _found(store, text="second") == [2, 1]
    assert _found(store, text="second", risk_levels=("high",)) == [1]
    assert _found(store, text="second", source="*.gif") == [2]
    assert _found(store, text="second", limit=1) == [2]
    _add(store, 3, "batch.png")
    assert _found(store, text="second") == [2]


@pytest.mark.parametrize(
    "ext", [None, [], {"text_in_image": "x"}, {"text_in_image": {"ocr_result": [None, 1, "word"]}}]
)
def test_undocumented_shapes_break_nothing(ext: Any) -> None:
    assert contains({"ext": ext, "frames": None, "per_service": [1]}, "word") == ("word" in str(ext))


def test_a_pattern_takes_letters_with_two_cases_for_anything() -> None:
    assert like_pattern("A%b É门x") == r"%a\%b%%门%x%"


def test_details_are_found_by_what_is_most_specific(store: Store, clock: Clock) -> None:
    run = store.begin_run("sync")
    _add(store, 1)
    store.add_result(run, to_record(judged("none", source="b.png")) | {"request_id": "a.png", "req_id": "T1"})
    store.finish_run(run, exit_code=0, judged=1, skipped=0, failed=0)

    def named(name: str) -> list[str]:
        return [entry.record["request_id"] for entry in store.find_results(name, limit=5)]

    assert named("a.png") == ["a.png"]  # a request id, before a source
    assert named("T1") == named("b.png") == ["a.png"]
    assert named(A.upper()) == ["1"]
    assert named("nothing") == []
    found = store.find_run(run)
    assert found is not None
    assert (found.command, found.exit_code, found.judged) == ("sync", 0, 1)
    assert store.find_run(99) is None
