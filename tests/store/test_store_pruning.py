"""Pruning: what is forgotten, what is kept, and that others can write meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from builders import SHA256
from store_builders import Clock, new_task, pending, record, rows

from moderate_cli.models import Decision, FileStat
from moderate_cli.store import Filters, Pruned, SeenFile, Store, pruning
from moderate_cli.store.store import insert_result


def _file(name: str, folder: str = "/photos") -> SeenFile:
    return SeenFile(folder, name, FileStat(1, 2, 3), clean=True)


def _run(store: Store, request_id: str) -> None:
    run = store.begin_run("sync")
    said = record(sha256=SHA256, request_id=request_id)
    store.add_result(run, said, question="Q", file=_file(f"{request_id}.png"))
    store.decide([(request_id, Decision("missed", None, None, None))])
    store.finish_run(run, exit_code=0, judged=1, skipped=0, failed=0)


def test_the_old_is_forgotten_and_the_new_is_kept(path: Path, store: Store, clock: Clock) -> None:
    clock.now = 1000.0
    _run(store, "old")
    store.remember_file(_file("gone.png", "/gone"), SHA256, "Q", judged_at=1000.0)
    pending(store, "T-old", expires_at=1500.0)
    store.finish_task("T-old", record(request_id="of-a-task"))
    clock.now = 2000.0
    _run(store, "new")
    clock.now = 3000.0
    assert store.prune(older_than=1500.0) == Pruned(results=2, runs=1, tasks=1, files=2, decisions=1)
    assert [entry.record["request_id"] for entry in store.history(Filters())] == ["new"]
    assert rows(path, "SELECT result FROM decisions") == [(3,)]
    assert rows(path, "SELECT count(*), min(result) FROM label_hits") == [(1, 3)]
    assert rows(path, "SELECT path, name FROM folders JOIN files ON folder = number") == [("/photos", "new.png")]
    assert rows(path, "SELECT count(*) FROM folders") == [(1,)]
    assert rows(path, "SELECT number FROM runs") == [(2,)]
    assert store.prune(older_than=1500.0) == Pruned(results=0, runs=0, tasks=0, files=0, decisions=0)


def test_what_is_at_work_is_kept(path: Path, store: Store, clock: Clock) -> None:
    run = store.begin_run("sync")
    pending(store, "T1", expires_at=9000.0)
    clock.now = 5000.0
    assert store.prune(older_than=0.0) == Pruned(results=0, runs=0, tasks=0, files=0, decisions=0)
    store.add_result(run, record())
    assert store.finish_task("T1", record())
    assert rows(path, "SELECT run FROM results ORDER BY number") == [(run,), (None,)]


def test_a_lost_submission_is_forgotten_too(store: Store, clock: Clock) -> None:
    store.begin_task(new_task())
    clock.now = 5000.0
    assert store.close_lost(older_than=60.0).count == 1
    clock.now = 9000.0
    assert (store.prune(older_than=4500.0).tasks, store.prune(older_than=3500.0).tasks) == (0, 1)


def test_a_decision_is_forgotten_with_its_result(path: Path, store: Store, clock: Clock) -> None:
    store.add_result(None, record())
    store.decide([("R1", Decision("missed", None, None, None))])
    clock.now = 2000.0
    store.add_result(None, record())
    store.decide([("R1", Decision("confirmed", None, None, None))])
    assert rows(path, "SELECT result FROM decisions ORDER BY number") == [(1,), (1,), (2,)]
    pruned = store.prune(older_than=500.0)
    assert (pruned.results, pruned.decisions) == (1, 2)
    assert rows(path, "SELECT result, value FROM decisions") == [(2, "confirmed")]


def _fill(store: Store, count: int) -> None:
    with store._database.write() as connection:
        for number in range(count):
            insert_result(connection, record(source=f"{number}" * 100), run=None, now=1.0, question=None)


def test_many_are_forgotten_in_batches_and_the_file_shrinks(path: Path, store: Store) -> None:
    _fill(store, 1200)
    pages = rows(path, "PRAGMA page_count")[0][0]
    assert store.prune(older_than=0.0).results == 1200
    assert rows(path, "PRAGMA page_count")[0][0] < pages / 10
    assert rows(path, "PRAGMA freelist_count") == [(0,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_cannot_shrink_in_steps_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    assert rows(path, "PRAGMA journal_mode = WAL") == [("wal",)]
    with Store.open(path, clock=Clock()) as store:
        _fill(store, 600)
        pages = rows(path, "PRAGMA page_count")
        assert store.prune(older_than=0.0).results == 600
    assert rows(path, "PRAGMA page_count") == pages
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_another_process_gets_its_turn(path: Path, store: Store) -> None:
    _fill(store, 5000)
    added = []

    def add() -> None:
        with Store.open(path, clock=Clock(), patience=10) as other:
            while thread.is_alive():
                other.add_result(None, record(request_id="meanwhile"))
                added.append(thread.is_alive())

    thread = threading.Thread(target=lambda: store.prune(older_than=0.0))
    thread.start()
    add()
    thread.join()
    assert sum(added) >= 3
    assert len(list(store.history(Filters(request_id="meanwhile")))) == len(added)


@pytest.mark.parametrize(
    ("sql", "values", "index"),
    [
        (pruning.RESULTS, (1.0,), "results USING COVERING INDEX results_timeline (judged_at<?)"),
        (pruning.RUNS, (1.0,), "results USING COVERING INDEX results_by_run (run=?)"),
        (pruning.TASKS, (1.0,), "tasks USING INDEX tasks_by_state (state=?)"),
        (pruning.FILES, (1, 2, 1.0), "files USING PRIMARY KEY (folder>? AND folder<?)"),
        (pruning.FOLDERS, (1, 2), "files USING PRIMARY KEY (folder=?)"),
        (pruning.NEXT_FOLDER, (1,), "folders USING INTEGER PRIMARY KEY (rowid>?)"),
    ],
)
def test_queries_use_their_index(store: Store, sql: str, values: tuple[object, ...], index: str) -> None:
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any(index in step for step in plan), plan
