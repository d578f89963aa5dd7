"""Entries added to a suppressions file, and what becomes of what was there."""

from __future__ import annotations

import multiprocessing
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moderate_cli.common.errors import UsageError
from moderate_cli.gate.gate import locate
from moderate_cli.gate.suppressions import SuppressionEntry, add_suppressions, parse_suppressions
from moderate_cli.settings.locate import Location

SHA = "0123456789abcdef" * 4
OLD = "- path: old\n  label: a\n  reason: b\n"
ENTRY = SuppressionEntry(sha256=SHA, label="violent_gun", reason="a toy", expires=date(2027, 1, 31))
ADDED = f"- sha256: {SHA}  # a.png\n  label: violent_gun\n  reason: a toy\n  expires: 2027-01-31\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".moderate-suppressions.yaml"


def _add(path: Path, entry: SuppressionEntry = ENTRY, comment: str | None = "a.png") -> int:
    [added] = add_suppressions(Location(path, path.name), [(entry, comment)])
    return added.line


def _text(path: Path) -> str:
    return path.read_bytes().decode()


def test_a_new_file_explains_itself(path: Path) -> None:
    line = _add(path)
    lines = _text(path).splitlines(keepends=True)
    assert all(each.startswith("# ") and len(each) <= 120 for each in lines[: line - 1])
    assert "".join(lines[line - 1 :]) == ADDED
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("before", "start"),
    [
        ("", ""),
        ("# mine", "\n"),
        ("# mine\n\n", ""),
        ("---\n", ""),
        (OLD, ""),
        (OLD.rstrip("\n"), "\n"),
        (OLD + "\n# the end\n", ""),
        ("\ufeff# mine\n" + OLD, ""),
        ("# - a comment\n-   path: old # here\n    label: a\n    reason: >\n      folded\n      text\n", ""),
        ("- {path: old, label: a, reason: b}\n", ""),
        (OLD + "- path: c\n  label: d\n  reason: |+\n    kept\n\n", ""),
    ],
)
def test_what_is_there_stays_as_it_is(path: Path, before: str, start: str) -> None:
    path.write_bytes(before.encode())
    known = parse_suppressions(before, "x")
    line = _add(path)
    assert _text(path) == before + start + ADDED
    assert parse_suppressions(_text(path), "x")[:-1] == known
    assert _text(path).split("\n")[line - 1].startswith(f"- sha256: {SHA}")


def test_the_manner_of_the_file_is_kept(path: Path) -> None:
    path.write_bytes(b"  - path: old\r\n    label: a\r\n    reason: b\r\n")
    assert _add(path) == 4
    added = "".join(f"  {line}\r\n" for line in ADDED.splitlines())
    assert _text(path) == "  - path: old\r\n    label: a\r\n    reason: b\r\n" + added


def test_entries_are_added_one_after_the_other(path: Path) -> None:
    lines = [_add(path, SuppressionEntry(path=f"{number}.png", label="*", reason="r"), None) for number in range(5)]
    assert [entry.line for entry in parse_suppressions(_text(path), "x")] == lines


def test_several_are_added_at_once_and_those_that_are_there_are_not(path: Path) -> None:
    path.write_text("# mine\n")
    entries = [SuppressionEntry(path=f"{number}.png", label="*", reason="r") for number in range(3)]
    location = Location(path, path.name)
    assert [each.line for each in add_suppressions(location, [(entry, None) for entry in entries[:2]])] == [2, 5]
    [added] = add_suppressions(location, [(entry, None) for entry in [*entries, entries[2]]])
    assert added == replace(entries[2], line=8)
    assert add_suppressions(location, [(entries[0], None)]) == ()
    assert [entry.path for entry in parse_suppressions(_text(path), "x")] == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize(
    "before", ["[]\n", "[{path: old, label: a, reason: b}]\n", OLD + "...\n", "null\n", f"{OLD}--- # another\n"]
)
def test_a_file_that_cannot_be_added_to_stays_as_it_is(path: Path, before: str) -> None:
    path.write_text(before)
    with pytest.raises(UsageError):
        _add(path)
    assert _text(path) == before
    assert list(path.parent.iterdir()) == [path]


def test_the_reason_why_it_cannot_be_added_to(path: Path) -> None:
    path.write_text("[{path: old, label: a, reason: b}]\n")
    with pytest.raises(UsageError) as caught:
        _add(path)
    assert caught.value.message == "cannot add to .moderate-suppressions.yaml: an entry at its end would not be read"
    assert "a dash before it" in (caught.value.hint or "")


def test_a_broken_file_is_not_added_to(path: Path) -> None:
    path.write_text("- path: old\n")
    with pytest.raises(UsageError, match=r"^\.moderate-suppressions\.yaml:1: the entry has no label$"):
        _add(path)
    assert _text(path) == "- path: old\n"


@given(
    name=st.text(min_size=1).filter(lambda text: text.strip() == text and not text.startswith(("/", "./"))),
    reason=st.text(min_size=1).map(lambda text: " ".join(text.split())).filter(bool),
    label=st.sampled_from(["*", "a", "no", "1.5", "图片", "a: b", "# x", "- x", "'", '"', "&a", "!b", "%c", "@d"]),
    comment=st.text(),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200, deadline=None
)
def test_every_text_comes_back_as_it_was(path: Path, name: str, reason: str, label: str, comment: str) -> None:
    from glob import escape

    path.unlink(missing_ok=True)
    known = escape(name.rstrip("/"))
    if not known or known.strip() != known:  # an entry whose path ends in white space is refused
        return
    _add(path, SuppressionEntry(path=known, label=label, reason=reason), None)
    _add(path, SuppressionEntry(sha256=SHA, label=label, reason=reason), comment)
    named, hashed = parse_suppressions(_text(path), "x")
    assert (named.path, named.label, named.reason) == (known, label, reason)
    assert (hashed.sha256, hashed.label, hashed.reason) == (SHA, label, reason)


@pytest.mark.parametrize("comment", ["a\nb.png", "caf\udce9.png", "\x1b[31m", "\u202e", "\ufffe", "ü 图", "# x"])
def test_an_odd_name_is_a_comment_on_one_line(path: Path, comment: str) -> None:
    path.write_text(OLD)
    _add(path, comment=comment)
    assert len(_text(path).splitlines()) == 7
    assert "\x1b" not in _text(path)
    assert "\u202e" not in _text(path)
    assert ("ü 图" in _text(path)) == (comment == "ü 图")


def test_a_link_stays_a_link_and_a_private_file_private(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text(OLD)
    real.chmod(0o600)
    path.symlink_to(real)
    _add(path)
    assert path.is_symlink()
    assert _text(real) == OLD + ADDED
    assert real.stat().st_mode & 0o777 == 0o600
    real.chmod(0o644)
    _add(path, replace(ENTRY, reason="another"))
    assert real.stat().st_mode & 0o777 == 0o644


def test_a_circle_of_links_is_no_file(path: Path) -> None:
    path.symlink_to(path.name)
    with pytest.raises(UsageError, match="cannot read"):
        _add(path)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "allow.yaml"
    _add(path)
    assert parse_suppressions(_text(path), "x")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        _add(tmp_path / "file" / "allow.yaml")


def _add_ten(path: Path, writer: int) -> None:
    for number in range(10):
        _add(path, SuppressionEntry(path=f"{writer}-{number}.png", label="*", reason="r"), None)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock of folders")
def test_two_at_once_lose_nothing(path: Path) -> None:
    processes = [multiprocessing.get_context("fork").Process(target=_add_ten, args=(path, n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * 4
    found = {entry.path for entry in parse_suppressions(_text(path), "x")}
    assert found == {f"{writer}-{number}.png" for writer in range(4) for number in range(10)}


def test_a_system_without_such_locks_can_write_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    _add(path)
    assert parse_suppressions(_text(path), "x")


@pytest.mark.skipif(sys.platform == "win32", reason="no modes here")
def test_nothing_is_added_to_a_file_that_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(OLD)
    path.parent.chmod(0o777)
    monkeypatch.chdir(path.parent)
    with pytest.raises(UsageError, match="its folder is world-writable") as caught:
        add_suppressions(locate(None), [(ENTRY, None)])
    assert caught.value.hint == "remove it, or name another file with --suppressions"
    assert _text(path) == OLD
    add_suppressions(locate(path), [(ENTRY, None)])


def test_an_entry_is_added_to_a_file_of_the_former_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    former = path.with_name(".moderateallow.yaml")
    former.write_text(OLD)
    add_suppressions(locate(None), [(ENTRY, None)])
    assert former.read_text().startswith(OLD)
    assert former.read_text() != OLD
    assert not path.exists()
