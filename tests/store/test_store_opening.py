"""Opening a store: where it lies, who may read it, and what can be wrong with it."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from store_builders import Clock, held, pending, record, rows

from moderate_cli.common.errors import ExitCode
from moderate_cli.store import Store, StoreError, default_path
from moderate_cli.store.database import APPLICATION_ID, MIGRATIONS, migrate


def _error(path: Path, **options: float) -> StoreError:
    with pytest.raises(StoreError) as caught:
        Store.open(path, **{"patience": 0.2} | options)  # type: ignore[arg-type]
    assert "\n" not in caught.value.message
    return caught.value


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_default_place_is_the_folder_for_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MODERATE_STORE", "elsewhere.db")
    assert default_path() == tmp_path / "moderate" / "store.db"


def test_a_new_store_has_folders_a_log_and_every_migration(path: Path, store: Store) -> None:
    assert store.path == path
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert rows(path, "SELECT number, name FROM migrations") == [
        (number, migration.name) for number, migration in enumerate(MIGRATIONS, 1)
    ]
    tables = {name for (name,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"runs", "results", "label_hits", "tasks", "decisions", "leases", "folders", "files"} <= tables


def test_only_the_owner_may_read_the_store_and_what_lies_beside_it(path: Path, store: Store) -> None:
    store.add_result(None, record())
    beside = sorted(path.parent.iterdir())
    assert [file.name for file in beside] == ["store.db", "store.db-shm", "store.db-wal"]
    assert {_mode(file) for file in beside} == {0o600}
    assert _mode(path.parent) == 0o700


@pytest.mark.parametrize("content", ["empty", "store"])
def test_a_file_that_others_could_read_is_closed_to_them(path: Path, content: str) -> None:
    path.parent.mkdir()
    if content == "store":
        Store.open(path).close()
    else:
        path.touch()
    path.chmod(0o644)
    with Store.open(path) as store:
        store.add_result(None, record())
        assert {_mode(file) for file in path.parent.iterdir()} == {0o600}


def test_a_store_is_found_as_it_was_left(path: Path) -> None:
    with Store.open(path) as store:
        pending(store, "T1")
    with Store.open(path) as store:
        assert store.find_task("T1") is not None
    store.close()


def test_a_name_that_means_memory_to_sqlite_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory", "spaced name#.db"):
        Store.open(Path(name)).close()
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("known", range(len(MIGRATIONS)))
def test_each_earlier_version_is_brought_up_to_date(path: Path, known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("moderate_cli.store.database.MIGRATIONS", MIGRATIONS[:known])
        Store.open(path, clock=Clock(1.0)).close()
    if known:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("INSERT INTO runs (command, started_at) VALUES ('sync', 1.0)")
            names = "run, judged_at, status, sha256, services, record"
            connection.execute(f"INSERT INTO results ({names}) VALUES (1, 1.0, 'judged', 'ab', 's', '{{}}')")
    if known:
        assert rows(path, "SELECT max(number) FROM migrations") == [(known,)]
    with Store.open(path, clock=Clock(2.0)) as store:
        pending(store, "T1")
    assert rows(path, "SELECT count(*) FROM results") == [(min(known, 1),)]
    applied = rows(path, "SELECT applied_at FROM migrations ORDER BY number")
    assert applied == [(1.0,)] * known + [(2.0,)] * (len(MIGRATIONS) - known)
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = type(MIGRATIONS[0])("broken", ("CREATE TABLE half (x)", "CREATE TABLE half (x)"))
    with monkeypatch.context() as patch:
        patch.setattr("moderate_cli.store.database.MIGRATIONS", (*MIGRATIONS, broken))
        assert "half already exists" in _error(path).message
    Store.open(path).close()
    assert not rows(path, "SELECT 1 FROM sqlite_master WHERE name = 'half'")


def test_a_migration_is_applied_once_by_openers_in_a_race(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each thread has read that nothing is applied before the first of them begins to write.
    barrier = threading.Barrier(4)

    def together(database: object, now: float) -> int:
        barrier.wait()
        return migrate(database, now)  # type: ignore[arg-type]

    monkeypatch.setattr("moderate_cli.store.store.migrate", together)
    failures: list[StoreError] = []

    def open_it() -> None:
        try:
            Store.open(path, patience=10).close()
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert rows(path, "SELECT count(*) FROM migrations") == [(len(MIGRATIONS),)]


@pytest.mark.parametrize("content", [b"x", b"no database at all\n" * 200])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    path.chmod(0o644)
    error = _error(path)
    assert (error.code, error.exit_code) == ("store_not_a_database", ExitCode.USAGE)
    assert "MODERATE_STORE" in str(error.hint)
    assert path.read_bytes() == content
    assert _mode(path) == 0o644


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    assert _error(path).code == "store_not_ours"
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(path: Path) -> None:
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'of the future', 0)")
    error = _error(path)
    assert error.code == "store_too_new"
    assert "schema 99" in error.message
    assert "update" in str(error.hint)


def test_a_place_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = _error(tmp_path / "file" / "store.db")
    assert (error.code, error.exit_code) == ("store_unwritable", ExitCode.USAGE)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert _error(tmp_path).code == "store_not_a_database"


def test_a_link_to_nowhere_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "gone.db")
    assert _error(tmp_path / "link.db").code == "store_unwritable"


def test_a_pipe_is_no_store_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _error(tmp_path / "pipe").code == "store_not_a_database"


def test_a_name_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    assert _error(tmp_path / "a\0b").code == "store_unwritable"


def test_opening_a_store_that_is_up_to_date_waits_for_nobody(path: Path, store: Store) -> None:
    with held(path):
        Store.open(path, patience=0).close()


def test_a_new_store_that_stays_locked_is_given_up(path: Path) -> None:
    path.parent.mkdir()
    with held(path):
        before = time.monotonic()
        error = _error(path, patience=0.3)
        assert 0.3 <= time.monotonic() - before < 3
    assert (error.code, error.exit_code) == ("store_locked", ExitCode.INCOMPLETE)
    assert "0.3 seconds" in error.message


def test_a_damaged_store_says_so(path: Path) -> None:
    with Store.open(path) as store:
        for _ in range(200):
            store.add_result(None, record())
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught, Store.open(path) as store:
        for _ in range(10):
            store.add_result(None, record())
    assert caught.value.code == "store_damaged"


def test_a_store_of_somebody_else_that_others_can_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    Store.open(path).close()
    path.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", refuse)
    error = _error(path)
    assert error.code == "store_unprotected"
    assert "readable by others" in error.message


def test_a_store_that_may_only_be_read_says_so(path: Path, store: Store) -> None:
    store._database.read("PRAGMA query_only = ON")
    with pytest.raises(StoreError) as caught:
        store.add_result(None, record())
    assert caught.value.code == "store_unwritable"
