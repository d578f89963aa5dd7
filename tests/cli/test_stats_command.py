"""`moderate stats` from the outside: sums, filters, formats, and the export for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from past_builders import write_past, writing

from moderate_cli.common.errors import ExitCode
from moderate_cli.common.installation import install_command
from moderate_cli.render import usage

LOCAL = "moderate: 1 of these calls went to the local engine, and cost nothing (see --engine)\n"
DAYS = [
    {"day": "2025-11-30", "calls": 1, "hits": 1, "billed": 1, "share": 1.0},
    {"day": "2025-12-01", "calls": 3, "hits": 1, "billed": 2, "share": 0.333333},
    {"day": "2025-12-02", "calls": 2, "hits": 1, "billed": 2, "share": 0.5},
]
MONTHS = [
    {"month": "2025-11", "calls": 1, "hits": 1, "billed": 1, "share": 1.0},
    {"month": "2025-12", "calls": 5, "hits": 2, "billed": 4, "share": 0.4},
]
SERVICES = [
    {"service": "baselineCheck_global", "calls": 4, "hits": 2, "billed": 3, "share": 0.5},
    {"service": "baselineCheck", "calls": 1, "hits": 0, "billed": 1, "share": 0.0},
    {"service": "tonalityImprove", "calls": 1, "hits": 1, "billed": 1, "share": 1.0},
]
LABELS = [
    {"label": "violent_gun", "calls": 3, "share": 0.5},
    {"label": "contraband_drug", "calls": 1, "share": 0.166667},
]
EVERY = [("day", DAYS), ("month", MONTHS), ("service", SERVICES), ("label", LABELS)]
Rows = list[dict[str, Any]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_past(tmp_path / "store.db")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    with writing(tmp_path / "empty.db"):
        return tmp_path / "empty.db"


@pytest.mark.parametrize(("by", "rows"), EVERY)
def test_into_a_pipe_it_is_a_line_a_row(moderate: Callable, store: Path, by: str, rows: Rows) -> None:
    done = moderate("stats", "--by", by, "--store", store)
    assert (done.code, done.records, done.stderr) == (ExitCode.OK, rows, LOCAL)


def test_days_are_the_default(moderate: Callable, store: Path) -> None:
    assert moderate("stats", "--store", store).records == DAYS


@pytest.mark.parametrize(("by", "rows"), EVERY)
def test_a_document_has_the_sums(moderate: Callable, store: Path, by: str, rows: Rows) -> None:
    document = json.loads(moderate("stats", "--by", by, "-f", "json", "--store", store).stdout)
    assert document == {"by": by, "calls": 6, "hits": 3, "billed": 5, "rows": rows}


@pytest.mark.parametrize(("by", "rows"), EVERY)
def test_csv_has_the_same_rows(moderate: Callable, store: Path, by: str, rows: Rows) -> None:
    text = moderate("stats", "--by", by, "-f", "csv", "--store", store).stdout
    found = list(csv.DictReader(io.StringIO(text, newline=""), quoting=csv.QUOTE_NONNUMERIC))
    assert found == rows


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (["--since", "2025-12-01"], 5),
        (["--until", "2025-12-01"], 4),
        (["-s", "baselineCheck"], 1),
        (["-s", "baselineCheck,tonalityImprove"], 2),
        (["--engine", "cloud"], 5),
        (["--engine", "local"], 1),
        (["--since", "2025-12-02", "-s", "baselineCheck_global"], 0),
    ],
)
def test_each_filter(moderate: Callable, store: Path, arguments: list[str], calls: int) -> None:
    done = moderate("stats", *arguments, "-f", "json", "--store", store)
    document = json.loads(done.stdout)
    assert (done.code, document["calls"]) == (ExitCode.OK, calls)
    assert document["calls"] == sum(row["calls"] for row in document["rows"])
    assert done.stderr in ({"", LOCAL} if calls else {"moderate: no call found\n"})


def test_labels_are_those_of_the_services_asked_for(moderate: Callable, store: Path) -> None:
    assert moderate("stats", "--by", "label", "-s", "tonalityImprove", "--store", store).records == [
        {"label": "violent_gun", "calls": 1, "share": 1.0}
    ]


def test_on_a_terminal_it_is_bars(moderate: Callable, store: Path) -> None:
    done = moderate("stats", "--store", store, terminal=True, columns=60)
    assert "2025-12-01" in done.stdout
    assert "█" in done.stdout
    assert "\x1b[" in done.stdout
    assert "\x1b[" not in moderate("stats", "--store", store, "--color", "never", terminal=True).stdout


def test_the_page(moderate: Callable, store: Path, tmp_path: Path) -> None:
    done = moderate("stats", "-f", "html", "--since", "2025-11-01", "-o", tmp_path / "usage.html", "--store", store)
    page = (tmp_path / "usage.html").read_text(encoding="utf-8")
    assert (done.code, done.stdout) == (ExitCode.OK, "")
    assert "since 2025-11-01" in page
    assert "Calls by day" in page
    assert 'data-label="violent_gun" title="violent_gun: 3"' in page
    assert "Calls by month" in moderate("stats", "-f", "html", "--by", "month", "--store", store).stdout


@pytest.mark.parametrize("choice", ["table", "jsonl", "json", "csv", "html"])
def test_an_empty_store_has_a_whole_document_too(moderate: Callable, empty: Path, choice: str) -> None:
    done = moderate("stats", "-f", choice, "--store", empty)
    assert (done.code, done.stderr) == (ExitCode.OK, "moderate: no call found\n")
    expected = {
        "table": "",
        "jsonl": "",
        "json": '{"by":"day","calls":0,"hits":0,"billed":0,"rows":[]}\n',
        "csv": '"day","calls","hits","billed","share"\r\n',
    }
    assert done.stdout == expected[choice] if choice in expected else "There are no calls." in done.stdout


@pytest.fixture
def of_others(tmp_path: Path) -> Path:
    """A store with the result of a task that another machine submitted, and a failed answer that is billed."""
    with writing(tmp_path / "others.db") as writer:
        writer.add("2025-12-01", "T1", "violent_gun", level="high", services=[], billed_calls=30)
        writer.add("2025-12-01", "half.gif", level="high", status="failed", billed_calls=2)
    return tmp_path / "others.db"


def test_a_service_that_nobody_knows_is_null_and_unknown_to_people(moderate: Callable, of_others: Path) -> None:
    by_service = ["stats", "--by", "service", "--store", str(of_others)]
    assert moderate(*by_service).records == [
        {"service": None, "calls": 1, "hits": 1, "billed": 30, "share": 1.0},
        {"service": "baselineCheck_global", "calls": 0, "hits": 0, "billed": 2, "share": 0.0},
    ]
    assert '"unknown",1,1,30,1.0' in moderate(*by_service, "-f", "csv").stdout
    assert "unknown " in moderate(*by_service, "-f", "table").stdout
    assert '<bdi dir="auto">unknown</bdi>' in moderate(*by_service, "-f", "html").stdout


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_nor_has_it_an_empty_cell_in_the_export(moderate: Callable, of_others: Path, tmp_path: Path, kind: str) -> None:
    moderate("stats", "--export", tmp_path / f"u.{kind}", "--store", of_others)
    assert _sheet(tmp_path / f"u.{kind}")[1:] == [
        ["", "unknown", 1, "2025-12-01", 30],
        ["", "baselineCheck_global", 0, "2025-12-01", 2],
    ]


@pytest.mark.parametrize("choice", ["table", "html", "json"])
def test_what_is_billed_and_not_judged_is_shown(moderate: Callable, tmp_path: Path, choice: str) -> None:
    with writing(tmp_path / "store.db") as writer:
        writer.add("2025-12-01", "half.gif", level="high", status="failed", billed_calls=2)
    done = moderate("stats", "-f", choice, "--store", tmp_path / "store.db")
    assert (done.code, done.stderr) == (ExitCode.OK, "")
    assert "2" in done.stdout


def test_an_unknown_service_is_explained_where_nothing_is_found(moderate: Callable, store: Path) -> None:
    done = moderate("stats", "-s", "baselinechek", "--store", store)
    assert done.stderr.splitlines() == [
        "moderate: no call found",
        "moderate: unknown service baselinechek (did you mean baselineCheck?)",
    ]


@pytest.mark.parametrize("way", ["day", "month", "label"])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_export_has_the_columns_of_the_console(
    moderate: Callable, store: Path, tmp_path: Path, kind: str, way: str
) -> None:
    path = tmp_path / f"usage.{kind}"
    done = moderate("stats", "--by", way, "--export", path, "--uid", "1234567890123456", "--store", store)
    assert (done.code, len(done.records)) == (ExitCode.OK, len(dict(EVERY)[way]))
    day = "" if way == "month" else "-30"
    first = ["1234567890123456", "baselineCheck_global", 1, f"2025-11{day}", 1]
    header, *rows = _sheet(path)
    assert header == ["Account UID", "Service", "Usage", "Date", "Billed"]
    assert rows[0] == first
    assert [sum(row[column] for row in rows) for column in (2, 4)] == [6, 5]
    assert len(rows) == len({(row[1], row[3]) for row in rows})
    assert [row[3] for row in rows] == sorted(row[3] for row in rows)


def _sheet(path: Path) -> list[list[Any]]:
    if path.suffix == ".xlsx":
        book = load_workbook(path)
        assert book.sheetnames == ["Usage"]
        return [list(row) for row in book.active.iter_rows(values_only=True)]
    text = path.read_bytes().decode()
    rows = csv.reader(io.StringIO(text, newline=""), quoting=csv.QUOTE_NONNUMERIC)
    return list(rows)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_of_nothing_is_a_header(moderate: Callable, empty: Path, tmp_path: Path, kind: str) -> None:
    assert moderate("stats", "--export", tmp_path / f"u.{kind}", "--store", empty).code == ExitCode.OK
    assert _sheet(tmp_path / f"u.{kind}") == [list(usage.COLUMNS)]


def test_nothing_in_an_export_is_a_formula(moderate: Callable, tmp_path: Path) -> None:
    with writing(tmp_path / "store.db") as writer:
        writer.add("2025-12-01", "a.png", services=["=1+1"])
    for kind, text in (("csv", "'=1+1"), ("xlsx", "=1+1")):
        moderate("stats", "--export", tmp_path / f"u.{kind}", "--store", tmp_path / "store.db")
        assert _sheet(tmp_path / f"u.{kind}")[1][1] == text
    cell = load_workbook(tmp_path / "u.xlsx").active["B2"]
    assert cell.data_type == "s"


def test_an_export_is_not_written_over_the_report(moderate: Callable, store: Path, tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    done = moderate("stats", "-f", "csv", "-o", path, "--export", path, "--store", store)
    assert done.code == ExitCode.USAGE
    assert "--export and --output go to the same file" in done.stderr
    assert not path.exists()


def test_the_account_comes_from_its_variable_too(moderate: Callable, store: Path, tmp_path: Path) -> None:
    moderate("stats", "--export", tmp_path / "u.csv", "--store", store, variables={"MODERATE_UID": "77"})
    assert _sheet(tmp_path / "u.csv")[1][0] == "77"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "week"], "--by must be day, month, service, label or decision, not 'week'"),
        (["-f", "sarif"], "--format must be auto, table, "),
        (["--engine", "both"], "--engine must be cloud or local, not 'both'"),
        (["--since", "2025-02-30"], "--since must be a date"),
        (["-s", ","], "--service is empty"),
        (["--export", "usage.ods"], "--export must end with .csv or .xlsx, not 'usage.ods'"),
        (["--export", "none/usage.csv"], "cannot write 'none/usage.csv': No such file or directory"),
    ],
)
def test_what_is_refused(moderate: Callable, store: Path, arguments: list[str], said: str) -> None:
    done = moderate("stats", *arguments, "--store", store)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_workbook_without_its_library_is_one_clear_line(
    moderate: Callable, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "find_spec", lambda name: None)
    done = moderate("stats", "--export", tmp_path / "u.xlsx", "--store", store)
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    hint = f"{install_command('xlsx')}, or export to a .csv file"
    assert done.stderr == f"moderate: writing .xlsx needs the extra 'xlsx' ({hint})\n"
    assert not (tmp_path / "u.xlsx").exists()
    assert moderate("stats", "--export", tmp_path / "u.csv", "--store", store).code == ExitCode.OK


def test_nothing_heavy_is_imported(store: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "moderate_cli", "stats", "--store", str(store)]
    environment = {"PATH": "", "COVERAGE_PROCESS_START": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
    modules = set(re.findall(r"^import time:.*\|\s+(\S+)$", done.stderr, re.MULTILINE))
    assert "moderate_cli.render.usage" in modules
    heavy = {"rich", "requests", "urllib3", "oss2", "yaml", "PIL", "numpy", "xlsxwriter", "moderate_cli.emulator"}
    assert not {name for name in modules for each in heavy if name == each or name.startswith(f"{each}.")}
    assert [json.loads(line) for line in done.stdout.splitlines()] == DAYS


def test_the_reader_may_go_away(store: Path) -> None:
    script = f"'{sys.executable}' -m moderate_cli stats --store '{store}' | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == f"{ExitCode.BROKEN_PIPE}\n"
    assert "Traceback" not in done.stderr


def test_decisions_are_counted_by_label_and_service(moderate: Callable, store: Path) -> None:
    for request, word in (("R-photos/gun.png", "false-positive"), ("R-photos/both.png", "confirmed")):
        moderate("feedback", request, word, "--store", store)
    moderate("feedback", "R-photos/clean.png", "missed", "--store", store)
    rows = {row["label"]: row for row in moderate("stats", "--by", "decision", "--store", store).records}
    gun = rows["violent_gun"]
    assert (gun["decided"], gun["confirmed"], gun["false_positive"], gun["false_positive_share"]) == (2, 1, 1, 0.5)
    assert (rows["contraband_drug"]["confirmed"], rows[None]["missed"]) == (1, 1)
    assert {row["service"] for row in rows.values()} == {"baselineCheck_global"}
    table = moderate("stats", "--by", "decision", "-f", "table", "--store", store).stdout
    assert "50.0 %" in table
    assert "no finding" in table
    text = moderate("stats", "--by", "decision", "-f", "csv", "--store", store).stdout
    assert text.splitlines()[0].startswith("label,service,decided,confirmed,false_positive")
    assert moderate("stats", "--by", "decision", "-f", "html", "--store", store).code == ExitCode.USAGE
