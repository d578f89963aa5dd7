"""The second process of a rescan: it finds what the walk would find, and the walk never depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trees import stat_of

from moderate_cli.common.globs import Glob
from moderate_cli.sources import Selection, folders, read_ahead
from moderate_cli.sources.folders import Chunk, walk
from moderate_cli.sources.read_ahead import ReadAhead, listing_of

pytestmark = pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="Windows opens no folder")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two levels of forty folders each, with files, links, an empty folder, and a name that is no text."""
    top = tmp_path / "tree"
    for number in range(40):
        folder = top / f"{number:02}" if number % 2 else top / "below" / f"{number:02}"
        folder.mkdir(parents=True)
        for name in ("b.png", "a.png", os.fsdecode(b"\xff.png")):
            (folder / name).write_bytes(b"%d" % number)
        if number % 10 == 3:
            (folder / "link.png").symlink_to("a.png")
            (folder / "broken.png").symlink_to("nothing")
            (folder / "to-folder").symlink_to(top / "empty")
    for number in range(40):
        (top / "more" / f"{number:02}").mkdir(parents=True)
        (top / "more" / f"{number:02}" / "c.png").write_bytes(b"c")
    (top / "empty").mkdir()
    return top


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ReadAhead]]:
    """The second processes that were started, each noting how many of its answers held something."""
    started: list[ReadAhead] = []

    class Counted(ReadAhead):
        used = 0

        def __init__(self) -> None:
            super().__init__()
            started.append(self)

        def answer(self, folder: str) -> read_ahead.Listing | None:
            listing = super().answer(folder)
            Counted.used += listing is not None
            return listing

    monkeypatch.setattr(folders, "ReadAhead", Counted)
    yield started


def _walked(tree: Path, **options: bool) -> list[Chunk]:
    return list(walk(str(tree), **options))


def _names(listing: read_ahead.Listing | None) -> list[str]:
    assert listing is not None
    return [file[0] for file in listing[1]]


def test_the_walk_finds_the_same_with_it(tree: Path, counted: list[ReadAhead]) -> None:
    alone = _walked(tree)
    assert not counted
    assert _walked(tree, read_ahead=True) == alone
    (ahead,) = counted
    assert type(ahead).used > 20  # every second folder, where many wait beside each other


def test_rules_and_globs_hold_for_what_it_lists(tree: Path, counted: list[ReadAhead]) -> None:
    rules = Selection(exclude=("b.png", "0*", "/more/1*")).rules()
    _, glob = Glob.parse(f"{tree}/*/*[!b].png")
    for options in ({"rules": rules}, {"glob": glob}):
        assert list(walk(str(tree), **options, read_ahead=True)) == list(walk(str(tree), **options))
    assert type(counted[0]).used > 5


def test_few_folders_need_no_second_process(tmp_path: Path, counted: list[ReadAhead]) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    assert len(_walked(tmp_path, read_ahead=True)) == 21
    assert not counted


def test_a_folder_is_seen_as_the_walk_sees_it(tree: Path) -> None:
    folder = tree / "01"
    names = ("b.png", "a.png", os.fsdecode(b"\xff.png"))
    seen = folder.stat()
    files = [(name, *stat_of(folder / name)) for name in sorted(names)]
    assert listing_of(f"{folder}/") == ((seen.st_dev, seen.st_ino), files, [])
    assert listing_of(f"{tree}/more/")[2] == [f"{number:02}" for number in range(40)]  # type: ignore[index]


def test_links_and_large_folders_are_left_to_the_walk(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listing_of(f"{tree}/03/") is None
    assert listing_of(f"{tree}/01/") is not None
    monkeypatch.setattr(read_ahead, "CHUNK", 3)
    assert listing_of(f"{tree}/01/") is None


def test_an_answer_is_given_once_and_for_the_folder_that_was_asked_for(tree: Path) -> None:
    ahead = ReadAhead()
    try:
        ahead.ask(f"{tree}/01/")
        assert ahead.expects(f"{tree}/01/")
        assert ahead.answer(f"{tree}/05/") is None
        assert _names(ahead.answer(f"{tree}/01/")) == ["a.png", "b.png", os.fsdecode(b"\xff.png")]
        assert ahead.answer(f"{tree}/01/") is None
        ahead.ask(f"{tree}/01/")
        ahead.ask(f"{tree}/more/00/")  # instead of the other one
        assert ahead.answer(f"{tree}/01/") is None
        assert _names(ahead.answer(f"{tree}/more/00/")) == ["c.png"]
    finally:
        ahead.close()


def test_a_folder_that_cannot_be_listed_has_no_answer_and_the_next_one_has(tree: Path) -> None:
    ahead = ReadAhead()
    try:
        ahead.ask(f"{tree}/gone/")
        assert ahead.answer(f"{tree}/gone/") is None
        ahead.ask(f"{tree}/more/00/")
        assert _names(ahead.answer(f"{tree}/more/00/")) == ["c.png"]
    finally:
        ahead.close()


def test_an_old_answer_is_not_used(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = ReadAhead()
    try:
        ahead.ask(f"{tree}/01/")
        later = read_ahead.time.monotonic() + 1.5
        monkeypatch.setattr(read_ahead.time, "monotonic", lambda: later)
        assert ahead.answer(f"{tree}/01/") is None
    finally:
        ahead.close()


def _no_python(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(sys, "executable", "")


def _frozen(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)


def _not_allowed(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(subprocess, "Popen", refused)


def _ends_at_once(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")


def _says_half(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    program = folder / "python"
    program.write_text("#!/bin/sh\nprintf '\\0\\0\\0\\011abc'\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize("trouble", [_no_python, _frozen, _not_allowed, _ends_at_once, _says_half])
def test_the_walk_finds_the_same_where_it_fails(
    tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trouble: Callable[[pytest.MonkeyPatch, Path], None]
) -> None:
    alone = _walked(tree)
    trouble(monkeypatch, tmp_path)
    assert _walked(tree, read_ahead=True) == alone


def test_the_walk_finds_the_same_when_it_is_killed_in_the_middle(tree: Path, counted: list[ReadAhead]) -> None:
    alone = _walked(tree)
    chunks = []
    for chunk in walk(str(tree), read_ahead=True):
        chunks.append(chunk)
        if len(chunks) == 30:
            process = counted[0]._process
            assert process is not None
            process.kill()
    assert chunks == alone


def test_a_walk_that_is_left_ends_it(tree: Path, counted: list[ReadAhead]) -> None:
    walking = walk(str(tree), read_ahead=True)
    while not counted:
        next(walking)
    process = counted[0]._process
    assert process is not None
    walking.close()
    assert process.returncode is not None


def test_it_ends_when_nobody_asks_any_more(tree: Path) -> None:
    command = [sys.executable, "-I", "-S", read_ahead.__file__]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
