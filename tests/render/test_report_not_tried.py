"""Inputs that a run did not come to are in no record, and in every report."""

from __future__ import annotations

import json
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from builders import failed, fatal_error, judged
from render_builders import shown

from moderate_cli.catalog.prices import Estimate
from moderate_cli.common.errors import ExitCode
from moderate_cli.render import Format
from moderate_cli.render.github import MAX_ANNOTATIONS, SUMMARY_VARIABLE
from moderate_cli.render.summary import summary_lines
from moderate_cli.results import RunSummary

REPORTS = [Format.TABLE, Format.MARKDOWN, Format.SARIF, Format.JUNIT, Format.GITHUB, Format.HTML]
# What ends a run, and what is said of it.
ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "cap": ({"not_tried": 4500}, "4,500 inputs were not tried"),
    "one": ({"not_tried": 1}, "1 input was not tried"),
    "pipe": ({"not_tried": 4500, "at_least": True}, "at least 4,500 inputs were not tried"),
    "signal": ({"stopped_by": ExitCode.INTERRUPTED, "at_least": True}, "the run was cut off"),
    "broken pipe": ({"stopped_by": ExitCode.BROKEN_PIPE}, "the run was cut off"),
    "fatal": ({"fatal": True}, "the run was cut off"),
}


@pytest.mark.parametrize(("changes", "words"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("choice", REPORTS)
def test_each_report_says_it(choice: Format, changes: dict[str, Any], words: str) -> None:
    text = unescape(shown(choice, [judged()], summary=RunSummary(**changes))).lower()
    assert words in text
    assert "cut off" in text


@pytest.mark.parametrize("choice", REPORTS)
def test_a_run_that_came_to_its_end_says_nothing(choice: Format) -> None:
    text = shown(choice, [judged(), failed()])
    assert "not tried" not in text
    assert "cut off" not in text


def test_a_fatal_answer_cuts_the_run_off() -> None:
    text = shown(Format.MARKDOWN, [judged(), failed(error=fatal_error())])
    assert "**The run was cut off.**" in text


@pytest.mark.parametrize(("changes", "words"), ENDS.values(), ids=ENDS)
def test_a_sarif_run_is_no_success(changes: dict[str, Any], words: str) -> None:
    [run] = json.loads(shown(Format.SARIF, [judged()], summary=RunSummary(**changes)))["runs"]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    notes = invocation["toolExecutionNotifications"]
    expected = ["not_tried", "cut_off"] if "not_tried" in changes else ["cut_off"]
    assert [note["descriptor"]["id"] for note in notes] == expected
    assert {note["level"] for note in notes} == {"error"}
    assert notes[0]["message"]["text"] == words


@pytest.mark.parametrize(("changes", "words"), ENDS.values(), ids=ENDS)
def test_junit_has_one_skipped_case_for_all_of_them(changes: dict[str, Any], words: str) -> None:
    [suite] = ElementTree.fromstring(shown(Format.JUNIT, [judged()], summary=RunSummary(**changes)))
    assert (suite.attrib["tests"], suite.attrib["skipped"]) == ("2", "1")
    assert suite[1].attrib["name"] == words
    assert suite[1][0].attrib["type"] == ("not_tried" if "not_tried" in changes else "cut_off")


def test_the_annotation_stands_before_the_worst_ten(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    outcomes = [judged("high", "weapon", source=f"{number}.png") for number in range(MAX_ANNOTATIONS)]
    variables = {SUMMARY_VARIABLE: str(path)}
    text = shown(Format.GITHUB, outcomes, summary=RunSummary(not_tried=7), variables=variables)
    assert text.startswith("::error title=not tried::the run was cut off: 7 inputs were not tried\n")
    assert text.count("::error ") == MAX_ANNOTATIONS
    assert text.endswith("and 1 more, not annotated; -f jsonl lists all\n")
    assert "7 inputs were not tried" in path.read_text(encoding="utf-8")
    assert "::error title=cut off::the run was cut off\n" in shown(Format.GITHUB, [], summary=RunSummary(fatal=True))


def test_the_document_counts_them() -> None:
    text = shown(Format.JSON, [judged()], summary=RunSummary(not_tried=4500, at_least=True))
    counted = json.loads(text)["summary"]
    assert (counted["not_tried"], counted["at_least"], counted["cut_off"]) == (4500, True, True)


@pytest.mark.parametrize("choice", [Format.CSV, Format.JSONL])
def test_lines_of_data_stay_as_they_are(choice: Format) -> None:
    assert shown(choice, [judged()], summary=RunSummary(not_tried=4500)) == shown(choice, [judged()])


@pytest.mark.parametrize(
    ("summary", "lines"),
    [
        (
            RunSummary(not_tried=4500),
            [
                "0 judged, 4,500 not tried in 1.0 s",
                "call limit reached: raise --max-calls, or continue with --reuse",
            ],
        ),
        (
            RunSummary(not_tried=3, at_least=True, stopped_by=ExitCode.INTERRUPTED),
            ["interrupted: 0 judged, at least 3 not tried in 1.0 s"],
        ),
        (RunSummary(), ["no image found"]),
    ],
)
def test_the_summary_says_it(summary: RunSummary, lines: list[str]) -> None:
    assert list(summary_lines(summary, Estimate(), 1.0)) == lines


@pytest.mark.parametrize("choice", [Format.GITHUB, Format.MARKDOWN])
def test_what_files_of_the_project_leave_out_is_told(choice: Format) -> None:
    summary = RunSummary(
        judged=1, suppressed_by=Counter({".moderate-suppressions.yaml": 2}), ignored_by=Counter({"a/.gitignore": 1})
    )
    text = shown(choice, [judged()], summary=summary).replace("&#46;", ".").replace("&#58;", ":")
    assert "2 findings suppressed by .moderate-suppressions.yaml" in text
    assert "1 named image ignored by a/.gitignore" in text
    assert "2 findings suppressed by .moderate-suppressions.yaml" in list(summary_lines(summary, Estimate({}), 1.0))
