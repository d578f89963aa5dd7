"""What an earlier run knows of files: nothing is read or made of a clean file that did not change."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from trees import PNG, put, stat_of

from moderate_cli.models import LocalFile
from moderate_cli.sources import Seen, Sources, folders
from moderate_cli.sources.folders import Found

SHA256 = "ab" * 32


@dataclass
class Memory:
    """Knows some files, and what it was asked."""

    files: dict[str, dict[str, Seen]] = field(default_factory=dict)
    clean: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, Sequence[str] | None]] = field(default_factory=list)

    def clean_in(self, folder: str, files: list[Found], *, whole: bool) -> list[Found]:
        names = None if whole else [file[0] for file in files]
        self.asked.append((folder, names))
        known = sorted(self._in(folder, names).values())
        return [seen[:4] for seen in known if (folder, seen[0]) in self.clean]

    def seen_in(self, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
        self.asked.append((folder, names))
        return self._in(folder, names)

    def learn(self, path: Path, *, clean: bool) -> None:
        folder, name = str(path.parent), path.name
        self.files.setdefault(folder, {})[name] = (name, *stat_of(path), SHA256)
        if clean:
            self.clean.add((folder, name))

    def _in(self, folder: str, names: Sequence[str] | None) -> dict[str, Seen]:
        known = self.files.get(folder, {})
        return known if names is None else {name: known[name] for name in names if name in known}


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Two files that are clean, one with findings, one that changed since, and one that is new."""
    put(tmp_path, "clean.png", "sub/clean.png", "found.png", "changed.png", "new.png")
    memory = Memory()
    for name in ("clean.png", "sub/clean.png", "changed.png"):
        memory.learn(tmp_path / name, clean=True)
    memory.learn(tmp_path / "found.png", clean=False)
    (tmp_path / "changed.png").write_bytes(PNG + b"more")
    return memory


def test_a_file_that_did_not_change_comes_with_its_hash(tmp_path: Path, memory: Memory) -> None:
    sources = Sources([str(tmp_path)], recall=memory)
    assert {os.path.relpath(item.source, tmp_path): item.image.sha256 for item in sources} == {  # type: ignore[union-attr]
        "changed.png": None,
        "clean.png": SHA256,
        "found.png": SHA256,
        "new.png": None,
        "sub/clean.png": SHA256,
    }
    assert sources.unchanged == 0


def test_clean_files_can_be_spared(tmp_path: Path, memory: Memory) -> None:
    sources = Sources([str(tmp_path)], recall=memory, clean_wanted=0)
    images = [item.image for item in sources]
    assert images == [
        LocalFile(tmp_path / name, stat_of(tmp_path / name), sha256)
        for name, sha256 in (("changed.png", None), ("found.png", SHA256), ("new.png", None))
    ]
    assert sources.unchanged == 2
    assert sources.non_images == 0


@pytest.mark.parametrize("part", ["size", "mtime_ns", "inode"])
def test_every_part_of_the_stat_counts(tmp_path: Path, part: str) -> None:
    put(tmp_path, "a.png")
    known = stat_of(tmp_path / "a.png")
    other = known._replace(**{part: getattr(known, part) + 1})
    memory = Memory({str(tmp_path): {"a.png": ("a.png", *other, SHA256)}}, {(str(tmp_path), "a.png")})
    sources = Sources([str(tmp_path)], recall=memory, clean_wanted=0)
    assert [item.image for item in sources] == [LocalFile(tmp_path / "a.png", known)]
    assert sources.unchanged == 0


def test_a_folder_is_asked_about_once_by_its_absolute_path(
    tmp_path: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in (".", "./sub/..", "*"):
        memory.asked.clear()
        sources = Sources([name], recall=memory, clean_wanted=0)
        assert len(list(sources)) == 3
        left = ["changed.png", "found.png", "new.png"]
        assert memory.asked == [(str(tmp_path), None), (str(tmp_path), left), (str(tmp_path / "sub"), None)]


def test_a_crowded_folder_is_asked_about_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "CHUNK", 10)
    put(tmp_path, *(f"{number:02}.png" for number in range(25)))
    memory = Memory()
    for path in tmp_path.iterdir():
        memory.learn(path, clean=True)
    sources = Sources([str(tmp_path)], recall=memory, clean_wanted=0)
    assert list(sources) == []
    assert sources.unchanged == 25
    parts = [names for folder, names in memory.asked if folder == str(tmp_path) and names is not None]
    assert [len(names) for names in parts] == [10, 10, 5]
    assert sorted(name for names in parts for name in names) == sorted(path.name for path in tmp_path.iterdir())


def test_what_is_known_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "clean", "found")
    memory = Memory()
    memory.learn(tmp_path / "clean", clean=True)
    memory.learn(tmp_path / "found", clean=False)
    monkeypatch.setattr("moderate_cli.sources.has_image_content", lambda _: pytest.fail("opened"))
    sources = Sources([str(tmp_path)], recall=memory, clean_wanted=0)
    assert [item.source for item in sources] == [str(tmp_path / "found")]


def test_what_was_named_is_never_spared(tmp_path: Path, memory: Memory) -> None:
    path = tmp_path / "clean.png"
    sources = Sources([str(path)], recall=memory, clean_wanted=0)
    assert [item.image for item in sources] == [LocalFile(path)]
    assert memory.asked == []


@pytest.mark.parametrize(
    ("wanted", "items", "unchanged"), [(0, 0, 30), (1, 1, 29), (20, 20, 10), (30, 30, 0), (None, 30, 0)]
)
def test_as_many_clean_files_are_items_as_are_wanted(
    tmp_path: Path, wanted: int | None, items: int, unchanged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, *(f"{number // 12}/{number:02}" for number in range(30)))
    memory = Memory()
    for path in tmp_path.glob("*/*"):
        memory.learn(path, clean=True)
    monkeypatch.setattr("moderate_cli.sources.has_image_content", lambda _: pytest.fail("opened"))
    sources = Sources([str(tmp_path)], recall=memory, clean_wanted=wanted)
    found = [item.image for item in sources]
    assert [image.sha256 for image in found] == [SHA256] * items  # type: ignore[union-attr]
    assert (sources.unchanged, sources.non_images) == (unchanged, 0)


@pytest.mark.parametrize("change", ["rewritten", "touched", "renamed", "added", "gone"])
def test_one_change_in_a_folder_of_clean_files_is_one_item(tmp_path: Path, change: str) -> None:
    put(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "notes").write_bytes(b"no image")
    memory = Memory()
    for name in ("a.png", "b.png", "c.png"):
        memory.learn(tmp_path / name, clean=True)
    path = tmp_path / "b.png"
    match change:
        case "rewritten":
            path.write_bytes(PNG + b"more")
        case "touched":
            os.utime(path, (1, 1))
        case "renamed":
            path.rename(tmp_path / "d.png")
        case "added":
            (tmp_path / "d.png").write_bytes(PNG)
        case "gone":
            path.unlink()
    sources = Sources([str(tmp_path)], recall=memory, clean_wanted=0)
    items = {"renamed": ["d.png"], "added": ["d.png"], "gone": []}.get(change, ["b.png"])
    assert [os.path.relpath(item.source, tmp_path) for item in sources] == items
    assert (sources.unchanged, sources.non_images) == (3 if change == "added" else 2, 1)


def test_what_could_not_be_read_is_looked_at_again(
    tmp_path: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_bytes(PNG)
    with monkeypatch.context() as patch:
        patch.setattr("moderate_cli.sources.folders.os.read", _refuse)
        assert len(list(Sources([str(tmp_path)], recall=memory, clean_wanted=0))) == 3
    assert len(list(Sources([str(tmp_path)], recall=memory, clean_wanted=0))) == 4


def _refuse(_descriptor: int, _size: int) -> bytes:
    raise PermissionError("not now")
