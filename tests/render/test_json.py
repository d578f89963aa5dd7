"""JSON for scripts: lines, and one document."""

from __future__ import annotations

import io
import json

import pytest
from builders import failed, judged, skipped

from moderate_cli.common.environment import Environment
from moderate_cli.models import Coverage, Outcome, RiskLevel
from moderate_cli.records import to_record
from moderate_cli.render import Format, choose_format, renderer
from moderate_cli.render.json import JsonlRenderer, JsonRenderer, dump, summary_document
from moderate_cli.results import GatePolicy, RunSummary

OUTCOMES = [judged("high", "weapon", source="图\u202e\x1b[31m.png"), skipped("b.jpg"), failed("c\udcff.png")]


class Watched(io.StringIO):
    """A stream that remembers what had been written at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[str] = []

    def flush(self) -> None:
        super().flush()
        self.flushed.append(self.getvalue())


def _summary(outcomes: list[Outcome]) -> RunSummary:
    summary = RunSummary(non_images=2)
    for outcome in outcomes:
        summary.add(outcome)
    return summary


def _document(outcomes: list[Outcome], *, raw: bool = False) -> str:
    stream = io.StringIO()
    shown = JsonRenderer(stream, raw=raw)
    for outcome in outcomes:
        shown.add(outcome)
    shown.finish(_summary(outcomes))
    return stream.getvalue()


def test_every_line_is_a_record_and_is_flushed_at_once() -> None:
    stream = Watched()
    shown = JsonlRenderer(stream, raw=False)
    for number, outcome in enumerate(OUTCOMES, start=1):
        shown.add(outcome)
        lines = stream.flushed[-1].split("\n")
        assert lines.pop() == ""
        assert [json.loads(line) for line in lines] == [to_record(outcome) for outcome in OUTCOMES[:number]]
    shown.finish(_summary(OUTCOMES))
    assert stream.getvalue() == stream.flushed[-1]


def test_nothing_judged_is_no_line_at_all() -> None:
    stream = io.StringIO()
    JsonlRenderer(stream, raw=False).finish(RunSummary())
    assert stream.getvalue() == ""


@pytest.mark.parametrize("number", [0, 1, 3])
@pytest.mark.parametrize("raw", [False, True])
def test_the_document_is_valid(number: int, raw: bool) -> None:
    outcomes = OUTCOMES[:number]
    text = _document(outcomes, raw=raw)
    assert text.endswith("\n")
    document = json.loads(text)
    assert list(document) == ["schema", "results", "summary"]
    assert document["schema"] == 2
    assert document["results"] == [to_record(outcome, raw=raw) for outcome in outcomes]
    assert document["summary"]["inputs"] == number


def test_the_document_is_written_as_its_records_come() -> None:
    stream = io.StringIO()
    shown = JsonRenderer(stream, raw=False)
    shown.add(OUTCOMES[0])
    first = stream.getvalue()
    shown.add(OUTCOMES[1])
    assert json.loads(first + "]}")["results"] == [to_record(OUTCOMES[0])]
    assert stream.getvalue().startswith(first)


def test_the_summary_counts() -> None:
    outcomes = [judged("high", "weapon"), judged("high", "weapon", "smoke"), judged(), skipped(), failed()]
    assert summary_document(_summary(outcomes)) == {
        "inputs": 5,
        "judged": 3,
        "skipped": 1,
        "failed": 1,
        "pending": 0,
        "not_tried": 0,
        "at_least": False,
        "cut_off": False,
        "incomplete": 0,
        "passed_over": 2,
        "by_level": {"high": 2, "none": 1},
        "by_label": {"weapon": 2, "smoke": 1},
        "coverage": {},
        "notes": {},
        "reused": 0,
        "camera_raw": 0,
        "ignored": 0,
        "links": 0,
        "suppressed_by": {},
        "ignored_by": {},
        "local": False,
        "not_checked": [],
        "gate": {"fail_on": None, "allow_partial": False, "require_full": False},
        "exit_code": 3,
    }


def test_the_summary_counts_what_was_not_looked_at_and_not_tried() -> None:
    summary = RunSummary(policy=GatePolicy(RiskLevel.HIGH), not_tried=7, at_least=True)
    for total in (3, 4):
        summary.add(judged(coverage=(Coverage("frames", 1, total),), notes=("odd",)))
    summary.add(judged(coverage=(Coverage("parts", 6, 10, unanswered=True), Coverage("slices", 1, None))))
    counted = summary_document(summary)
    assert [counted[name] for name in ("not_tried", "at_least", "cut_off", "incomplete")] == [7, True, True, 1]
    assert counted["coverage"] == {
        "frames": {"inputs": 2, "judged": 2, "total": 7},
        "parts": {"inputs": 1, "judged": 6, "total": 10},
        "slices": {"inputs": 1, "judged": 1, "total": None},
    }
    assert counted["notes"] == {"odd": 2}


def test_text_stays_readable_and_harmless() -> None:
    assert dump({"图": "é"}) == '{"图":"é"}'
    assert dump("\x1b\u202e\udcff\n") == r'"\u001b\u202e\udcff\n"'


@pytest.mark.parametrize("choice", [Format.JSON, Format.JSONL])
def test_hostile_names_are_escaped_and_can_be_encoded(choice: Format) -> None:
    stream = io.StringIO()
    shown = renderer(choice, stream, Environment(variables={}), color="always", raw=True)
    for outcome in OUTCOMES:
        shown.add(outcome)
    shown.finish(_summary(OUTCOMES))
    text = stream.getvalue()
    assert text.encode("utf-8")
    assert not set(text) & set("\x1b\u202e\udcff")


@pytest.mark.parametrize(
    ("choice", "to_terminal", "expected"),
    [
        (Format.AUTO, True, Format.TABLE),
        (Format.AUTO, False, Format.JSONL),
        (Format.JSON, True, Format.JSON),
        (Format.TABLE, False, Format.TABLE),
    ],
)
def test_auto_is_a_table_on_a_terminal_and_lines_elsewhere(choice: Format, to_terminal: bool, expected: Format) -> None:
    assert choose_format(choice, to_terminal=to_terminal) is expected


def test_raw_puts_the_services_own_body_beside_the_record() -> None:
    body = {"Code": 200, "Data": {"Result": [{"Label": "weapon"}]}}
    assert json.loads(_document([judged(raw=body)], raw=True))["results"][0]["raw"] == body
    assert "raw" not in json.loads(_document([judged(raw=body)]))["results"][0]
