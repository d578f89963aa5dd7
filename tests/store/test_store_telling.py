"""Told before final: what no finished run has told of is there for the next one."""

from __future__ import annotations

import errno
import json
import tracemalloc
from pathlib import Path

import pytest
from builders import judged, schema_1
from jsonschema import Draft202012Validator
from store_builders import Clock, pending, record, rows

from moderate_cli.records import record_schema
from moderate_cli.store import Store
from moderate_cli.store import store as sql
from moderate_cli.store.store import insert_result


def _collected(store: Store, run: int | None, *req_ids: str) -> None:
    for req_id in req_ids:
        pending(store, req_id, source=f"{req_id}.gif")
        assert store.finish_task(req_id, record(req_id=req_id), run)


def _untold(store: Store) -> list[str]:
    return [found.req_id for found in store.untold()]


def _finish(store: Store, run: int) -> None:
    store.finish_run(run, exit_code=0, judged=1, skipped=0, failed=0)


def test_the_end_of_a_run_tells_of_its_results(store: Store) -> None:
    first, second = store.begin_run("poll"), store.begin_run("poll")
    _collected(store, first, "T1", "T2")
    _collected(store, second, "T3")
    assert _untold(store) == ["T1", "T2", "T3"]
    _finish(store, first)
    assert _untold(store) == ["T3"]
    _finish(store, second)
    assert _untold(store) == []


def test_what_is_no_result_of_a_task_is_told_at_once(path: Path, store: Store) -> None:
    store.add_result(store.begin_run("sync"), record())
    assert _untold(store) == []
    assert rows(path, "SELECT told FROM results") == [(1,)]


def test_an_untold_result_is_all_that_is_known(store: Store, clock: Clock) -> None:
    run = store.begin_run("poll")
    _collected(store, run, "T1")
    clock.now = 1500.0
    assert store.finish_task("T9", record(req_id="T9"))
    first, second = store.untold()
    assert (first.req_id, first.record, first.judged_at, first.run) == ("T1", record(req_id="T1"), 1000.0, run)
    assert first.task is not None
    assert (first.task, first.task.source) == (store.find_task("T1"), "T1.gif")
    assert (second.req_id, second.judged_at, second.run, second.task) == ("T9", 1500.0, None, None)


def test_an_untold_record_of_schema_1_comes_in_schema_2(store: Store) -> None:
    store.finish_task("T1", schema_1(judged("high", "violent_gun", req_id="T1")))
    [found] = store.untold()
    Draft202012Validator(json.loads(record_schema())).validate(found.record)
    assert (found.record["schema"], found.record["judged_at"]) == (2, "1970-01-01T00:16:40Z")


def test_a_claimed_result_is_told_with_its_new_run(store: Store) -> None:
    killed, run, late = (store.begin_run("poll") for _ in range(3))
    _collected(store, killed, "T1", "T2")
    first, second = store.untold()
    assert store.claim(first, run) is True
    assert store.claim(first, late) is False
    _finish(store, killed)
    assert _untold(store) == ["T1"]
    assert store.claim(second, run) is False
    _finish(store, run)
    assert _untold(store) == []
    assert store.claim(first, killed) is False


def test_a_result_that_was_asked_for_by_name_is_told_by_whoever_asked(store: Store) -> None:
    slow, run = store.begin_run("poll"), store.begin_run("poll")
    _collected(store, slow, "T1")
    store.take_over("T1", run)
    store.take_over("T9", run)
    _finish(store, slow)
    assert _untold(store) == ["T1"]
    _finish(store, run)
    assert _untold(store) == []


@pytest.mark.parametrize("ending", ["finished", "closed"])
def test_a_run_that_is_still_at_work_tells_its_results_itself(path: Path, store: Store, ending: str) -> None:
    with Store.open(path) as other:
        run = other.begin_run("poll")
        _collected(other, run, "T1")
        assert _untold(store) == []
        assert _untold(other) == ["T1"]
        if ending == "finished":
            _finish(other, run)
    assert _untold(store) == ([] if ending == "finished" else ["T1"])
    assert not list(path.parent.glob("*-run-*"))


def test_a_system_without_locks_takes_each_other_run_for_ended(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with Store.open(path) as other:
        _collected(other, other.begin_run("poll"), "T1")
        assert _untold(store) == ["T1"]


def test_listen_tells_without_a_run(store: Store) -> None:
    _collected(store, None, "T1", "T2")
    store.mark_told("T1")
    store.mark_told("T9")
    assert _untold(store) == ["T2"]


def test_names_that_are_not_utf_8_are_claimed_and_told(store: Store) -> None:
    req_id = b"\xff".decode("utf-8", "surrogateescape")
    assert store.finish_task(req_id, record())
    assert _untold(store) == [req_id]
    [found] = store.untold()
    assert store.claim(found, store.begin_run("poll"))
    store.mark_told(req_id)
    assert _untold(store) == []


def test_what_is_stored_or_told_meanwhile_is_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "PAGE", 2)
    _collected(store, None, *(f"T{number}" for number in range(7)))
    stream = store.untold()
    _collected(store, None, "new")
    seen = [next(stream).req_id]
    store.mark_told("T4")
    seen += [found.req_id for found in stream]
    assert seen == ["T0", "T1", "T2", "T3", "T5", "T6"]


def test_memory_does_not_grow_with_what_is_untold(store: Store) -> None:
    with store._database.write() as connection:
        for number in range(5000):
            said = record(ext={"padding": "x" * 1000})
            insert_result(connection, said, run=None, now=1.0, question=None, finishes=f"T{number}")
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.untold()) == 5000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("sql", "values", "index"),
    [
        (sql.UNTOLD, (1, 9, 200), "results_untold (told=? AND rowid>? AND rowid<?)"),
        (sql._TELL_RUN, (1,), "results_untold (told=?)"),
        (sql._TELL, ("T1",), "sqlite_autoindex_results_1 (finishes=?)"),
        (sql._CLAIM, (1, "T1", 2), "sqlite_autoindex_results_1 (finishes=?)"),
    ],
)
def test_queries_use_their_index_and_sort_nothing(
    store: Store, sql: str, values: tuple[object, ...], index: str
) -> None:
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan
