"""Reuse: answers, pending tasks and unchanged files are found again, and failures of the last run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import SHA256
from store_builders import Clock, new_task, pending, record, rows

from moderate_cli.models import FileStat
from moderate_cli.store import Answer, SeenFile, Store, reuse, store

STAT = FileStat(7, 1_700_000_000_123_456_789, 42)
NOT_UTF_8 = b"photo-\xff.png".decode("utf-8", "surrogateescape")


def _seen(name: str = "a.png", *, folder: str = "/photos", stat: FileStat = STAT, clean: bool = True) -> SeenFile:
    return SeenFile(folder, name, stat, clean)


def _found(*names: str) -> list[reuse.Found]:
    return [(name, *STAT) for name in names]


def _answered(store: Store, at: float, question: str = "Q", run: int | None = None, **changes: object) -> None:
    store._clock.now = at  # type: ignore[attr-defined]
    store.add_result(run, record(**{"sha256": SHA256, "request_id": f"R{at:g}"} | changes), question=question)


def test_the_newest_answer_to_a_question_about_a_content_is_found(store: Store) -> None:
    run = store.begin_run("sync")
    _answered(store, 1.0)
    _answered(store, 3.0, run=run)
    _answered(store, 2.0)
    _answered(store, 4.0, "another question")
    _answered(store, 5.0, sha256="cd" * 32)
    _answered(store, 6.0, status="failed")
    found = store.find_answer(SHA256, "Q", since=0.0)
    assert found == Answer(record(sha256=SHA256, request_id="R3"), 3.0, run)


def test_an_answer_counts_if_it_is_new_enough_or_of_this_run(store: Store) -> None:
    first, second = store.begin_run("sync"), store.begin_run("sync")
    _answered(store, 10.0, run=first)
    _answered(store, 20.0, run=second)

    def when(**wanted: float | int | None) -> float | None:
        found = store.find_answer(SHA256, "Q", **wanted)  # type: ignore[arg-type]
        return found.judged_at if found else None

    assert when(since=20.0) == 20.0
    assert when(since=20.5) is None
    assert when(since=20.5, run=second) == 20.0
    assert when(since=15.0, run=first) == 20.0
    assert when(run=first) == 10.0
    assert when(run=99) is None
    assert when() is None


def test_a_record_of_a_name_that_is_not_utf_8_comes_back(store: Store) -> None:
    _answered(store, 1.0, source=NOT_UTF_8)
    found = store.find_answer(SHA256, "Q", since=0.0)
    assert found is not None
    assert found.record["source"] == NOT_UTF_8


def test_a_task_that_will_answer_is_found_until_it_expires(store: Store, clock: Clock) -> None:
    store.begin_task(new_task(sha256=SHA256, question="Q"))
    assert store.find_pending(SHA256, "Q") is None
    pending(store, "T1", sha256=SHA256, question="Q", expires_at=2000.0)
    pending(store, "T2", sha256=SHA256, question="Q", expires_at=3000.0)
    pending(store, "T3", sha256=SHA256, question="another")
    found = store.find_pending(SHA256, "Q")
    assert found is not None
    assert (found.req_id, found.question) == ("T2", "Q")
    clock.now = 3000.0
    assert store.find_pending(SHA256, "Q") is None


def test_a_finished_task_is_an_answer_to_its_question(store: Store) -> None:
    pending(store, "T1", sha256=SHA256, question="Q")
    store.finish_task("T1", record(sha256=SHA256))
    assert store.find_pending(SHA256, "Q") is None
    assert store.find_answer(SHA256, "Q", since=0.0) is not None


def test_a_callback_before_the_acceptance_is_an_answer_too(path: Path, store: Store) -> None:
    number = store.begin_task(new_task(sha256=SHA256, question="Q"))
    store.finish_task("T1", record(sha256=None))
    store.accept_task(number, req_id="T1", submitted_at=1.0, expires_at=2.0, request_id=None)
    assert store.find_answer(SHA256, "Q", since=0.0) is not None
    assert rows(path, "SELECT state FROM tasks") == [("done",)]


def test_a_result_that_is_not_whole_answers_no_question(path: Path, store: Store) -> None:
    pending(store, "T1", sha256=SHA256, question="Q")
    assert store.finish_task("T1", record(sha256=SHA256), reusable=False)
    assert store.find_pending(SHA256, "Q") is None
    assert store.find_answer(SHA256, "Q", since=0.0) is None
    assert rows(path, "SELECT state FROM tasks") == [("done",)]


def test_nor_does_one_whose_callback_comes_before_the_acceptance(store: Store) -> None:
    number = store.begin_task(new_task(sha256=SHA256, question="Q"))
    store.finish_task("T1", record(sha256=SHA256), reusable=False)
    store.accept_task(number, req_id="T1", submitted_at=1.0, expires_at=2.0, request_id=None)
    assert store.find_answer(SHA256, "Q", since=0.0) is None


def test_files_of_a_folder_are_remembered(store: Store) -> None:
    store.remember_file(_seen("b.png"), SHA256, "Q", judged_at=10.0)
    store.remember_file(_seen("found.png", clean=False), SHA256, "Q", judged_at=10.0)
    store.remember_file(_seen("a.png"), SHA256, "Q", judged_at=10.0)
    store.remember_file(_seen("c.png", folder="/photos/c"), SHA256, "Q", judged_at=10.0)
    names = ("a.png", "b.png", "found.png")
    assert store.seen_in("/photos") == {name: (name, *STAT, SHA256) for name in names}
    assert store.clean_in("/photos", "Q", [], since=10.0, whole=True) == [("a.png", *STAT), ("b.png", *STAT)]
    assert store.seen_in("/elsewhere") == {}
    assert store.clean_in("/elsewhere", "Q", [], since=10.0, whole=True) == []


@pytest.mark.parametrize(("question", "since"), [("another", 10.0), ("Q", 10.5)])
def test_a_file_is_not_clean_for_another_question_or_age(store: Store, question: str, since: float) -> None:
    store.remember_file(_seen(), SHA256, "Q", judged_at=10.0)
    assert store.clean_in("/photos", question, [], since=since, whole=True) == []
    assert store.seen_in("/photos") == {"a.png": ("a.png", *STAT, SHA256)}


def test_what_was_known_of_a_file_is_replaced(path: Path, store: Store) -> None:
    store.remember_file(_seen(), SHA256, "Q", judged_at=10.0)
    changed = FileStat(8, -1, 43)
    store.remember_file(_seen(stat=changed, clean=False), "cd" * 32, "Q", judged_at=11.0)
    assert store.seen_in("/photos") == {"a.png": ("a.png", *changed, "cd" * 32)}
    assert store.clean_in("/photos", "Q", [], since=0.0, whole=True) == []
    assert rows(path, "SELECT count(*) FROM folders") == [(1,)]


def test_names_that_are_not_utf_8_are_found_again(store: Store) -> None:
    folder = f"/{NOT_UTF_8}"
    names = (NOT_UTF_8, "图片.png", "\U0001f5bc.png")
    for name in names:
        store.remember_file(_seen(name, folder=folder), SHA256, "Q", judged_at=10.0)
    assert store.seen_in(folder) == {name: (name, *STAT, SHA256) for name in names}
    assert store.seen_in(folder, names=[NOT_UTF_8]) == {NOT_UTF_8: (NOT_UTF_8, *STAT, SHA256)}
    assert sorted(store.clean_in(folder, "Q", [], since=0.0, whole=True)) == sorted((name, *STAT) for name in names)
    assert store.clean_in(folder, "Q", [(NOT_UTF_8, *STAT)], since=0.0) == [(NOT_UTF_8, *STAT)]


def test_files_are_asked_for_by_name(store: Store) -> None:
    for number in range(500):
        store.remember_file(_seen(f"{number:03}.png"), SHA256, "Q", judged_at=10.0)
    names = [f"{number:03}.png" for number in range(3, 490)]
    assert [*store.seen_in("/photos", names=[*names, "new.png"])] == names
    assert [file[0] for file in store.clean_in("/photos", "Q", _found(*names, "new.png"), since=0.0)] == names
    assert store.seen_in("/photos", names=[]) == {}


@pytest.fixture
def clean(store: Store) -> list[reuse.Found]:
    """The files of a folder that is known to be clean, and of which the store has a look."""
    files = _found("a.png", NOT_UTF_8)
    for at, file in enumerate(files):
        store.remember_file(_seen(file[0]), SHA256, "Q", judged_at=10.0 + at)
    assert store.clean_in("/photos", "Q", files, since=0.0, whole=True) == files
    return files


def _is_known_by_its_look(
    store: Store, monkeypatch: pytest.MonkeyPatch, files: list[reuse.Found], question: str = "Q", since: float = 0.0
) -> bool:
    """Tell whether the store finds the files clean without reading what it knows of each."""
    with monkeypatch.context() as patch:
        patch.setattr(reuse, "CLEAN_IN", "SELECT folder, size, mtime_ns, inode FROM files WHERE 0 = ? AND ? = ?")
        return store.clean_in("/photos", question, files, since=since, whole=True) is files


def test_a_folder_that_was_found_clean_is_known_by_its_look(
    store: Store, monkeypatch: pytest.MonkeyPatch, clean: list[reuse.Found]
) -> None:
    assert _is_known_by_its_look(store, monkeypatch, clean)
    assert _is_known_by_its_look(store, monkeypatch, clean, since=10.0)
    assert not _is_known_by_its_look(store, monkeypatch, clean, since=10.5)  # one of them is older
    assert not _is_known_by_its_look(store, monkeypatch, clean, question="another")
    assert not _is_known_by_its_look(store, monkeypatch, clean[:1])
    assert not _is_known_by_its_look(store, monkeypatch, [clean[0], (NOT_UTF_8, *STAT._replace(size=8))])


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.remember_file(_seen("a.png", clean=False), SHA256, "Q", judged_at=12.0),
        lambda store: store.remember_file(_seen("a.png"), SHA256, "another", judged_at=12.0),
        lambda store: store.remember_file(_seen("new.png"), SHA256, "Q", judged_at=12.0),
        lambda store: store._database.write().__enter__().execute("DELETE FROM files WHERE name = 'a.png'"),
        lambda store: store._database.write().__enter__().execute("UPDATE files SET clean = 0 WHERE name = 'a.png'"),
    ],
    ids=["has a finding", "another question", "a new file", "deleted", "updated"],
)
def test_whatever_changes_a_file_forgets_the_look(
    store: Store, monkeypatch: pytest.MonkeyPatch, clean: list[reuse.Found], change: Callable[[Store], object]
) -> None:
    store.remember_file(_seen("b.png", folder="/photos/b"), SHA256, "Q", judged_at=10.0)
    assert _is_known_by_its_look(store, monkeypatch, clean)  # another folder is another matter
    change(store)
    assert not _is_known_by_its_look(store, monkeypatch, clean)


def test_no_look_is_kept_of_a_folder_that_another_process_just_changed(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.remember_file(_seen(), SHA256, "Q", judged_at=10.0)
    clean, asked = reuse._clean, []

    def then_changed(*arguments: Any) -> list[reuse.Found]:
        found = clean(*arguments)
        if not asked:
            asked.append(arguments)
            with Store.open(path) as other:
                other.remember_file(_seen(clean=False), SHA256, "Q", judged_at=11.0)
        return found

    monkeypatch.setattr(reuse, "_clean", then_changed)
    assert store.clean_in("/photos", "Q", _found("a.png"), since=0.0, whole=True) == _found("a.png")
    assert rows(path, "SELECT look FROM folders") == [(None,)]


def test_a_number_beyond_sqlite_is_not_remembered(store: Store) -> None:
    store.remember_file(_seen(stat=FileStat(7, 1, 2**64 - 1)), SHA256, "Q", judged_at=10.0)
    assert store.seen_in("/photos") == {}


def test_a_result_and_its_file_are_one_transaction(path: Path, store: Store) -> None:
    store.add_result(None, record(sha256=SHA256), question="Q", file=_seen())
    assert store.clean_in("/photos", "Q", [], since=1000.0, whole=True) == [("a.png", *STAT)]
    with pytest.raises(TypeError):
        store.add_result(None, record(sha256=SHA256, ext=object()), question="Q", file=_seen("b.png"))
    assert rows(path, "SELECT count(*) FROM files") == [(1,)]


def test_the_last_run_is_that_of_the_same_command_and_subject(store: Store) -> None:
    assert store.last_run("sync", "S") is None
    first = store.begin_run("sync", subject="S")
    store.begin_run("batch", subject="S")
    store.begin_run("sync", subject="another")
    store.begin_run("sync")
    assert store.last_run("sync", "S") == first
    now = store.begin_run("sync", subject="S")
    assert store.last_run("sync", "S", before=now) == first
    assert store.last_run("sync", "S", before=first) is None


def test_a_run_knows_what_failed_in_it(store: Store) -> None:
    first, second = store.begin_run("sync"), store.begin_run("sync")
    store.add_result(first, record(source="bad.png", status="failed"))
    store.add_result(first, record(source="good.png"))
    store.add_result(first, record(source=NOT_UTF_8, status="failed"))
    assert store.failed_in(first, "bad.png")
    assert store.failed_in(first, NOT_UTF_8)
    assert not store.failed_in(first, "good.png")
    assert not store.failed_in(first, "never-seen.png")
    assert not store.failed_in(second, "bad.png")


def test_many_threads_may_ask_and_answer(path: Path, store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                sha256 = f"{number:032x}{step:032x}"
                assert store.find_answer(sha256, "Q", since=0.0) is None
                store.add_result(None, record(sha256=sha256), question="Q", file=_seen(f"{number}-{step}"))
                assert store.find_answer(sha256, "Q", since=0.0) is not None
                assert f"{number}-{step}" in store.seen_in("/photos")
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert rows(path, "SELECT count(*) FROM files") == rows(path, "SELECT count(*) FROM results") == [(640,)]


@pytest.mark.parametrize(
    ("sql", "parameters", "index"),
    [
        (reuse.FIND_ANSWER, ("ab", "Q", 1.0, 2), "results_by_content (sha256=?"),
        (reuse.LAST_RUN, ("sync", "S", 9), "runs_by_subject (subject=? AND command=? AND rowid<?"),
        (reuse.FAILED_IN, (1, "a.png"), "results_failed (run=? AND source=?)"),
        (f"{reuse.CLEAN_IN} ORDER BY name", ("/photos", "Q", 1.0), "SEARCH files USING PRIMARY KEY (folder=?)"),
        (f"{reuse.SEEN_IN} ORDER BY name", ("/photos",), "SEARCH files USING PRIMARY KEY (folder=?)"),
        (
            f"{reuse.SEEN_IN} AND name IN (?, ?) ORDER BY name",
            ("/photos", "a", "b"),
            "SEARCH files USING PRIMARY KEY (folder=? AND name=?)",
        ),
        (store.OF_CONTENT, ("ab", "Q", 1.0), "tasks_by_content (sha256=? AND question=?)"),
        (store.QUESTION, ("T1",), "tasks_by_id (req_id=?)"),
        (store.COMPLETE, (1, "T1"), "sqlite_autoindex_results_1 (finishes=?)"),
    ],
)
def test_queries_use_their_index_and_sort_nothing(
    store: Store, sql: str, parameters: tuple[object, ...], index: str
) -> None:
    plan = [row["detail"] for row in store._database.read(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan


def test_the_places_of_several_contents_are_found_at_once(store: Store) -> None:
    other = "cd" * 32
    for name, sha256 in (("b.png", SHA256), ("a.png", SHA256), ("c.png", other), ("d.png", SHA256)):
        store.remember_file(_seen(name), sha256, "Q", judged_at=10.0)
    folder = _seen("a.png").folder
    assert store.places_of_each([SHA256, "ef" * 32], limit=2) == {SHA256: [(folder, "a.png"), (folder, "b.png")]}
    assert store.places_of_each([], limit=2) == {}
