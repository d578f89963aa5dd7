"""Tasks: recorded before they are sent, finished once, and streamed."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import pytest
from store_builders import Clock, new_task, pending, record, rows

from moderate_cli.store import LostTasks, Store, TaskState
from moderate_cli.store import store as sql


def test_a_task_is_recorded_before_it_is_sent(path: Path, store: Store, clock: Clock) -> None:
    number = store.begin_task(new_task())
    assert rows(path, "SELECT number, state, begun_at FROM tasks") == [(number, "submitting", 1000.0)]
    assert not list(store.pending_tasks())


def test_submissions_that_were_cut_off_are_told_once_and_closed(path: Path, store: Store, clock: Clock) -> None:
    for number in range(12):
        store.begin_task(new_task(f"{number}.gif"))
    pending(store, "T1")
    clock.now += 60
    store.begin_task(new_task("new.gif"))
    assert store.close_lost(older_than=61) == LostTasks(0, ())
    lost = store.close_lost(older_than=60)
    assert (lost.count, [task.source for task in lost.first]) == (12, [f"{number}.gif" for number in range(10)])
    assert {(task.state, task.begun_at) for task in lost.first} == {(TaskState.LOST, 1000.0)}
    assert store.close_lost(older_than=60) == LostTasks(0, ())
    assert rows(path, "SELECT state, count(*), max(finished_at) FROM tasks GROUP BY state ORDER BY state") == [
        ("lost", 12, 1060.0),
        ("pending", 1, None),
        ("submitting", 1, None),
    ]


def test_of_many_threads_one_is_told_of_what_was_cut_off(store: Store, clock: Clock) -> None:
    for number in range(5):
        store.begin_task(new_task(f"{number}.gif"))
    clock.now += 60
    told: list[int] = []
    threads = [threading.Thread(target=lambda: told.append(store.close_lost(older_than=1).count)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [0] * 7 + [5]


def test_an_answer_that_comes_after_all_ends_a_loss(path: Path, store: Store, clock: Clock) -> None:
    taken, refused = store.begin_task(new_task("a.gif")), store.begin_task(new_task("b.gif"))
    clock.now += 60
    assert store.close_lost(older_than=1).count == 2
    store.accept_task(taken, req_id="T1", submitted_at=1001.0, expires_at=9000.0, request_id=None)
    store.drop_task(refused)
    assert [task.req_id for task in store.pending_tasks()] == ["T1"]
    assert rows(path, "SELECT count(*) FROM tasks") == [(1,)]


def test_an_accepted_task_holds_everything(store: Store) -> None:
    source = b"\xff.gif".decode("utf-8", "surrogateescape")
    facts = {"data_id": "d", "profile": "p", "post": '{"mainData":{"content":"好"}}', "extents": '[{"kind":"frames"}]'}
    given = new_task(source, sha256="ab" * 32, size=7, **facts)
    number = store.begin_task(given)
    store.accept_task(number, req_id="T1", submitted_at=1001.0, expires_at=2000.0, request_id="R")
    assert store.find_task("T1") == sql.Task(
        **{name: getattr(given, name) for name in sql._NEW},
        number=number,
        state=TaskState.PENDING,
        begun_at=1000.0,
        req_id="T1",
        request_id="R",
        submitted_at=1001.0,
        expires_at=2000.0,
    )
    assert store.close_lost(older_than=-1).count == 0


def test_a_submission_that_failed_is_forgotten_and_an_accepted_one_is_not(path: Path, store: Store) -> None:
    store.drop_task(store.begin_task(new_task()))
    store.drop_task(pending(store, "T1"))
    assert rows(path, "SELECT req_id FROM tasks") == [("T1",)]


def test_pending_tasks_come_oldest_first_and_by_kind(store: Store) -> None:
    for number in range(5):
        pending(store, f"T{number}", kind="multimodal" if number % 2 else "image")
    assert [task.req_id for task in store.pending_tasks()] == ["T0", "T1", "T2", "T3", "T4"]
    assert [task.req_id for task in store.pending_tasks(kind="multimodal")] == ["T1", "T3"]


def test_what_is_accepted_after_the_call_is_not_among_them(store: Store) -> None:
    pending(store, "T1")
    stream = store.pending_tasks()
    pending(store, "T2")
    assert [task.req_id for task in stream] == ["T1"]


def test_tasks_can_be_finished_while_they_are_streamed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderate_cli.store.store.PAGE", 3)
    for number in range(10):
        pending(store, f"T{number}")
    seen = []
    for task in store.pending_tasks():
        seen.append(task.req_id)
        store.finish_task(str(task.req_id), record())
    assert seen == [f"T{number}" for number in range(10)]
    assert not list(store.pending_tasks())


def test_finishing_stores_the_result_and_the_state_once(path: Path, store: Store) -> None:
    pending(store, "T1")
    run = store.begin_run("poll")
    assert store.finish_task("T1", record(req_id="T1"), run) is True
    assert store.finish_task("T1", record(req_id="T1"), run) is False
    assert rows(path, "SELECT run, req_id, finishes FROM results") == [(run, "T1", "T1")]
    found = store.find_task("T1")
    assert found is not None
    assert found.state is TaskState.DONE
    assert rows(path, "SELECT count(*) FROM label_hits") == [(1,)]


def test_a_failed_record_makes_a_failed_task(store: Store) -> None:
    pending(store, "T1")
    assert store.finish_task("T1", record(status="failed"))
    found = store.find_task("T1")
    assert found is not None
    assert found.state is TaskState.FAILED


def test_the_result_of_another_machines_task_is_stored_once(path: Path, store: Store) -> None:
    assert store.finish_task("T9", record(req_id=None)) is True
    assert store.finish_task("T9", record(req_id=None)) is False
    assert rows(path, "SELECT count(*), max(finishes) FROM results") == [(1, "T9")]
    assert store.find_task("T9") is None


def test_a_callback_can_be_quicker_than_the_answer_to_the_submission(store: Store) -> None:
    number = store.begin_task(new_task())
    assert store.finish_task("T1", record(status="failed"))
    store.accept_task(number, req_id="T1", submitted_at=1.0, expires_at=9000.0, request_id=None)
    found = store.find_task("T1")
    assert found is not None
    assert found.state is TaskState.FAILED
    assert not list(store.pending_tasks())


def test_of_many_threads_one_finishes_a_task(path: Path, store: Store) -> None:
    with Store.open(path) as other:
        for number in range(20):
            pending(store, f"T{number}")
        barrier = threading.Barrier(4)
        won: list[str] = []

        def finish(through: Store) -> None:
            barrier.wait()
            won.extend(f"T{n}" for n in range(20) if through.finish_task(f"T{n}", record()))

        threads = [threading.Thread(target=finish, args=(through,)) for through in (store, store, other, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(won) == sorted(f"T{n}" for n in range(20))
    assert rows(path, "SELECT count(*) FROM results") == [(20,)]


def test_a_task_is_expired_once(path: Path, store: Store, clock: Clock) -> None:
    pending(store, "T1")
    pending(store, "T9")
    with Store.open(path, clock=clock) as other:
        assert [store.expire_task("T1"), other.expire_task("T1")] == [True, False]
    found = store.find_task("T1")
    assert found is not None
    assert found.state is TaskState.EXPIRED
    assert [task.req_id for task in store.pending_tasks()] == ["T9"]


def test_a_result_that_comes_after_all_revives_an_expired_task(store: Store) -> None:
    pending(store, "T1")
    assert store.expire_task("T1")
    assert store.finish_task("T1", record())
    found = store.find_task("T1")
    assert found is not None
    assert found.state is TaskState.DONE


def test_ids_that_are_given_twice_are_no_error(store: Store) -> None:
    pending(store, "T1", source="old.gif")
    pending(store, "T1", source="new.gif")
    found = store.find_task("T1")
    assert found is not None
    assert found.source == "new.gif"
    assert store.finish_task("T1", record())
    assert not list(store.pending_tasks())


def test_streaming_ten_thousand_tasks_takes_no_more_memory_than_a_page(path: Path, store: Store) -> None:
    with store._database.write() as connection:
        values = (("pending", 1.0, f"T{n}", 9000.0, *sql.new_row(new_task(f"{n}" * 50))) for n in range(10_000))
        names = f"state, begun_at, req_id, expires_at, {', '.join(sql._NEW)}"
        connection.executemany(f"INSERT INTO tasks ({names}) VALUES (?, ?, ?, ?{', ?' * len(sql._NEW)})", values)
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.pending_tasks()) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


@pytest.mark.parametrize(
    ("sql", "parameters", "index"),
    [
        (sql.BY_ID, ("T1",), "tasks_by_id"),
        (sql.PENDING, (0, 9, 200), "tasks_by_state"),
        (sql.PENDING_OF_KIND, (0, 9, "image", 200), "tasks_by_state"),
        (sql.CUT_OFF, (1.0, 10), "tasks_by_"),
        (sql.CLOSE_LOST, (2.0, 1.0), "tasks_by_"),
        (sql.FINISH, ("done", 1.0, "T1"), "tasks_by_id"),
        ("SELECT status FROM results WHERE finishes = ?", ("T1",), "sqlite_autoindex_results_1"),
    ],
)
def test_queries_use_their_index_and_sort_nothing(
    store: Store, sql: str, parameters: tuple[object, ...], index: str
) -> None:
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan
