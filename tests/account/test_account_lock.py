"""The lock file is read strictly, written whole, and tells which image is which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moderate_cli.account.lock import LOCK_NAME, LibraryLock, Lock, UnsettledError, lock_path, read_lock, write_lock
from moderate_cli.common.errors import ModerateError, UsageError

A, B = "a" * 64, "b" * 64


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = lock_path(tmp_path / "moderate-rules.yaml")
    assert path == tmp_path / LOCK_NAME
    assert read_lock(path) == Lock()
    lock = Lock().with_library("品牌", LibraryLock({A: "7", B: "8"}, ("9",), A))
    write_lock(path, lock)
    assert read_lock(path) == lock
    assert json.loads(path.read_text())["image_libraries"]["品牌"]["images"] == {A: "7", B: "8"}
    lines = path.read_text().splitlines()
    assert len([line for line in lines if A in line or B in line]) == 3, "an image a line, so that they can be merged"
    assert [each.name for each in tmp_path.iterdir()] == [LOCK_NAME]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}}",
        '{"version": 2}',
        '{"version": 1, "libraries": {}}',
        '{"version": 1, "image_libraries": {"a": {"images": {"short": "1"}}}}',
        json.dumps({"version": 1, "image_libraries": {"a": {"images": {A: 1}}}}),
        json.dumps({"version": 1, "image_libraries": {"a": {"images": {A: ""}}}}),
        '<<<<<<< ours\n{"version": 1}\n=======\n',
        "\xff",
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / LOCK_NAME
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match="not a lock file of image libraries") as error:
        read_lock(path)
    assert error.value.hint
    assert "version control" in error.value.hint


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModerateError, match="cannot write the lock file"):
        write_lock(tmp_path / "file" / LOCK_NAME, Lock())


def test_it_is_settled_by_what_the_account_has() -> None:
    lock = LibraryLock({A: "1"}, ("2",), B)
    assert lock.settled("x", ["1", "2"]) == LibraryLock({A: "1"}, ("2",)), "it was not added"
    assert lock.settled("x", ["1", "2", "3"]) == LibraryLock({A: "1", B: "3"}, ("2",)), "it was added"
    assert lock.settled("x", ["3"]) == LibraryLock({B: "3"}, ()), "and the others were removed"
    with pytest.raises(UnsettledError):
        lock.settled("x", ["1", "2", "3", "4"])
    assert LibraryLock({A: "1"}).settled("x", ["1", "5", "6"]) == LibraryLock({A: "1"}, ("5", "6"))


def test_a_full_account_is_settled_at_once() -> None:
    images = {f"{number:064x}": str(number) for number in range(100_000)}
    settled = LibraryLock(images).settled("brand", [*images.values()][1:])
    assert len(settled.images) == 99_999
