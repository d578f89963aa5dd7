"""Markdown: short enough for a comment, and nothing in it is markup that was not meant."""

from __future__ import annotations

import re
from html import unescape

import pytest
from builders import failed, judged, skipped
from golden import check_golden
from markdown_it import MarkdownIt
from render_builders import HOSTILE_NAMES, LOGO, mixed_run, shown

from moderate_cli.common.text import safe_text
from moderate_cli.models import Label, Outcome, RiskLevel
from moderate_cli.render import Format
from moderate_cli.render.markdown import MAX_LENGTH
from moderate_cli.results import GatePolicy, RunSummary

MARKDOWN = MarkdownIt("commonmark").enable("table")


def _cells(*outcomes: Outcome) -> list[list[str]]:
    """Return the cells of the table of inputs, as HTML."""
    html = MARKDOWN.render(shown(Format.MARKDOWN, outcomes)).split("<details>")[0]
    rows = html.split("<tbody>")[1].split("<tr>")[1:]
    return [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in rows]


def test_a_run_as_it_is_written() -> None:
    check_golden("reports/run.md", shown(Format.MARKDOWN, mixed_run(), policy=GatePolicy(RiskLevel.HIGH)))


def test_findings_stand_first_and_harmless_images_are_only_counted() -> None:
    outcomes = [judged("none", source="clean.png"), failed("gone.png"), judged("low", "x", source="low.png")]
    rows = _cells(*outcomes, judged("high", "x", source="high.png"), judged(None, "new", source="new.png"))
    assert [(risk, unescape(name)) for risk, name, _ in rows] == [
        ("<strong>high</strong>", "<code>high.png</code>"),
        ("<strong>high</strong>", "<code>new.png</code>"),
        ("<strong>low</strong>", "<code>low.png</code>"),
        ("failed", "<code>gone.png</code>"),
    ]


def test_the_counts_and_the_gate_stand_above() -> None:
    text = shown(Format.MARKDOWN, [judged("high", "x"), judged("none"), skipped()], policy=GatePolicy(RiskLevel.MEDIUM))
    assert "3 inputs: 1 high, 1 none, 1 skipped.\n" in text
    assert "The gate is at medium: **1** at or above it.\n" in text
    assert "gate" not in shown(Format.MARKDOWN, [judged("high", "x")])


def test_the_local_engine_is_no_cloud_verdict() -> None:
    assert "no cloud verdict" in shown(Format.MARKDOWN, [judged("none", engine="local")])


def test_no_input_is_said() -> None:
    assert "No input was judged." in shown(Format.MARKDOWN, [])


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "a\\|b", "![x](y)", "_a_ ~b~ $c$ :smile:", "https://e.example/@me"])
def test_text_from_outside_is_text(name: str) -> None:
    label = Label(name, description=name)
    [[_, shown_name, finding]] = _cells(judged("high", label, source=name))
    assert unescape(shown_name) == f"<code>{safe_text(name)}</code>"
    assert finding.startswith(shown_name)
    assert safe_text(name) in unescape(finding.removeprefix(shown_name))


@pytest.mark.parametrize("text", ["@me", "fixes #1", "www.example.com", "https://e.example", "1234567890abcdef"])
def test_what_github_would_make_a_link_of_is_code(text: str) -> None:
    outcome = judged("high", Label("x", description=text))
    [[*_, finding]] = _cells(outcome)
    assert unescape(finding) == f"<code>x</code> <code>{text}</code>"
    written = shown(Format.MARKDOWN, [outcome])
    assert "://" not in written
    assert "www." not in written


def test_a_comment_holds_it_whatever_comes() -> None:
    outcomes = [
        judged(
            "high", *[Label(f"label_{number}_{'x' * 50}") for number in range(60)], source=f"{index}-{'y' * 200}.png"
        )
        for index in range(1200)
    ]
    text = shown(Format.MARKDOWN, outcomes)
    assert MAX_LENGTH * 0.9 < len(text) < 65_536
    listed = text.count("\n| **high**")
    assert f"and {1200 - listed:,} more, not listed here; `-f jsonl` lists all." in text
    assert "and 40 more" in text
    assert "</details>" in text


def test_labels_are_counted() -> None:
    summary = RunSummary()
    summary.labels.update({f"label{number}": number for number in range(1, 31)})
    text = shown(Format.MARKDOWN, [], summary=summary)
    assert "<summary>Labels (30)</summary>" in text
    assert "| <code>label30</code> | 30 |\n| <code>label29</code> | 29 |" in text
    assert "| and 10 more | |" in text


def test_a_harmless_image_is_listed_where_its_suppressed_findings_are_wanted() -> None:
    text = shown(Format.MARKDOWN, [judged("high", LOGO.label)], suppressions=[LOGO], show_suppressed=True)
    assert "| **none** |" in text
