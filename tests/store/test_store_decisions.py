"""Decisions in the store: what becomes of the feedback of an earlier version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_builders import Clock, labelled, record, rows

from moderate_cli.models import DecisionWord
from moderate_cli.records import to_json
from moderate_cli.store import DecisionCount, Filters, Store, StoredDecision
from moderate_cli.store.database import MIGRATIONS


def _former(path: Path) -> None:
    """Write a store of the version before decisions: three results, two of one request, and feedback on them."""
    before = [migration.name for migration in MIGRATIONS].index("decisions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moderate_cli.store.database.MIGRATIONS", MIGRATIONS[:before])
        Store.open(path, clock=Clock(1.0)).close()
    results = [("a.png", "R1", "high"), ("b.png", "R1", "high"), ("c.png", "R2", "medium")]
    with closing(sqlite3.connect(path)) as connection, connection:
        for source, request_id, level in results:
            said = record(source=source, request_id=request_id, risk_level=level)
            row = (1.0, "judged", source, request_id, level, "baselineCheck_global", "ImageModeration", to_json(said))
            names = "judged_at, status, source, request_id, risk_level, services, operation, record"
            connection.execute(f"INSERT INTO results ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        feedback = [
            ("R1", "missed", "look", 5.0),
            ("R1", "false-positive", "a toy", 6.0),
            ("gone", "missed", None, 7.0),
        ]
        connection.executemany("INSERT INTO feedback (request_id, verdict, note, at) VALUES (?, ?, ?, ?)", feedback)


def test_feedback_of_an_earlier_version_becomes_decisions(path: Path) -> None:
    path.parent.mkdir()
    _former(path)
    with Store.open(path, clock=Clock(2.0)) as store:
        found = {entry.record["source"]: entry for entry in store.history(Filters())}
        said = (StoredDecision("missed", None, 5.0, "look"), StoredDecision("false-positive", None, 6.0, "a toy"))
        assert [found[name].decisions for name in ("a.png", "b.png", "c.png")] == [said, said, ()]
        assert found["a.png"].record["decision"]["value"] == "false-positive"
        assert {entry.record["source"] for entry in store.history(Filters(decision=DecisionWord.FALSE_POSITIVE))} == {
            "a.png",
            "b.png",
        }
        assert [entry.record["source"] for entry in store.history(Filters(decision="none"))] == ["c.png"]
    tables = {name for (name,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "feedback" not in tables


def test_decisions_are_counted_where_they_stand(store: Store) -> None:
    for number, word in enumerate(("confirmed", "false-positive", "false-positive")):
        labels = labelled("violent_gun", service="baselineCheck")
        store.add_result(None, record(request_id=f"R{number}", labels=labels))
        store.decide([(f"R{number}", StoredDecision(word, None, None, None))])
    assert store.decision_counts() == [
        DecisionCount("violent_gun", "baselineCheck", "false-positive", 2),
        DecisionCount("violent_gun", "baselineCheck", "confirmed", 1),
    ]
    assert store.decision_counts(since=2000.0) == []
