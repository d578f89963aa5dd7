"""`moderate history` from the outside: filters, formats, limits, forgetting, and how it ends."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from builders import NO_EXT, call, item, service_error, verdict
from formats import FORMATS
from jsonschema import Draft202012Validator
from past_builders import asked, at, sources, write_past, writing
from samples import TESTS

from moderate_cli.cli import history as command
from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Failed, Label, RiskLevel
from moderate_cli.records import record_schema
from moderate_cli.render import Format
from moderate_cli.store import Store
from moderate_cli.store.database import MIGRATIONS

ALL = [
    "notes.txt",
    "broken.png",
    "other/batch.png",
    "other/local.png",
    "photos/both.png",
    "photos/clean.png",
    "photos/gun.png",
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_past(tmp_path / "store.db")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], ALL),
        (["--label", "!=nonLabel"], ["other/batch.png", "photos/both.png", "photos/gun.png"]),
        (["--label", "contraband_drug"], ["photos/both.png"]),
        (["--label", "contraband_drug, nonLabel"], ["other/local.png", "photos/both.png", "photos/clean.png"]),
        (["--label", "violent_gun", "--label", "!=contraband_drug"], ["other/batch.png", "photos/gun.png"]),
        (["--label", "!=nonLabel,contraband_drug"], ["other/batch.png", "photos/gun.png"]),
        (["--risk", "high,low"], ["photos/both.png", "photos/gun.png"]),
        (["--risk", "HIGH, Low"], ["photos/both.png", "photos/gun.png"]),
        (["--risk", "high", "--risk", "medium"], ["other/batch.png", "photos/gun.png"]),
        (["-s", "tonalityImprove"], ["other/batch.png"]),
        (["--source", "photos/*"], ["photos/both.png", "photos/clean.png", "photos/gun.png"]),
        (["--source", "*o*.png", "--risk", "low"], ["photos/both.png"]),
        (["--request-id", "R-photos/clean.png"], ["photos/clean.png"]),
        (["--data-id", "d2"], ["other/local.png"]),
        (["--since", "2025-12-02"], ["notes.txt", "broken.png", "other/batch.png"]),
        (["--until", "2025-11-30"], ["photos/gun.png"]),
        (["--since", "2025-12-01T10:00", "--until", "2025-12-01T19:00+08:00"], ["photos/both.png"]),
        (["--status", "failed"], ["broken.png"]),
        (["--limit", "2"], ALL[:2]),
        (["--label", "!=nonLabel", "--limit", "1"], ["other/batch.png"]),
        (["--limit", "0"], []),
    ],
)
def test_each_filter(moderate: Callable, store: Path, arguments: list[str], found: list[str]) -> None:
    done = moderate("history", *arguments, "--store", store)
    assert (done.code, sources(done.records)) == (ExitCode.OK, found)
    assert done.stderr == ("" if found else "moderate: no result found\n")


def test_ages_are_from_now(tmp_path: Path) -> None:
    path = write_past(tmp_path / "store.db")
    now = at("2025-12-02T12:00:00")
    done = asked("history", "--since", "1d", "--store", path, now=now)
    assert sources(done.records) == ALL[:3]
    assert sources(asked("history", "--until", "1d", "--store", path, now=now).records) == ALL[3:]


def test_records_are_those_of_the_run_and_fit_their_schema(moderate: Callable, store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        kept = [json.loads(text) for (text,) in connection.execute("SELECT record FROM results ORDER BY number DESC")]
    records = moderate("history", "--store", store).records
    assert records == kept
    schema = Draft202012Validator(json.loads(record_schema()))
    assert [error for record in records for error in schema.iter_errors(record)] == []
    document = json.loads(moderate("history", "-f", "json", "--store", store).stdout)
    assert document["results"] == kept
    assert (document["summary"]["judged"], document["summary"]["failed"]) == (5, 1)


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """A store with a failed answer in which something could be read, and with an image of a library of exemptions."""
    gun = Label("violent_gun", 70.0, risk_level=RiskLevel.HIGH, service="baselineCheck")
    half = Failed(**_known("half.png"), error=service_error(), verdict=verdict("high", gun, billed_calls=1))
    with writing(tmp_path / "partial.db") as writer:
        writer.tell("2025-12-01", half)
        writer.add("2025-12-02", "exempt.png", "nonLabel_lib")
    return tmp_path / "partial.db"


def _known(source: str) -> dict[str, Any]:
    return {"item": item(source), "call": call()}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--risk", "high"], ["half.png"]),
        (["--label", "violent_gun"], ["half.png"]),
        (["--label", "!=nonLabel"], ["half.png"]),
        (["--label", "nonLabel_lib"], ["exempt.png"]),
        (["--label", "nonLabel"], ["exempt.png"]),
        (["--label", "!=nonLabel_lib"], ["half.png"]),
    ],
)
def test_what_could_be_read_of_a_failed_answer_is_found(
    moderate: Callable, partial: Path, arguments: list[str], found: list[str]
) -> None:
    done = moderate("history", *arguments, "--store", partial)
    assert (done.code, sources(done.records)) == (ExitCode.OK, found)


def test_a_finding_of_a_failed_answer_can_be_a_false_positive(moderate: Callable, partial: Path) -> None:
    moderate("feedback", "R-half.png", "false-positive", "--note", "a toy", "--store", partial)
    [record] = moderate("history", "--risk", "high", "--store", partial).records
    assert (record["status"], record["risk_level"]) == ("failed", "high")
    assert [label["suppressed"]["reason"] for label in record["labels"]] == ["a toy"]


@pytest.mark.parametrize("choice", FORMATS)
def test_it_is_shown_in_every_format(moderate: Callable, partial: Path, choice: Format) -> None:
    assert "half.png" in moderate("history", "-f", choice, "--store", partial).stdout


def test_records_of_schema_1_are_shown_in_schema_2(moderate: Callable, store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        kept = [json.loads(text) for (text,) in connection.execute("SELECT record FROM results")]
        for record in kept:
            connection.execute("UPDATE results SET record = ? WHERE source = ?", (_old(record), record["source"]))
        connection.commit()
    done = moderate("history", "--store", store)
    schema = Draft202012Validator(json.loads(record_schema()))
    assert [error for record in done.records for error in schema.iter_errors(record)] == []
    assert sorted(sources(done.records)) == sorted(sources(kept))
    assert {record["source"]: record["judged_at"] for record in done.records} == {
        record["source"]: record["judged_at"] for record in kept
    }


def _old(record: dict[str, Any]) -> str:
    newer = {"judged_at", "reported_level", "gate", "coverage", "notes", "billed_calls", "decision"}
    return json.dumps({name: value for name, value in record.items() if name not in newer} | {"schema": 1})


def test_whoever_opens_an_older_store_first_is_told_what_is_not_reused(
    moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        patch.setattr("moderate_cli.store.database.MIGRATIONS", MIGRATIONS[:6])
        Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        names = "judged_at, status, risk_level, question, record"
        connection.execute(f"INSERT INTO results ({names}) VALUES (1.0, 'judged', 'none', 'Q', '{{}}')")
    said = "moderate: 1 'none' verdicts of an earlier version will not be reused"
    assert said in moderate("stats", "--store", path).stderr
    assert said not in moderate("stats", "--store", path).stderr


BEGINNINGS = {
    "table": "Risk",
    "jsonl": "{",
    "json": "{",
    "csv": '"source",',
    "markdown": "#",
    "sarif": "{",
    "junit": "<?xml",
    "github": "::",
    "html": "<!doctype html>",
}


@pytest.mark.parametrize("choice", FORMATS)
def test_every_format(moderate: Callable, store: Path, tmp_path: Path, choice: Format) -> None:
    done = moderate("history", "-f", choice, "--store", store)
    assert (done.code, done.stderr) == (ExitCode.OK, "")
    assert done.stdout.startswith(BEGINNINGS[choice])
    assert ("R-photos/gun.png" if choice == "table" else "photos/gun.png") in done.stdout
    assert moderate("history", "-f", choice, "-o", tmp_path / "report", "--store", store).stdout == ""
    if choice != "html":  # it says when it was written
        assert (tmp_path / "report").read_bytes().decode() == done.stdout


@pytest.mark.parametrize("choice", FORMATS)
def test_nothing_found_is_a_whole_document_too(moderate: Callable, tmp_path: Path, choice: Format) -> None:
    with writing(tmp_path / "store.db"):
        pass
    done = moderate("history", "-f", choice, "--store", tmp_path / "store.db")
    assert (done.code, done.stderr) == (ExitCode.OK, "moderate: no result found\n")
    if choice in {"json", "sarif"}:
        json.loads(done.stdout)
    elif choice == "csv":
        assert list(csv.DictReader(io.StringIO(done.stdout, newline=""))) == []
    elif choice in {"jsonl", "table"}:
        assert done.stdout == ""


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_table_fits_and_tells_all(moderate: Callable, store: Path, width: int) -> None:
    shown = moderate("history", "--store", store, "--color", "never", terminal=True, columns=width).stdout
    assert max(map(len, shown.splitlines())) <= width
    block = shown[shown.index("photos/both.png") : shown.index("photos/clean.png")]
    for word in ("violent_gun  81.22", "contraband_drug", "2025-12-01 10:00:00", "request R-photos/"):
        assert word in block
    assert "local engine" in " ".join(shown.split())
    assert "not_found" in shown


def test_colour_is_for_terminals(moderate: Callable, store: Path) -> None:
    assert "\x1b[" in moderate("history", "--store", store, terminal=True).stdout
    assert "\x1b[" not in moderate("history", "--store", store, "-f", "table").stdout


CUT = "only the newest 2 are listed; --limit N lists more, --all lists all"


@pytest.mark.parametrize("choice", ["table", "jsonl", "csv"])
def test_a_terminal_gets_a_screenful_and_is_told(
    moderate: Callable, store: Path, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    monkeypatch.setattr(command, "SCREENFUL", 2)

    def shown(*arguments: str, terminal: bool = True) -> str:
        done = moderate("history", "-f", choice, *arguments, "--store", store, "--color", "never", terminal=terminal)
        assert done.code == ExitCode.OK
        return done.stdout if choice == "table" else done.stdout + done.stderr

    assert "other/batch.png" not in shown()
    assert shown().endswith(f"{CUT}\n")
    for text in (shown("--all"), shown("--limit", "9"), shown(terminal=False)):
        assert "photos/gun.png" in text
        assert CUT not in text
    assert CUT not in shown("--limit", "1")


@pytest.fixture
def again(store: Path) -> Path:
    """The past, of which one image was judged again, and found clean."""
    with writing(store) as writer:
        writer.add("2025-12-03", "photos/gun.png", request_id="R-again")
    return store


def test_the_latest_result_of_an_image_is_listed_and_each_on_request(moderate: Callable, again: Path) -> None:
    note = "only the latest result of each image is listed; --runs lists each"
    done = moderate("history", "--store", again)
    assert (sources(done.records), done.stderr) == (["photos/gun.png", *ALL[:-1]], f"moderate: {note}\n")
    assert sources(moderate("history", "--risk", "high", "--store", again).records) == []
    assert moderate("history", "-f", "table", "--store", again).stdout.endswith(f"\n{note}\n")
    done = moderate("history", "--runs", "--store", again)
    assert (sources(done.records), done.stderr) == (["photos/gun.png", *ALL], "")


def test_a_certain_result_is_found_though_it_is_not_the_latest(moderate: Callable, again: Path) -> None:
    assert len(moderate("history", "--request-id", "R-photos/gun.png", "--store", again).records) == 1
    moderate("feedback", "R-photos/gun.png", "missed", "--store", again)
    assert len(moderate("history", "--decision", "missed", "--store", again).records) == 1
    assert len(moderate("history", "--until", "2025-11-30", "--store", again).records) == 1


def test_an_image_is_found_by_its_hash_or_its_file(moderate: Callable, tmp_path: Path) -> None:
    file = tmp_path / "copy.bin"
    file.write_bytes(b"the image")
    known = hashlib.sha256(b"the image").hexdigest()
    with writing(tmp_path / "store.db") as writer:
        writer.add("2025-12-01", "a.png", sha256=known)
        writer.add("2025-12-01", "b.png", sha256="0" * 64)
    for name in (known, known.upper(), str(file)):
        assert sources(moderate("history", "--sha256", name, "--store", tmp_path / "store.db").records) == ["a.png"]


def test_an_image_is_found_by_its_text(moderate: Callable, tmp_path: Path) -> None:
    text = {"ocr_result": [{"text": "澳门赌博"}], "risk_word": [], "custom_text": [{"key_words": "Casino"}]}
    with writing(tmp_path / "store.db") as writer:
        writer.add("2025-12-01", "a.png", ext={**NO_EXT, "text_in_image": text})
        writer.add("2025-12-01", "b.png")
    for word in ("赌博", "casino"):
        assert sources(moderate("history", "--text", word, "--store", tmp_path / "store.db").records) == ["a.png"]
    done = moderate("history", "--text", "nothing", "--store", tmp_path / "store.db")
    assert (done.stdout, done.stderr) == ("", "moderate: no result found\n")


def test_a_source_without_a_star_is_a_whole_name(moderate: Callable, store: Path) -> None:
    done = moderate("history", "--source", "photos", "--store", store)
    assert done.stderr.splitlines()[1] == "moderate: --source takes a whole name, or a GLOB such as '*photos*'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "2025-13-01"], "--since must be a date, a date with a time, or an age such as 7d"),
        (["--until", "soon"], "--until must be a date"),
        (["--since", "nan d"], "--since must be a date"),
        (["--since", "2025-12-02", "--until", "2025-12-01"], "--since 2025-12-02 is not before --until 2025-12-01"),
        (["--risk", "awful"], "--risk 'awful' is not a risk level (they are high, medium, low, none)"),
        (["--label", "!=!=a"], "--label '!=a' is not a label (!= stands once, before the whole list)"),
        (["--label", "!="], "--label is empty"),
        (["-s", " , "], "--service is empty"),
        (["--limit", "-1"], "--limit must be a whole number of at least 0, not -1"),
        (["--status", "pending"], "--status must be judged, skipped or failed, not 'pending'"),
        (["--limit", "3", "--all"], "--all and --limit contradict each other"),
        (["--text", " "], "--text is empty"),
        (["--text", "x" * 1001], "--text takes 1000 characters at most"),
        (["--request-id", ""], "--request-id is empty"),
        (["--source", ""], "--source is empty"),
        (["--sha256", "abc"], "--sha256 takes 64 hexadecimal digits or a file, and 'abc' is neither: No such file"),
        (["--sha256", "a\0b"], "--sha256 takes 64 hexadecimal digits or a file"),
        (["--prune", "1d", "--runs"], "--prune takes no filters"),
        (["--prune", "soon"], "--prune must be an age such as 30m, 12h or 90d, not 'soon'"),
        (["--prune", "90d", "--label", "a"], "--prune takes no filters"),
        (["--prune", "90d"], "--prune needs --yes when stdin is not a terminal"),
    ],
)
def test_what_is_refused(store: Path, arguments: list[str], said: str) -> None:
    done = asked("history", *arguments, "--store", store, terminal=False)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(asked("history", "--store", store).records) == len(ALL)


def test_unknown_names_are_looked_for_and_explained_where_nothing_is_found(moderate: Callable, tmp_path: Path) -> None:
    with writing(tmp_path / "store.db") as writer:
        writer.add("2025-12-01", "new.png", "brand_new_label", level="high", services=["brandNewService"])
    at_store = ["--store", str(tmp_path / "store.db")]
    done = moderate("history", "--label", "brand_new_label", "-s", "brandNewService", *at_store)
    assert (sources(done.records), done.stderr) == (["new.png"], "")
    done = moderate("history", "--label", "violent_gnu,violent_gun,nonLabel", "-s", "baselinechek", *at_store)
    assert (done.code, done.stdout) == (ExitCode.OK, "")
    assert done.stderr.splitlines() == [
        "moderate: no result found",
        "moderate: unknown label violent_gnu (did you mean violent_gun?)",
        "moderate: unknown service baselinechek (did you mean baselineCheck?)",
    ]


def test_a_named_store_that_is_not_there_is_an_error(moderate: Callable, tmp_path: Path) -> None:
    done = moderate("history", "--store", tmp_path / "none.db")
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr.endswith("none.db (judging commands create it)\n")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("no database, and longer than a header would be" * 99)
    assert "is not an SQLite database" in moderate("history", "--store", tmp_path / "text.db").stderr


def test_without_a_store_nothing_was_judged(moderate: Callable) -> None:
    done = moderate("history")
    assert (done.code, done.stdout, done.stderr) == (ExitCode.OK, "", "moderate: no result found\n")


@pytest.mark.parametrize("broken", ['{"status": "judged", "source": 1}', "{", "5", "[]"])
def test_records_that_cannot_be_read_are_left_out_and_counted(moderate: Callable, store: Path, broken: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE results SET record = ? WHERE source LIKE 'photos/%'", (broken,))
        connection.commit()
    done = moderate("history", "-f", "json", "--store", store)
    assert done.code == ExitCode.INCOMPLETE
    assert done.stderr == "moderate: 3 results of another version, or damaged, cannot be read: skipped\n"
    assert len(json.loads(done.stdout)["results"]) == 4


@pytest.mark.parametrize(("answer", "left"), [("y\n", 3), ("YES\n", 3), ("n\n", 7), ("\n", 7), ("", 7)])
def test_forgetting_asks_first(store: Path, answer: str, left: int) -> None:
    now = at("2025-12-02T12:00:00")
    done = asked("history", "--prune", "1d", "--store", store, answer=answer, now=now)
    assert (done.code, done.stdout) == (ExitCode.OK, "")
    question, said = done.stderr.split(" [y/N] ")
    assert question == f"delete all results in {store} older than 2025-12-01 12:00 UTC?"
    if left == 3:
        assert said == "moderate: deleted 4 results, 0 runs, 0 finished tasks, 0 seen files, 0 decisions\n"
    else:
        ends_line = "" if answer else "\n"  # there is no newline of an answer
        assert said == f"{ends_line}moderate: nothing to delete\n"
    assert len(asked("history", "--store", store).records) == left


def test_forgetting_with_agreement_asks_nobody(moderate: Callable, store: Path) -> None:
    moderate("feedback", "R-photos/gun.png", "missed", "--store", store)
    done = moderate("history", "--prune", "1h", "--yes", "--store", store)
    assert done.stderr == "moderate: deleted 7 results, 0 runs, 0 finished tasks, 0 seen files, 1 decision\n"
    assert moderate("history", "--store", store).records == []


def _fill(path: Path, count: int) -> Path:
    with writing(path) as writer:
        for number in range(count):
            writer.add("2025-12-01", f"photos/{number}.png")
    return path


def test_the_reader_may_go_away(tmp_path: Path) -> None:
    path = _fill(tmp_path / "store.db", 600)
    script = f"set -o pipefail; '{sys.executable}' -m moderate_cli history --store '{path}' | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, "")
    assert json.loads(done.stdout)["source"] == "photos/599.png"


def test_who_interrupts_it_gets_a_whole_document(tmp_path: Path) -> None:
    path = _fill(tmp_path / "store.db", 600)
    command = [sys.executable, "-m", "moderate_cli", "history", "-f", "json", "--store", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout
        begin = process.stdout.read(1)  # more than a pipe holds is still to come
        process.send_signal(signal.SIGINT)
        rest, problems = process.communicate(timeout=60)
    assert (process.returncode, problems) == (ExitCode.INTERRUPTED, b"")
    document = json.loads(begin + rest)
    assert 0 < len(document["results"]) < 600
    assert document["summary"]["judged"] == len(document["results"])


def test_a_page_has_the_picture_from_any_folder(
    moderate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_in, asked_in = tmp_path / "judged", tmp_path / "asked"
    for folder in (judged_in, asked_in):
        folder.mkdir()
    shutil.copy(TESTS / "data" / "poster-qr.png", judged_in / "a.png")
    os.utime(judged_in / "a.png", (1_700_000_000, 1_700_000_000))  # one that changed just now is not remembered
    path = tmp_path / "pictures.db"
    monkeypatch.chdir(judged_in)
    assert moderate("sync", ".", "-p", "local", "--store", path).code == ExitCode.OK
    monkeypatch.chdir(asked_in)
    assert "data:image/jpeg" in moderate("history", "-f", "html", "--store", path).stdout
    (judged_in / "a.png").write_bytes(b"another one")
    assert "data:image/jpeg" not in moderate("history", "-f", "html", "--store", path).stdout
