"""Several processes at one store, and one that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from store_builders import rows

from moderate_cli.store import Store

_WRITER = """
import itertools, sys
from pathlib import Path
from moderate_cli.store import NewTask, Store

path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
with Store.open(path) as store:
    run = store.begin_run(name)
    for number in range(count) if count else itertools.count():
        record = {"status": "judged", "source": f"{name}-{number}", "labels": [{"label": "x"}], "services": ["s"]}
        store.add_result(run, record)
        task = store.begin_task(NewTask(kind="image", operation="o", service="s", source="f", endpoint="e"))
        store.accept_task(task, req_id=f"{name}-{number}", submitted_at=1, expires_at=2, request_id=None)
        store.finish_task(f"shared-{number}", record, run)
        print(number, flush=True)
"""


def _writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _go(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()


def test_nothing_is_lost_between_two_processes(path: Path) -> None:
    writers = [_writer(path, name, 300) for name in ("one", "two")]
    for writer in writers:
        _go(writer)
    ended = [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers]
    assert ended == [("", 0), ("", 0)]
    assert rows(path, "SELECT count(*), count(DISTINCT source) FROM results WHERE finishes IS NULL") == [(600, 600)]
    assert rows(path, "SELECT count(*), count(DISTINCT finishes) FROM results WHERE finishes NOT NULL") == [(300, 300)]
    assert rows(path, "SELECT count(*), count(DISTINCT req_id) FROM tasks WHERE state = 'pending'") == [(600, 600)]
    assert rows(path, "SELECT count(*) FROM label_hits") == [(900,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_many_processes_may_make_the_same_store(path: Path) -> None:
    writers = [_writer(path, str(number), 1) for number in range(6)]
    for writer in writers:
        _go(writer)
    ended = [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers]
    assert ended == [("", 0)] * 6
    assert rows(path, "SELECT count(*) FROM results") == [(7,)]


def test_what_was_reported_survives_a_kill(path: Path) -> None:
    with _writer(path, "killed", 0) as writer:
        assert writer.stdout is not None
        _go(writer)
        for line in writer.stdout:
            if int(line) >= 50:
                break
        writer.kill()
        reported = 1 + max([50, *(int(line) for line in writer.stdout if line.endswith("\n"))])
    with Store.open(path) as store:
        assert len(list(store.pending_tasks())) >= reported
        assert sum(1 for _ in store.untold()) >= reported  # its run has not finished
        store.begin_run("next")
    assert rows(path, "SELECT count(*) FROM results WHERE finishes NOT NULL")[0][0] >= reported
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
