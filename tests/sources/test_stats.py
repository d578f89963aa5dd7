"""Two processes that look at the files of one walk see what one sees, in the same order."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from trees import put, stat_of

from moderate_cli.sources import Sources, folders, stat_process, stats
from moderate_cli.sources.folders import Chunk, walk
from moderate_cli.sources.selection import Rules
from moderate_cli.sources.stats import Stats

pytestmark = pytest.mark.skipif(not stats._IS_POSSIBLE, reason="needs two processors, and files opened by descriptor")

NOT_UTF_8 = os.fsdecode(b"photo-\xff.png")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of many sizes, with links, names of all kinds and what is no file."""
    monkeypatch.setattr(stats, "_GROUP", 7)
    monkeypatch.setattr(folders, "CHUNK", 10)
    for number in range(12):
        put(tmp_path, *(f"{number:02}/{name:02}.png" for name in range(number * 2)))
    put(tmp_path, "00/\u202eevil\n.png", f"00/{NOT_UTF_8}", "03/deep/er/a.png")
    (tmp_path / "02" / "00a-link.png").symlink_to(tmp_path / "11" / "00.png")
    (tmp_path / "02" / "nowhere.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "04" / "pipe.png")
    (tmp_path / "empty").mkdir()
    return tmp_path


def _chunks(tree: Path, opened: Stats | None = None) -> list[Chunk]:
    return [replace(chunk) for chunk in walk(str(tree), stats=opened)]


def test_the_chunks_are_those_of_one_process(tree: Path) -> None:
    with Stats(worth_it=0) as opened:
        chunks = _chunks(tree, opened)
        assert opened._process is not None
    assert chunks == _chunks(tree)
    assert opened._process.returncode is not None


def test_a_walk_that_is_left_ends_the_process(tree: Path) -> None:
    with Stats(worth_it=0) as opened:
        walked = walk(str(tree), stats=opened)
        for _ in range(8):
            next(walked)
        process = opened._process
    assert process is not None
    assert process.returncode is not None


@pytest.mark.parametrize("after", [1, 3, 8])
def test_a_process_that_dies_costs_no_file(tree: Path, after: int) -> None:
    chunks = []
    with Stats(worth_it=0) as opened:
        for number, chunk in enumerate(walk(str(tree), stats=opened)):
            if number == after and opened._process:
                os.kill(opened._process.pid, signal.SIGKILL)
                opened._process.wait()
            chunks.append(replace(chunk))
    assert chunks == _chunks(tree)


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/true"])
def test_a_process_that_cannot_be_started_costs_no_file(
    tree: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats.sys, "executable", program)
    with Stats(worth_it=0) as opened:
        assert _chunks(tree, opened) == _chunks(tree)


def test_a_folder_that_the_other_process_cannot_open_is_looked_at_here(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stats.send

    def send(content: list, stream: io.BytesIO) -> None:
        real([(f"{folder}/nowhere", names) for folder, names in content], stream)

    monkeypatch.setattr(stats, "send", send)
    with Stats(worth_it=0) as opened:
        assert _chunks(tree, opened) == _chunks(tree)


def test_few_may_be_known_before_those_in_front_of_them(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "_WAITING", 0)
    with Stats(worth_it=0) as opened:
        assert _chunks(tree, opened) == _chunks(tree)


@pytest.mark.parametrize("files", [0, 1])
def test_many_small_folders_wait_in_bounded_numbers(
    tmp_path: Path, files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "_WAITING", 20)
    put(tmp_path, "first.png", *(f"{number}/{name}.png" for number in range(100) for name in range(files)))
    for number in range(100):
        (tmp_path / str(number)).mkdir(exist_ok=True)
    read = 0

    def counted(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        nonlocal read
        for chunk in chunks:
            read += 1
            yield chunk

    with Stats(worth_it=0) as opened:
        walked = opened.in_order(
            counted(folders._walk(folders._Folder.root(str(tmp_path), Rules(), None), None, opened))
        )
        assert next(walked).files
        assert read <= 21
        assert all(chunk.names for chunk in opened._group)
        assert len(list(walked)) == 100


def test_many_open_files_are_no_hindrance(tree: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 2_000:
        pytest.skip("needs 2,000 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 2_000), before[1]))
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        for _ in range(1_030):  # select takes no descriptor above 1,023
            held.enter_context(Path(os.devnull).open())
        with Stats(worth_it=0) as opened:
            assert _chunks(tree, opened) == _chunks(tree)


def test_a_short_walk_starts_no_process(tree: Path) -> None:
    with Stats() as opened:
        assert _chunks(tree, opened) == _chunks(tree)
        assert opened._process is None


def test_only_what_may_be_spared_is_worth_a_process(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderate_cli.sources.Stats", lambda: pytest.fail("not worth it"))
    assert len(list(Sources([str(tree)]))) > 100


def test_the_other_process_answers_each_request(tmp_path: Path) -> None:
    put(tmp_path, "a.png", NOT_UTF_8)
    (tmp_path / "sub").mkdir()
    requests, replies = io.BytesIO(), io.BytesIO()
    stat_process.send(
        [(str(tmp_path), ["a.png", "gone.png", NOT_UTF_8]), (str(tmp_path / "gone"), ["b.png"])], requests
    )
    stat_process.send([(str(tmp_path), ["x" * 300])], requests)
    requests.seek(0)
    stat_process.serve(requests, replies)
    replies.seek(0)
    seen = [(name, *stat_of(tmp_path / name)) for name in ("a.png", NOT_UTF_8)]
    assert stat_process.receive(replies) == [(seen, []), None]
    assert stat_process.receive(replies) == [([], ["x" * 300])]
    assert stat_process.receive(replies) is None


def test_an_answer_that_is_cut_off_is_none() -> None:
    stream = io.BytesIO()
    stat_process.send([("/photos", ["a.png"])], stream)
    assert stat_process.receive(io.BytesIO(stream.getvalue()[:-1])) is None
