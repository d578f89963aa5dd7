"""What an earlier run knows of files: nothing is read or made of a clean file that did not change."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from trees import PNG, put, stat_of

from moderate_cli.sources import Seen, Sources, folders
from moderate_cli.verdicts import LocalFile

SHA256 = "ab" * 32


@dataclass
class Memory:
    """Knows some files, and what it was asked."""

    files: dict[str, dict[str, Seen]] = field(default_factory=dict)
    asked: list[tuple[str, Sequence[str] | None]] = field(default_factory=list)
    looks: dict[tuple[str, bytes], int] = field(default_factory=dict)
    newest: int = 0

    def seen_in(self, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
        self.asked.append((folder, names))
        known = self.files.get(folder, {})
        return known if names is None else {name: known[name] for name in names if name in known}

    def find_look(self, folder: str, look: bytes) -> int | None:
        return self.looks.get((folder, look))

    def keep_look(self, folder: str, look: bytes, *, newest: int, passed_over: int) -> None:
        self.looks[folder, look] = passed_over
        self.newest = newest

    def learn(self, path: Path, sha256: str | None) -> None:
        self.files.setdefault(str(path.parent), {})[path.name] = (path.name, *stat_of(path), sha256)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Two files that are clean, one with findings, one that changed since, and one that is new."""
    put(tmp_path, "clean.png", "sub/clean.png", "found.png", "changed.png", "new.png")
    memory = Memory()
    for name in ("clean.png", "sub/clean.png"):
        memory.learn(tmp_path / name, None)
    memory.learn(tmp_path / "found.png", SHA256)
    memory.learn(tmp_path / "changed.png", None)
    (tmp_path / "changed.png").write_bytes(PNG + b"more")
    return memory


def test_a_file_that_did_not_change_comes_with_its_hash(tmp_path: Path, memory: Memory) -> None:
    sources = Sources([str(tmp_path)], recall=memory)
    assert {os.path.relpath(item.source, tmp_path): item.image.sha256 for item in sources} == {  # type: ignore[union-attr]
        "changed.png": None,
        "clean.png": None,
        "found.png": SHA256,
        "new.png": None,
        "sub/clean.png": None,
    }
    assert sources.spared == 0


def test_clean_files_can_be_spared(tmp_path: Path, memory: Memory) -> None:
    sources = Sources([str(tmp_path)], recall=memory, spare_clean=True)
    images = [item.image for item in sources]
    assert images == [
        LocalFile(tmp_path / name, stat_of(tmp_path / name), sha256)
        for name, sha256 in (("changed.png", None), ("found.png", SHA256), ("new.png", None))
    ]
    assert sources.spared == 2
    assert sources.passed_over == 0


@pytest.mark.parametrize("part", ["size", "mtime_ns", "inode"])
def test_every_part_of_the_stat_counts(tmp_path: Path, part: str) -> None:
    put(tmp_path, "a.png")
    known = stat_of(tmp_path / "a.png")
    other = known._replace(**{part: getattr(known, part) + 1})
    memory = Memory({str(tmp_path): {"a.png": ("a.png", *other, None)}})
    sources = Sources([str(tmp_path)], recall=memory, spare_clean=True)
    assert [item.image for item in sources] == [LocalFile(tmp_path / "a.png", known)]
    assert sources.spared == 0


def test_a_folder_is_asked_about_once_by_its_absolute_path(
    tmp_path: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in (".", "./sub/..", "*"):
        memory.asked.clear()
        sources = Sources([name], recall=memory, spare_clean=True)
        assert len(list(sources)) == 3
        memory.looks.clear()
        assert memory.asked == [(str(tmp_path), None), (str(tmp_path / "sub"), None)]


def test_a_crowded_folder_is_asked_about_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "CHUNK", 10)
    put(tmp_path, *(f"{number:02}.png" for number in range(25)))
    memory = Memory()
    for path in tmp_path.iterdir():
        memory.learn(path, None)
    sources = Sources([str(tmp_path)], recall=memory, spare_clean=True)
    assert list(sources) == []
    assert sources.spared == 25
    parts = [names for folder, names in memory.asked if folder == str(tmp_path) and names is not None]
    assert [len(names) for names in parts] == [10, 10, 5]
    assert sorted(name for names in parts for name in names) == sorted(path.name for path in tmp_path.iterdir())


def test_what_is_known_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "clean", "found")
    memory = Memory()
    memory.learn(tmp_path / "clean", None)
    memory.learn(tmp_path / "found", SHA256)
    monkeypatch.setattr("moderate_cli.sources.has_image_content", lambda _: pytest.fail("opened"))
    sources = Sources([str(tmp_path)], recall=memory, spare_clean=True)
    assert [item.source for item in sources] == [str(tmp_path / "found")]


def test_what_was_named_is_never_spared(tmp_path: Path, memory: Memory) -> None:
    path = tmp_path / "clean.png"
    sources = Sources([str(path)], recall=memory, spare_clean=True)
    assert [item.image for item in sources] == [LocalFile(path)]
    assert memory.asked == []


def _counts(root: Path, memory: Memory, *, items: int) -> tuple[int, int]:
    sources = Sources([str(root)], recall=memory, spare_clean=True)
    assert len(list(sources)) == items
    return sources.spared, sources.passed_over


@pytest.fixture
def clean(tmp_path: Path) -> Memory:
    """A folder of two clean files and one that is no image."""
    put(tmp_path, "a.png", "b.png")
    (tmp_path / "notes").write_bytes(b"no image")
    memory = Memory()
    for name in ("a.png", "b.png"):
        memory.learn(tmp_path / name, None)
    return memory


def test_a_folder_of_clean_files_is_known_by_its_look(
    tmp_path: Path, clean: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _counts(tmp_path, clean, items=0) == (2, 1)
    assert clean.newest == max(stat_of(path).mtime_ns for path in tmp_path.iterdir())
    clean.asked.clear()
    monkeypatch.setattr("moderate_cli.sources.has_image_content", lambda _: pytest.fail("opened"))
    assert _counts(tmp_path, clean, items=0) == (2, 1)
    assert clean.asked == []


@pytest.mark.parametrize("change", ["rewritten", "touched", "renamed", "added", "gone"])
def test_a_folder_that_changed_has_another_look(tmp_path: Path, clean: Memory, change: str) -> None:
    _counts(tmp_path, clean, items=0)
    path = tmp_path / "a.png"
    match change:
        case "rewritten":
            path.write_bytes(PNG + b"more")
        case "touched":
            os.utime(path, (1, 1))
        case "renamed":
            path.rename(tmp_path / "c.png")
        case "added":
            (tmp_path / "c.png").write_bytes(PNG)
        case "gone":
            path.unlink()
    clean.asked.clear()
    _counts(tmp_path, clean, items=0 if change == "gone" else 1)
    assert clean.asked == [(str(tmp_path), None)]


def test_a_folder_with_anything_to_judge_has_no_look_to_be_known_by(tmp_path: Path, memory: Memory) -> None:
    _counts(tmp_path, memory, items=3)
    assert {folder for folder, _ in memory.looks} == {str(tmp_path / "sub")}


def test_what_could_not_be_read_is_no_part_of_a_look(
    tmp_path: Path, clean: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_bytes(PNG)
    with monkeypatch.context() as patch:
        patch.setattr("moderate_cli.sources.images.os.read", _refuse)
        assert _counts(tmp_path, clean, items=0) == (2, 1)
    assert not clean.looks
    assert _counts(tmp_path, clean, items=1) == (2, 0)


def test_a_folder_without_a_clean_file_has_no_look_to_be_known_by(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"no image")
    memory = Memory()
    assert _counts(tmp_path, memory, items=0) == (0, 1)
    assert not memory.looks


def _refuse(_descriptor: int, _size: int) -> bytes:
    raise PermissionError("not now")
