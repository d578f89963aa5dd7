"""One report that cannot be written ends neither the run nor the others (faults.md, R3 and R4)."""

from __future__ import annotations

import errno
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from actions import RISKY, service
from invocation import Result

from moderate_cli.common.errors import ExitCode
from moderate_cli.common.files import AtomicFile
from moderate_cli.render.sarif import SarifRenderer

URLS = [f"https://example.com/{number}.jpg" for number in range(30)]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Let a file take 4,000 bytes and no more."""
    written: dict[Path, int] = {}
    limited: list[Path] = []

    def bounded(file: AtomicFile, data: bytes) -> int:
        path = file.target
        if path in limited:
            written[path] = written.get(path, 0) + len(data)
            if written[path] > 4_000:
                raise OSError(errno.ENOSPC, "No space left on device")
        return io.FileIO.write(file, data)

    monkeypatch.setattr(AtomicFile, "write", bounded)
    return limited.append


@pytest.mark.parametrize("broken", ["json", "html", "output"])
def test_a_full_disk_costs_one_report(
    broken: str, full_disk: Callable[[Path], None], moderate: Callable[..., Result], tmp_path: Path
) -> None:
    paths = {name: tmp_path / name for name in ("json", "html", "output", "csv")}
    paths[broken].write_text("older")
    full_disk(paths[broken])
    with service(ImageModeration=RISKY) as served:
        result = moderate(
            *("sync", *URLS, "-f", "jsonl", "-o", paths["output"], "--store", tmp_path / "store.db"),
            *(word for name in ("json", "html", "csv") for word in (f"--{name}-output", paths[name])),
            variables=served.variables,
        )
        assert served.asked["ImageModeration"] == 30
    assert result.code == ExitCode.FATAL
    assert len([line for line in result.stderr.splitlines() if "No space left" in line]) == 1
    assert paths[broken].read_text() == "older"
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*.partial"))
    if broken != "json":
        assert len(json.loads(paths["json"].read_text())["results"]) == 30
    if broken != "output":
        assert len(paths["output"].read_text().splitlines()) == 30
    assert len(paths["csv"].read_text().splitlines()) == 31
    with sqlite3.connect(tmp_path / "store.db") as database:
        assert database.execute("SELECT count(*) FROM results WHERE status = 'judged'").fetchone() == (30,)


@pytest.mark.parametrize("method", ["add", "finish"])
def test_a_bug_in_one_report_costs_that_report(
    method: str, moderate: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SarifRenderer, method, lambda *_, **__: 1 / 0)
    paths = {name: tmp_path / name for name in ("sarif", "csv")}
    paths["sarif"].write_text("older")
    with service(ImageModeration=RISKY) as served:
        result = moderate(
            *("sync", *URLS[:3], "-f", "jsonl", "--max-calls", "9", "--store", tmp_path / "store.db"),
            *(word for name, path in paths.items() for word in (f"--{name}-output", path)),
            variables=served.variables,
        )
    assert result.code == ExitCode.FATAL
    told = [line for line in result.stderr.splitlines() if "bug" in line]
    assert len(told) == 1
    assert "cannot make the sarif report: ZeroDivisionError" in told[0]
    assert "call limit" not in result.stderr
    assert paths["sarif"].read_text() == "older"
    assert (len(result.records), len(paths["csv"].read_text().splitlines())) == (3, 4)
    with sqlite3.connect(tmp_path / "store.db") as database:
        assert database.execute("SELECT count(*) FROM results WHERE status = 'judged'").fetchone() == (3,)


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EXDEV])
def test_a_place_that_cannot_be_taken_is_written_in_place(
    number: int, moderate: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mounted.jsonl"
    target.write_text("an older and longer report\n" * 1_000)

    def replace(_path: Path, _target: Path) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "replace", replace)
    with service(ImageModeration=RISKY) as served:
        result = moderate("sync", *URLS[:3], "-o", target, "-f", "jsonl", variables=served.variables)
    assert result.code == ExitCode.OK
    assert "written in place" in result.stderr
    assert len([json.loads(line) for line in target.read_text().splitlines()]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["mounted.jsonl"]
