"""The table of the past: blocks that are written as they come, whatever comes later."""

from __future__ import annotations

import io

import pytest
from builders import failed, judged
from render_builders import HOSTILE_NAMES
from samples import async_outcome, batch_outcome, post_outcome

from moderate_cli.models import Outcome
from moderate_cli.render.table import HistoryTable

NOON = 1_764_590_400.0  # 2025-12-01 12:00:00 UTC


def _shown(*outcomes: Outcome, width: int = 60, note: str | None = None, remarks: tuple[str, ...] = ()) -> str:
    stream = io.StringIO()
    table = HistoryTable(stream, width=width, color=False)
    for outcome in outcomes:
        table.add(outcome, at=NOON, request_id="R1", remarks=remarks)
    table.finish(note)
    return stream.getvalue()


def test_a_block() -> None:
    shown = _shown(judged("high", "violent_gun"), remarks=("missed (2025-12-02): see the corner",), note="more")
    assert [line.rstrip() for line in shown.splitlines()] == [
        "Risk      Result, newest first; times are in UTC",
        "─" * 60,
        "high      a.png",
        "          violent_gun  81.22",
        "          2025-12-01 12:00:00  baselineCheck_global",
        "          request R1",
        "          missed (2025-12-02): see the corner",
        "",
        "more",
    ]


def test_each_block_is_written_at_once() -> None:
    stream = io.StringIO()
    table = HistoryTable(stream, width=60, color=False)
    table.add(judged("none"), at=NOON, request_id=None, remarks=[])
    assert "nothing found" in stream.getvalue()
    assert "request" not in stream.getvalue()


def test_nothing_is_nothing() -> None:
    assert _shown() == ""


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_it_fits(width: int) -> None:
    outcomes = [failed("gone.png"), batch_outcome("risk"), async_outcome("risk"), post_outcome("risk")]
    shown = _shown(*outcomes, *(judged("low", "a_label", source=name) for name in HOSTILE_NAMES[:3]), width=width)
    assert max(map(len, shown.splitlines())) <= width


def test_names_and_notes_are_harmless() -> None:
    shown = _shown(*(judged("none", source=name) for name in HOSTILE_NAMES), remarks=("\x1b[2J[red]",), width=200)
    assert r"\x1b[2J[red]" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
