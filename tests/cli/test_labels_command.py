"""`moderate labels` from the outside."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from golden import check_golden
from invocation import Result

HEAVY = (
    "requests",
    "urllib3",
    "oss2",
    "sqlite3",
    "yaml",
    "numpy",
    "PIL",
    "moderate_cli.client",
    "moderate_cli.emulator",
)
Moderate = Callable[..., Result]


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("color", ["never", "always"])
@pytest.mark.parametrize("of", [["-s", "baselineCheck_global"], ["--match", "political_"]], ids=["service", "match"])
def test_the_table(moderate: Moderate, width: int, color: str, of: list[str]) -> None:
    done = moderate("labels", *of, "--color", color, terminal=True, columns=width)
    assert done.code == 0
    assert done.stderr == ""
    name = f"catalog/labels-{of[1]}-{width}{'-color' if color == 'always' else ''}.txt"
    check_golden(name, done.stdout)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
def test_the_table_fits_and_says_what_is_doubtful(moderate: Moderate, width: int) -> None:
    shown = moderate("labels", "-f", "table", columns=width).stdout
    assert max(map(len, shown.splitlines())) <= width
    flat = "".join(shown.split())
    assert flat.count("(inferred)") == sum(label["inferred"] for label in _labels(moderate))
    assert "notofficial" in flat
    assert "Source(2026-" in flat


def test_into_a_pipe_it_is_json_with_the_provenance(moderate: Moderate) -> None:
    done = moderate("labels", "-s", "baselineCheck_global", "--match", "SEXUAL")
    document = json.loads(done.stdout)
    assert (done.code, done.stderr) == (0, "")
    assert document["date"] == "2026-11-21"
    assert document["provenance"]["baselineCheck_global"]["official"] is True
    assert document["provenance"]["baselineCheck_global"]["date"] == "2026-03-03"
    names = {label["label"] for label in document["labels"]}
    assert {"sexual_kiss", "pornographic_organs_tii"} <= names  # in the name, in the meaning
    assert "violent_gun" not in names


def test_the_official_labels_are_73(moderate: Moderate) -> None:
    assert len(_labels(moderate, "--service", "baselineCheck_global")) == 73
    assert len(_labels(moderate)) == 207


def test_csv_has_the_same_rows(moderate: Moderate) -> None:
    rows = list(csv.DictReader(io.StringIO(moderate("labels", "-f", "csv").stdout, newline="")))
    expected = [
        {key: str(value).lower() if isinstance(value, bool) else value or "" for key, value in label.items()}
        for label in _labels(moderate)
    ]
    assert rows == expected
    assert list(rows[0]) == ["service", "label", "scope", "meaning", "inferred", "official", "date"]


def test_a_copy_has_the_labels_of_its_source_and_a_note(moderate: Moderate) -> None:
    done = moderate("labels", "-s", "baselineCheck_global_01")
    assert len(json.loads(done.stdout)["labels"]) == 73
    assert done.stderr == "moderate: baselineCheck_global_01 is taken for a copy of baselineCheck_global\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--match", "zebra"], "--match zebra"),
        (["-s", "tonalityImprove", "--match", "gun"], "--service tonalityImprove --match gun"),
        (["-s", "baselinecheck_globl"], "--service baselinecheck_globl (did you mean baselineCheck_global?)"),
        (["-s", "xyz"], "--service xyz (moderate services lists the known ones)"),
        (["-s", "postImageCheck"], "--service postImageCheck (its labels are not published; the vendor's console"),
        (["--match", "\x1b[31m"], r"--match \x1b[31m"),
    ],
)
def test_nothing_matched_is_6_and_one_line_that_names_the_filter(
    moderate: Moderate, arguments: list[str], said: str
) -> None:
    done = moderate("labels", *arguments)
    assert done.code == 6
    assert json.loads(done.stdout)["labels"] == []
    assert done.stderr.startswith(f"moderate: none of the known labels match {said}")
    assert done.stderr.count("\n") == 1
    assert moderate("labels", *arguments, terminal=True).stdout == ""


@pytest.mark.parametrize(
    ("text", "label", "meaning"),
    [
        ("violent_explosion_lib", "violent_explosion_lib", "custom library: smoke or fire"),
        ("explosion_LIB", "violent_explosion_lib", "custom library: smoke or fire"),
        ("contraband_drug_tii_lib", "contraband_drug_tii_lib", "custom library: text in image: illegal drugs"),
        ("violent_gun_tii_lib", "violent_gun_tii_lib", "custom library: text in image: guns"),
    ],
)
def test_a_label_that_a_suffix_makes_is_known(moderate: Moderate, text: str, label: str, meaning: str) -> None:
    done = moderate("labels", "-s", "baselineCheck_global", "--match", text)
    assert done.code == 0
    [found] = json.loads(done.stdout)["labels"]
    assert (found["label"], found["meaning"], found["inferred"]) == (label, meaning, True)


def test_a_suffix_alone_makes_none(moderate: Moderate) -> None:
    assert [label["label"] for label in json.loads(moderate("labels", "--match", "_lib").stdout)["labels"]] == [
        "nonLabel_lib"
    ]
    assert moderate("labels", "--match", "zebra_lib").code == 6


@pytest.mark.parametrize(("command", "key"), [("labels", "label"), ("services", "service"), ("regions", "region")])
def test_jsonl_is_a_row_a_line(moderate: Moderate, command: str, key: str) -> None:
    lines = [json.loads(line) for line in moderate(command, "-f", "jsonl").stdout.splitlines()]
    assert lines == json.loads(moderate(command, "-f", "json").stdout)[command]
    assert all(line[key] for line in lines)
    assert moderate(command, "--match", "zebra", "-f", "jsonl").stdout == ""


def test_nothing_heavy_is_imported() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "moderate_cli", "labels", "-f", "csv"]
    environment = {"PATH": "", "COVERAGE_PROCESS_START": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
    modules = set(re.findall(r"^import time:.*\|\s+(\S+)$", done.stderr, re.MULTILINE))
    assert "moderate_cli.catalog.labels" in modules
    assert not {name for name in modules for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")}
    assert "moderate_cli.render.listing_table" not in modules


def _labels(moderate: Moderate, *arguments: str) -> list[dict[str, object]]:
    labels: list[dict[str, object]] = json.loads(moderate("labels", "-f", "json", *arguments).stdout)["labels"]
    return labels
