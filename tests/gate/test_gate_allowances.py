"""Which entries are about an image, and what is said of those that are of no use."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest
from builders import SHA256, item, judged
from msgspec.structs import replace

from moderate_cli.gate.suppressions import SuppressionEntry, Suppressions
from moderate_cli.models import Image, ImageUrl, Item, Judged, LocalFile, OssObject, QueuedTask
from moderate_cli.results import Suppression

TODAY = date(2026, 11, 21)


def _suppressions(*entries: SuppressionEntry, folder: Path | None = None, today: date = TODAY) -> Suppressions:
    numbered = [replace(entry, line=number) for number, entry in enumerate(entries, start=1)]
    return Suppressions(numbered, name="the file", folder=folder or Path.cwd(), today=today)


def _entry(label: str = "a", **facts: str | date) -> SuppressionEntry:
    return SuppressionEntry(label=label, reason=f"for {label}", **facts)  # type: ignore[arg-type]


def _outcome(source: str = "a.png", image: Image | QueuedTask | None = None, sha256: str | None = None) -> Judged:
    found = judged("high", "a", source=source)
    return replace(found, item=replace(item(source), image=image or LocalFile(Path(source))), sha256=sha256)


def _allows(entry: SuppressionEntry, outcome: Judged, folder: Path | None = None) -> bool:
    return bool(_suppressions(entry, folder=folder).about(outcome))


def test_a_hash_is_the_content_wherever_it_lies() -> None:
    entry = _entry(sha256=SHA256)
    assert _allows(entry, _outcome("x/y.png", sha256=SHA256))
    assert _allows(entry, _outcome("https://a.example/b", ImageUrl("https://a.example/b"), sha256=SHA256))
    assert not _allows(entry, _outcome(sha256="cd" * 32))
    assert not _allows(entry, _outcome())


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("a.png", "a.png", True),
        ("a.png", "./a.png", True),
        ("a.png", "b/../a.png", True),
        ("b/a.png", "b/a.png", True),
        ("b/*.png", "b/a.png", True),
        ("b/a.png", "a.png", False),
        ("a.png", "b/a.png", False),
        ("**/a.png", "b/c/a.png", True),
        ("../a.png", "../a.png", True),
        ("A.png", "a.png", False),
        ("*", "b/a.png", False),
    ],
)
def test_a_path_starts_at_the_files_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, source: str, expected: bool
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    entry = _entry(path=path)
    assert _allows(entry, _outcome(source), Path()) == expected
    assert _allows(entry, _outcome(str(tmp_path / "here" / source)), Path()) == expected
    assert _allows(entry, _outcome(source), tmp_path / "here") == expected
    monkeypatch.chdir(tmp_path)
    assert _allows(entry, _outcome(f"here/{source}"), tmp_path / "here") == expected
    assert _allows(entry, _outcome(f"here/{source}"), Path("here")) == expected


@pytest.mark.parametrize(
    ("path", "source", "image", "expected"),
    [
        ("https://a.example/x.png", "https://a.example/x.png", ImageUrl("https://a.example/x.png"), True),
        ("https://a.example/**", "https://a.example/x/y.png", ImageUrl("https://a.example/x/y.png"), True),
        ("https://a.example/x/", "https://a.example/x/", ImageUrl("https://a.example/x/"), True),
        ("https://*/x.png", "https://a.example/x.png", ImageUrl("https://a.example/x.png"), True),
        ("x.png", "https://a.example/x.png", ImageUrl("https://a.example/x.png"), False),
        ("oss://b/k/*", "oss://b/k/x.png", OssObject("b", "k/x.png"), True),
        ("a/b.png", "a/b.png", QueuedTask("task", "image"), True),
        ("posts/**", "posts/a.yaml#2", QueuedTask("task", "multimodal"), True),
        ("task", "task", QueuedTask("task", "image"), True),
    ],
)
def test_what_is_no_file_of_this_machine_goes_by_its_name(
    path: str, source: str, image: Image | QueuedTask, expected: bool
) -> None:
    assert _allows(_entry(path=path), _outcome(source, image)) == expected


@pytest.mark.parametrize("source", ["", "\0", "a\nb", "caf\udce9.png", "-"])
def test_no_name_is_too_odd(source: str) -> None:
    outcome = replace(_outcome(), item=Item(source, ImageUrl("https://a.example")))
    assert _allows(_entry(path="**"), outcome)
    assert not _allows(_entry(path="b.png"), outcome)


def test_the_first_entry_is_named_and_all_are_of_use() -> None:
    suppressions = _suppressions(
        _entry("*", path="**/*.png"), _entry("a", path="x/a.png"), _entry("a", sha256=SHA256), _entry("b", path="x/*")
    )
    about = suppressions.about(_outcome("x/a.png", sha256=SHA256))
    assert [entry.line for entry in about] == [1, 2, 3, 4]
    assert suppressions.match("a", about) == Suppression("a", None, "for *", "the file:1")
    assert list(suppressions.notes(complete=True)) == ["1 entry of the file suppressed nothing: line 4"]


def test_a_label_is_compared_exactly() -> None:
    suppressions = _suppressions(_entry("violent_gun", path="a.png"))
    about = suppressions.about(_outcome())
    for label in ("violent_Gun", "violent_gun_lib", "violent", ""):
        assert suppressions.match(label, about) is None
    assert suppressions.match("violent_gun", about)


def test_an_entry_counts_through_its_last_day() -> None:
    entry = _entry(path="a.png", expires=date(2026, 11, 21))
    for day, counts in ((20, True), (21, True), (22, False)):
        suppressions = _suppressions(entry, today=date(2026, 11, day))
        assert bool(suppressions.about(_outcome())) == counts


def test_expired_entries_are_reported_always_and_unused_ones_after_complete_runs() -> None:
    past = date(2026, 11, 20)
    suppressions = _suppressions(
        _entry("a", path="a.png"),
        _entry("b", path="a.png", expires=past),
        _entry("c", path="a.png"),
        _entry("d", path="a.png", expires=TODAY),
    )
    suppressions.match("a", suppressions.about(_outcome()))
    expired = "1 entry of the file has expired: line 2 (2026-11-20)"
    assert list(suppressions.notes(complete=False)) == [expired]
    assert list(suppressions.notes(complete=True)) == [
        expired,
        "2 entries of the file suppressed nothing: line 3, line 4",
    ]


def test_entries_that_are_of_use_are_not_mentioned() -> None:
    suppressions = _suppressions(_entry(path="a.png"), _entry(path="a.png"))
    suppressions.match("a", suppressions.about(_outcome()))
    assert list(suppressions.notes(complete=True)) == []


def test_a_note_names_ten_lines_at_most() -> None:
    past = [_entry(path="a.png", expires=date(2020, 1, 1))] * 12
    suppressions = _suppressions(*[_entry(path="a.png")] * 11, *past)
    expired, unused = suppressions.notes(complete=True)
    lines = ", ".join(f"line {number}" for number in range(1, 11))
    assert unused == f"11 entries of the file suppressed nothing: {lines} and 1 more"
    assert expired.startswith("12 entries of the file have expired: line 12 (2020-01-01), ")
    assert expired.endswith("line 21 (2020-01-01) and 2 more")


def test_no_glob_takes_long(tmp_path: Path) -> None:
    globs = ("*a*a*a*a*a*a*ab*", "**a**a**a**a**a**b", "**/*a*a*/**/*a*a*/**/b", "[a-z]*[a-z]*[a-z]*[a-z]*b")
    suppressions = _suppressions(*(_entry(path=glob) for glob in globs), folder=tmp_path)
    outcomes = [_outcome(str(tmp_path / "/".join(["a" * length] * (250 // length)))) for length in (1, 25, 250)]
    started = time.process_time()
    assert not any(map(suppressions.about, outcomes))
    assert time.process_time() - started < 0.1 * len(globs)
