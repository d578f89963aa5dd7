"""`moderate feedback` from the outside, and what the history makes of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from formats import FORMATS
from past_builders import asked, sources, write_past, writing

from moderate_cli.common.errors import ExitCode
from moderate_cli.render import Format

KEPT = "(kept on this machine, until it is sent: the vendor is not told)"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOGNAME", "mo")
    return write_past(tmp_path / "store.db")


def test_it_is_kept_with_its_note_and_found_again(moderate: Callable, store: Path) -> None:
    note = "  a bread\n knife \x1b[31m"
    done = moderate("feedback", "R-photos/gun.png", "false-positive", "--note", note, "--store", store)
    assert (done.code, done.stdout) == (ExitCode.OK, "")
    assert done.stderr == f"moderate: noted as false-positive: photos/gun.png {KEPT}\n"
    shown = moderate("history", "--decision", "false-positive", "-f", "table", "--store", store).stdout
    assert "photos/gun.png" in shown
    assert r"): a bread knife \x1b[31m" in shown
    assert shown.count("request ") == 1


def test_the_last_word_counts_and_all_are_shown(moderate: Callable, store: Path) -> None:
    for verdict, note in (("false-positive", "first"), ("missed", "second thoughts")):
        moderate("feedback", "R-photos/gun.png", verdict, "--note", note, "--store", store)
    assert moderate("history", "--decision", "false-positive", "--store", store).stdout == ""
    shown = moderate("history", "--decision", "missed", "-f", "table", "--store", store).stdout
    assert shown.index("): first") < shown.index("): second thoughts")
    assert sources(moderate("history", "--decision", "any", "--store", store).records) == ["photos/gun.png"]


def test_a_false_positive_is_suppressed_in_reports_and_the_record_is_as_it_was(moderate: Callable, store: Path) -> None:
    before = moderate("history", "--store", store).records
    moderate("feedback", "R-photos/both.png", "false-positive", "--note", "toys", "--store", store)
    after = moderate("history", "--store", store).records
    suppressed = {"by": "decision: false-positive", "reason": "toys", "expires": None}
    [both] = [record for record in after if record["source"] == "photos/both.png"]
    assert [label.pop("suppressed") for label in both["labels"]] == [suppressed] * 2
    for label in both["labels"]:
        label["suppressed"] = None
    decision = both["decision"]
    assert (decision["value"], decision["by"], decision["note"]) == ("false-positive", "mo", "toys")
    assert decision["at"].endswith("Z")
    both["decision"] = None
    assert after == before
    text = moderate("history", "--source", "photos/both.png", "-f", "csv", "--store", store).stdout
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["suppressed"] == "violent_gun: toys; contraband_drug: toys"
    log = json.loads(moderate("history", "--decision", "any", "-f", "sarif", "--store", store).stdout)
    assert [result["suppressions"][0]["justification"] for result in log["runs"][0]["results"]] == ["toys", "toys"]


@pytest.mark.parametrize("choice", [each for each in FORMATS if each is not Format.TABLE])
def test_every_format_says_what_was_said_of_a_verdict(moderate: Callable, store: Path, choice: Format) -> None:
    moderate("feedback", "R-photos/both.png", "missed", "--note", "look again", "--store", store)
    text = moderate("history", "--decision", "any", "-f", choice, "--store", store).stdout
    assert "missed" in text
    assert "look again" in text


def test_what_was_missed_suppresses_nothing(moderate: Callable, store: Path) -> None:
    moderate("feedback", "R-photos/both.png", "missed", "--store", store)
    text = moderate("history", "--decision", "any", "-f", "csv", "--store", store).stdout
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["suppressed"] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["R-of-nothing", "missed"], "the store has no result with the request id R-of-nothing (`moderate history"),
        (["R\x1b", "missed"], r"the store has no result with the request id R\x1b ("),
        (
            ["R-photos/gun.png", "wrong"],
            "VERDICT must be confirmed, false-positive, missed, suppressed or escalated, not 'wrong'",
        ),
        (["R-photos/gun.png"], "VERDICT is missing"),
    ],
)
def test_what_is_refused(moderate: Callable, store: Path, arguments: list[str], said: str) -> None:
    done = moderate("feedback", *arguments, "--store", store)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert moderate("history", "--decision", "any", "--store", store).stdout == ""


def test_there_is_no_store(moderate: Callable, tmp_path: Path) -> None:
    done = moderate("feedback", "R1", "missed", variables={"MODERATE_STORE": str(tmp_path / "none.db")})
    assert done.code == ExitCode.USAGE
    assert "no such store" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_name_from_outside_is_harmless(moderate: Callable, tmp_path: Path) -> None:
    with writing(tmp_path / "store.db") as writer:
        writer.add("2025-12-01", "\x1b[31mred.png", request_id="R1")
    done = moderate("feedback", "R1", "missed", "--store", tmp_path / "store.db")
    assert done.stderr == f"moderate: noted as missed: \\x1b[31mred.png {KEPT}\n"


def test_decisions_are_read_from_lines(store: Path) -> None:
    lines = [
        {"request_id": "R-photos/gun.png", "decision": {"value": "confirmed", "note": "a\ngun"}},
        {"request_id": "R-photos/both.png", "decision": None},
        {
            "request_id": "R-photos/clean.png",
            "decision": {"value": "missed", "by": "ann", "at": "2025-12-03T04:05:06Z", "note": None, "expires": None},
        },
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n\n"
    done = asked("feedback", "-", "--store", store, answer=text, terminal=False)
    assert (done.code, done.stderr) == (ExitCode.OK, f"moderate: noted 2 decisions {KEPT}\n")
    rows = csv.DictReader(io.StringIO(asked("history", "--decision", "any", "-f", "csv", "--store", store).stdout))
    told = {row["source"]: (row["decision"], row["decided_by"], row["decision_note"]) for row in rows}
    assert told == {"photos/gun.png": ("confirmed", "mo", "a gun"), "photos/clean.png": ("missed", "ann", "")}
    assert asked("feedback", "-", "--store", store, answer=json.dumps(lines[2]), terminal=False).stderr.startswith(
        "moderate: noted 0 decisions, 1 known before"
    )


def test_what_history_tells_of_one_store_is_feedback_for_another(store: Path, tmp_path: Path) -> None:
    other = write_past(tmp_path / "other.db")
    asked("feedback", "R-photos/gun.png", "escalated", "--note", "ask", "--store", store)
    told = asked("history", "--store", store).stdout
    assert asked("feedback", "-", "--store", other, answer=told, terminal=False).code == ExitCode.OK
    [before], [after] = (
        asked("history", "--decision", "escalated", "--store", each).records for each in (store, other)
    )
    assert before == after


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"decision": {"value": "missed"}}',
        '{"request_id": "R-photos/gun.png", "decision": "missed"}',
        '{"request_id": "R-photos/gun.png", "decision": {"value": "wrong"}}',
        '{"request_id": "R-photos/gun.png", "decision": {"value": "missed", "at": "soon"}}',
        '{"request_id": "R-of-nothing", "decision": {"value": "missed"}}',
    ],
)
def test_of_lines_that_cannot_be_read_nothing_is_noted(store: Path, line: str) -> None:
    good = '{"request_id": "R-photos/clean.png", "decision": {"value": "missed"}}'
    done = asked("feedback", "-", "--store", store, answer=f"{good}\n{line}\n", terminal=False)
    assert done.code == ExitCode.USAGE
    assert "stdin:2: " in done.stderr or "R-of-nothing" in done.stderr
    assert asked("history", "--decision", "any", "--store", store).stdout == ""


def test_the_former_name_of_the_filter_works(moderate: Callable, store: Path) -> None:
    moderate("feedback", "R-photos/gun.png", "missed", "--store", store)
    done = moderate("history", "--feedback", "any", "--store", store)
    assert sources(done.records) == ["photos/gun.png"]
    assert done.stderr == "moderate: --feedback is deprecated: use --decision\n"
