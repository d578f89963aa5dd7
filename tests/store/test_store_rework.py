"""A store of 0.1.0: which of its answers count no longer, and what is worked out again about the others."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections.abc import Iterable
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from builders import NO_EXT, SHA256, call, failed, judged, schema_1, skipped
from jsonschema import Draft202012Validator
from store_builders import Clock, rows

from moderate_cli.models import Frame, Label, Outcome, RiskLevel, ServiceVerdict
from moderate_cli.records import record_schema
from moderate_cli.store import Filters, Store, Usage
from moderate_cli.store.database import MIGRATIONS

_TEXTS = ("status", "source", "sha256", "operation", "risk_level", "region", "engine", "request_id", "req_id")
HIGH = RiskLevel.HIGH


class OldStore:
    """A store as 0.1.0 left it: with its migrations, and rows as it wrote them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("moderate_cli.store.database.MIGRATIONS", MIGRATIONS[:6])
            Store.open(path, clock=Clock(1.0)).close()

    def run(self, sql: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany(sql, rows)

    def add(self, *outcomes: Outcome, question: str | None = "Q", sha256: str = SHA256, **columns: Any) -> None:
        """Store results, which answer a question unless it is None; `columns` replace those of the record."""
        for outcome in outcomes:
            record = schema_1(outcome) | {"sha256": sha256}
            services = ",".join(record["services"])
            row = {name: record[name] for name in _TEXTS} | {
                "services": services,
                "record": json.dumps(record, separators=(",", ":")),
            }
            row |= {"judged_at": 1.0, "question": question} | columns
            with closing(sqlite3.connect(self.path)) as connection, connection:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                number = connection.execute(
                    f"INSERT INTO results ({names}) VALUES ({marks})", [*row.values()]
                ).lastrowid
                parts = chain((record,), record["per_service"], record["frames"])
                found = {label["label"] for part in parts for label in part["labels"]}
                connection.executemany(
                    "INSERT INTO label_hits VALUES (?, ?, '', NULL)", [(number, each) for each in found]
                )

    def opened(self) -> Store:
        """Open it as this version does."""
        return Store.open(self.path, clock=Clock(2.0))


@pytest.fixture
def old(path: Path) -> OldStore:
    return OldStore(path)


def _questions(path: Path) -> list[tuple[Any, ...]]:
    return rows(path, "SELECT source, risk_level, question FROM results ORDER BY number")


def test_verdicts_of_none_answer_nothing_any_more_and_are_counted(old: OldStore) -> None:
    old.add(judged("none", source="a"), judged("none", source="b"))
    old.add(judged("none", source="c"), question=None)
    old.add(judged("none", "nonLabel_lib", source="d"))
    old.add(failed("e"), skipped("f"))
    with old.opened() as store:
        assert store.dropped == 3
        assert store.find_answer(SHA256, "Q", since=0.0) is None
        assert [entry.record["source"] for entry in store.history(Filters(risk_levels=("none",)))] == [
            "d",
            "c",
            "b",
            "a",
        ]
    assert {question for *_, question in _questions(old.path)[:4]} == {None}
    assert {question for *_, question in _questions(old.path)[4:]} == {"Q"}


def test_it_is_told_once(old: OldStore) -> None:
    old.add(judged("none"))
    with old.opened() as store:
        assert store.dropped == 1
    with old.opened() as store:
        assert store.dropped == 0


def test_a_new_store_has_dropped_nothing(store: Store) -> None:
    assert store.dropped == 0


def test_a_finding_still_answers(old: OldStore) -> None:
    old.add(judged("medium", Label("violent_gun", risk_level=RiskLevel.MEDIUM)))
    with old.opened() as store:
        found = store.find_answer(SHA256, "Q", since=0.0)
        assert store.dropped == 0
        assert found is not None
        assert (found.record["schema"], found.record["judged_at"]) == (2, "1970-01-01T00:00:01Z")


@pytest.mark.parametrize(
    ("outcome", "level", "dropped"),
    [
        (judged("low", Label("violent_gun", risk_level=HIGH)), "high", 0),
        (judged("low", frames=(Frame(0, None, HIGH, (), NO_EXT),)), "high", 0),
        (judged(None, Label("violent_gun")), "high", 0),
        (judged(None, Label("violent_gun", risk_level=RiskLevel.LOW)), "low", 0),
        (judged("high", "violent_gun", source="as it was"), "high", 0),
        # Of none, but something in it is not.
        (judged("none", Label("violent_gun", risk_level=HIGH)), "high", 1),
        (judged("none", Label("violent_gun")), "low", 1),
        (judged("none", frames=(Frame(0, None, RiskLevel.NONE, (Label("gun", risk_level=HIGH),), NO_EXT),)), "high", 1),
        (judged("none", frames=(Frame(0, None, RiskLevel.MEDIUM, (), NO_EXT),)), "medium", 1),
        (judged("none", per_service=(ServiceVerdict("a", RiskLevel.LOW, (), NO_EXT),)), "low", 1),
        # Of no level that 0.1.0 could read, and of nothing else.
        (judged(None), "none", 1),
        (judged(None, "nonLabel_lib"), "none", 1),
        (judged(None, Label("violent_gun", risk_level=RiskLevel.NONE)), "none", 1),
    ],
)
def test_the_level_is_worked_out_again(old: OldStore, outcome: Outcome, level: str, dropped: int) -> None:
    old.add(outcome)
    with old.opened() as store:
        assert store.dropped == dropped
        [entry] = store.history(Filters(risk_levels=(level,)))
        assert (entry.record["schema"], entry.record["risk_level"]) == (2, level)
        Draft202012Validator(json.loads(record_schema())).validate(entry.record)
        assert (store.find_answer(SHA256, "Q", since=0.0) is None) == bool(dropped)


@pytest.mark.parametrize("record", ["{}", '{"schema":1,"status":"judged","source":1}', "[]", "no JSON", "[" * 100_000])
@pytest.mark.parametrize("level", ["none", "high", None])
def test_a_row_whose_record_cannot_be_read_answers_nothing(old: OldStore, record: str, level: str | None) -> None:
    old.add(judged("high"), record=record, risk_level=level)
    with old.opened() as store:
        assert (store.dropped, store.find_answer(SHA256, "Q", since=0.0)) == (1, None)
    assert _questions(old.path) == [("a.png", level, None)]


def test_how_folders_looked_is_forgotten(old: OldStore) -> None:
    old.run("INSERT INTO folders (path, look, question, judged_at, passed_over) VALUES ('/a', x'00', 'Q', 1.0, 0)")
    old.opened().close()
    assert rows(old.path, "SELECT look, question, judged_at, passed_over FROM folders") == [(None,) * 4]


def test_how_files_looked_is_forgotten(old: OldStore) -> None:
    old.run("INSERT INTO folders (path) VALUES ('/a')")
    old.run("INSERT INTO files VALUES (1, ?, 1, 2, 3, ?, 'Q', 1.0, ?)", [("clean", SHA256, 1), ("flagged", SHA256, 0)])
    with old.opened() as store:
        # A flagged one too: it has to be opened again, to tell how much of it was judged.
        assert store.clean_in("/a", "Q", [], since=0.0, whole=True) == []
        assert store.seen_in("/a") == {}


def test_calls_are_billed_as_far_as_the_rows_tell(old: OldStore) -> None:
    frames = tuple(Frame(number, None, None, (), NO_EXT) for number in range(3))
    two = call(operation="ImageBatchModeration", services=("a", "b"))
    old.add(
        judged("none"),
        judged("high", call=two),
        judged("high", frames=frames),
        judged("none", frames=frames, call=two),
        judged("none", call=call(services=())),
        judged("high", engine="local"),
        failed(),
    )
    old.add(judged("high"), record=json.dumps(schema_1(judged("high")) | {"reused": True}, separators=(",", ":")))
    with old.opened() as store:
        assert rows(old.path, "SELECT billed_calls FROM results ORDER BY number") == [
            (1,), (2,), (3,), (6,), (1,), (0,), (None,), (0,)
        ]  # fmt: skip
        assert store.usage(None)[:3] == [
            Usage(None, None, 1, 0, 1),
            Usage(None, "a", 2, 0, 4),
            Usage(None, "b", 2, 0, 4),
        ]


def test_results_of_runs_that_did_not_finish_are_not_told(old: OldStore) -> None:
    old.run("INSERT INTO runs (command, started_at, finished_at) VALUES ('poll', 1.0, ?)", [(2.0,), (None,)])
    for run, req_id in ((1, "finished"), (2, "cut off"), (None, "listen")):
        old.add(judged("high", req_id=req_id), run=run, finishes=req_id)
    old.add(judged("high"), run=2)
    with old.opened() as store:
        [found] = store.untold()
        assert (found.req_id, found.run, found.record["schema"]) == ("cut off", 2, 2)


def test_rows_of_none_are_one_statement_and_the_others_come_in_pages(
    old: OldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(schema_1(judged("none")), separators=(",", ":"))
    flagged = json.dumps(schema_1(judged("low", Label("gun", risk_level=HIGH))), separators=(",", ":"))
    names = "judged_at, status, risk_level, engine, services, question, record"
    old.run(
        f"INSERT INTO results ({names}) VALUES (1.0, 'judged', ?, 'cloud', 's', 'Q', ?)",
        (("low", flagged) if number % 10 == 0 else ("none", text) for number in range(20_000)),
    )
    read: list[Any] = []
    monkeypatch.setattr("moderate_cli.store.upgrade.from_json", lambda text: read.append(text) or json.loads(text))
    tracemalloc.start()
    try:
        with old.opened() as store:
            assert store.dropped == 18_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(read) == 2000
    assert peak < 3_000_000
    assert rows(old.path, "SELECT risk_level, count(*), count(question) FROM results GROUP BY 1") == [
        ("high", 2000, 2000),
        ("none", 18_000, 0),
    ]
