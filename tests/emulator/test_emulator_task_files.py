"""Results as files: what one emulator queued, a later one answers for."""

from __future__ import annotations

from pathlib import Path

import pytest

from moderate_cli.emulator.messages import BodyError
from moderate_cli.emulator.state import IN_PROGRESS, TaskFiles, TaskKind, TaskStore


def _store(folder: Path, now: float = 1000.0) -> TaskStore:
    return TaskStore(lambda: now, files=TaskFiles(folder))


def test_a_result_is_told_by_another_process(tmp_path: Path) -> None:
    first, second = _store(tmp_path), _store(tmp_path)
    first.add("T-1", TaskKind.IMAGE)
    with pytest.raises(BodyError) as running:
        second.result("T-1", TaskKind.IMAGE)
    assert running.value.code == IN_PROGRESS
    first.finish("T-1", {"RiskLevel": "none"})
    assert second.result("T-1", TaskKind.IMAGE) == {"RiskLevel": "none"}


def test_a_failure_is_told_too(tmp_path: Path) -> None:
    first = _store(tmp_path)
    first.add("task_2", TaskKind.POST)
    first.finish("task_2", BodyError(404, "gone"))
    with pytest.raises(BodyError) as caught:
        _store(tmp_path).result("task_2", TaskKind.POST)
    assert (caught.value.code, caught.value.message) == (404, "gone")


@pytest.mark.parametrize(("kind", "seconds"), [(TaskKind.IMAGE, 3 * 86_400), (TaskKind.POST, 86_400)])
def test_a_result_is_kept_as_long_as_the_vendor_keeps_it(tmp_path: Path, kind: TaskKind, seconds: int) -> None:
    first = _store(tmp_path)
    first.add("T", kind)
    first.finish("T", {})
    assert _store(tmp_path, 1000.0 + seconds - 1).result("T", kind) == {}
    with pytest.raises(BodyError):
        _store(tmp_path, 1000.0 + seconds).result("T", kind)


@pytest.mark.parametrize("task_id", ["../outside", "a/b", "", "x" * 101, "nul\0"])
def test_an_id_is_no_path(tmp_path: Path, task_id: str) -> None:
    files = TaskFiles(tmp_path / "inside")
    files.write(task_id, {"kind": "IMAGE", "at": 1})
    assert files.read(task_id) is None
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    TaskFiles(folder).write("T", {"kind": "IMAGE", "at": 1})
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "T.json").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    files = TaskFiles(tmp_path / "file/inside")
    files.write("T", {"kind": "IMAGE", "at": 1})
    assert files.read("T") is None
