"""A store that may only be read, by its mode or on a file system that is mounted read-only."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_builders import record

from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Decision
from moderate_cli.store import Filters, Store, StoreError, is_read_only
from moderate_cli.store.database import MIGRATIONS


@pytest.fixture
def full(path: Path) -> Path:
    """A store with one result that nobody has open."""
    with Store.open(path) as store:
        store.add_result(store.begin_run("sync"), record())
    return path


@pytest.fixture
def closed(full: Path) -> Iterator[Path]:
    """The same in a folder that cannot be written."""
    full.chmod(0o400)
    full.parent.chmod(0o500)
    yield full
    full.parent.chmod(0o700)


def _left_by_a_killed_process(path: Path) -> None:
    """Store a result and end at once, so that it stays in the log beside the file."""
    script = f"""
import os
from pathlib import Path
from moderate_cli.store import Store
store = Store.open(Path({str(path)!r}))
store.add_result(None, {record(source="killed.png")!r})
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert path.with_name("store.db-wal").stat().st_size > 0


def test_what_is_read_only(full: Path) -> None:
    assert not is_read_only(full)
    full.chmod(0o444)
    assert is_read_only(full)
    full.chmod(0o600)
    full.parent.chmod(0o500)
    assert is_read_only(full)
    full.parent.chmod(0o700)
    assert not is_read_only(full.with_name("none.db"))


def test_questions_are_answered_and_nothing_is_written(closed: Path) -> None:
    before = closed.read_bytes()
    with Store.open_read_only(closed) as store:
        assert [entry.record["source"] for entry in store.history(Filters(latest=True))] == [record()["source"]]
        assert store.usage("day")
        assert store.find_results("R1", limit=1)
        with pytest.raises(StoreError) as caught:
            store.decide([("R1", Decision("missed", None, None, None))])
    assert (caught.value.code, caught.value.exit_code) == ("store_unreadable", ExitCode.USAGE)
    assert closed.read_bytes() == before
    assert [file.name for file in closed.parent.iterdir()] == ["store.db"]
    assert closed.stat().st_mode & 0o777 == 0o400


def test_what_is_in_the_log_of_a_killed_process_is_read(full: Path) -> None:
    _left_by_a_killed_process(full)
    full.chmod(0o400)
    with Store.open_read_only(full) as store:
        found = [entry.record["source"] for entry in store.history(Filters())]
    assert found[0] == "killed.png"


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_log_that_cannot_be_read_is_not_passed_over(full: Path, suffix: str) -> None:
    full.with_name(f"store.db{suffix}").write_bytes(b"x")
    with pytest.raises(StoreError) as caught:
        Store.open_read_only(full)
    assert caught.value.code == "store_unreadable"
    assert f"changes that are still in store.db{suffix}" in caught.value.message
    assert "copy it" in str(caught.value.hint)


@pytest.mark.parametrize("known", [1, len(MIGRATIONS) - 1])
def test_an_older_store_is_refused_because_it_would_have_to_be_written(
    path: Path, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("moderate_cli.store.database.MIGRATIONS", MIGRATIONS[:known])
        Store.open(path).close()
    with pytest.raises(StoreError) as caught:
        Store.open_read_only(path)
    assert "written by an older moderate" in caught.value.message
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "store_empty"), (b"no database at all\n" * 200, "store_not_a_database")]
)
def test_a_file_that_is_no_store(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "notes").write_bytes(content)
    with pytest.raises(StoreError) as caught:
        Store.open_read_only(tmp_path / "notes")
    assert caught.value.code == code


def test_a_database_of_another_program_and_a_newer_store(tmp_path: Path, full: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "places.sqlite")) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(StoreError) as caught:
        Store.open_read_only(tmp_path / "places.sqlite")
    assert caught.value.code == "store_not_ours"
    with closing(sqlite3.connect(full)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'of the future', 0)")
    with pytest.raises(StoreError) as caught:
        Store.open_read_only(full)
    assert caught.value.code == "store_too_new"


def test_a_mode_that_forbids_writing_stays(full: Path) -> None:
    full.chmod(0o444)
    with Store.open(full):
        assert full.stat().st_mode & 0o777 == 0o400


_MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && ! touch "$0/x" 2>/dev/null && exec "$@"'


def _can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", _MOUNTED, str(folder), "true"]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def _mounted(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of ours where the store's folder is mounted read-only, in a name space of its own."""
    moderate = [sys.executable, "-m", "moderate_cli", *arguments, "--store", str(path)]
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", _MOUNTED, str(path.parent), *moderate]
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=variables)


@pytest.mark.parametrize("state", ["closed", "killed"])
def test_the_commands_ask_a_store_on_a_read_only_file_system(full: Path, state: str) -> None:
    if not _can_mount(full.parent):
        pytest.skip("no name space for mounts")
    if state == "killed":
        _left_by_a_killed_process(full)
    beside = sorted(file.name for file in full.parent.iterdir())
    count = 1 if state == "closed" else 2

    done = _mounted(full, "history", "--runs")
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", count)
    done = _mounted(full, "show", "R1" if state == "closed" else "killed.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["record"]["status"] == "judged"
    done = _mounted(full, "stats")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1

    for arguments in (["feedback", "R1", "missed"], ["history", "--prune", "1d", "--yes"]):
        done = _mounted(full, *arguments)
        assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
        assert done.stderr.startswith(f"moderate: cannot write the store {full}: ")
        assert done.stderr.count("\n") == 1
    assert sorted(file.name for file in full.parent.iterdir()) == beside
