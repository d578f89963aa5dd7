"""What was not looked at is said, in each format, beside the input and for the run."""

from __future__ import annotations

import csv
import io
import json
from html import unescape
from xml.etree import ElementTree

import pytest
from builders import failed, judged
from render_builders import shown

from moderate_cli.catalog.prices import Estimate
from moderate_cli.models import Coverage, Judged, Outcome, PartKind, RiskLevel
from moderate_cli.render import Format
from moderate_cli.render.summary import summary_lines
from moderate_cli.render.wording import coverage_lines, coverage_words, remarks, sort_key
from moderate_cli.results import NO_GATE, GatePolicy, RunSummary

GATE = GatePolicy(RiskLevel.HIGH)
FULL = GatePolicy(require_full=True)
FOR_PEOPLE = [Format.TABLE, Format.CSV, Format.MARKDOWN, Format.SARIF, Format.JUNIT, Format.GITHUB, Format.HTML]
FRAMES = Coverage("frames", 1, 3)
PARTS = Coverage("parts", 6, 10, unanswered=True)


def _partial(
    *coverage: Coverage,
    level: str = "none",
    notes: tuple[str, ...] = (),
    source: str = "https://example.com/a.gif",
) -> Judged:
    labels = () if level == "none" else ("smoke",)
    return judged(level, *labels, source=source, coverage=coverage, notes=notes)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (FRAMES, "1 of 3 frames judged"),
        (Coverage("frames", 1, None), "1 of an unknown number of frames judged"),
        (Coverage("frames", 100, 300), "100 of 300 frames sampled"),
        (Coverage("frames", 1000, 30_000), "1,000 of 30,000 frames sampled"),
        (Coverage("frames", 2, 30, unanswered=True), "2 of 30 frames answered"),
        (Coverage("frames", 1, 30, unanswered=True), "1 of 30 frames answered"),
        (Coverage("pages", 1, 5), "1 of 5 pages judged"),
        (Coverage("pages", 1, None), "1 of an unknown number of pages judged"),
        (Coverage("slices", 1, 4), "1 compressed view of 4 slices judged"),
        (Coverage("slices", 1, None), "1 compressed view of an unknown number of slices judged"),
        (Coverage("slices", 2, 4), "2 of 4 slices sampled"),
        (Coverage("slices", 1, 4, unanswered=True), "1 of 4 slices answered"),
        (PARTS, "6 of 10 parts answered"),
        (Coverage("parts", 0, 1, unanswered=True), "0 of 1 part answered"),
        (Coverage("services", 1, 2, unanswered=True), "1 of 2 services answered"),
    ],
)
def test_the_words_for_one_input(part: Coverage, words: str) -> None:
    assert coverage_words(part) == words


@pytest.mark.parametrize(
    ("outcomes", "lines"),
    [
        ([], []),
        ([judged()], []),
        ([_partial(FRAMES), _partial(FRAMES)], ["2 images: 2 of 6 frames judged; async-submit --interval judges more"]),
        (
            [_partial(FRAMES), _partial(Coverage("frames", 1, None))],
            ["2 images: 2 of an unknown number of frames judged; async-submit --interval judges more"],
        ),
        ([_partial(Coverage("frames", 100, 300))], ["1 image: 100 of 300 frames sampled"]),
        (
            [_partial(Coverage("frames", 100, 300)), _partial(Coverage("frames", 2, 30, unanswered=True))],
            ["2 images: 102 of 330 frames judged; 1 response left some out"],
        ),
        ([_partial(Coverage("pages", 1, 5))], ["1 image: 1 of 5 pages judged"]),
        (
            [_partial(Coverage("slices", 1, 4)), _partial(Coverage("slices", 1, 4))],
            ["2 images: 2 compressed views of 8 slices judged; async-submit --interval judges more"],
        ),
        ([_partial(PARTS)], ["1 image: 6 of 10 parts answered"]),
        (
            [_partial(FRAMES, PARTS)],
            ["1 image: 1 of 3 frames judged; async-submit --interval judges more", "1 image: 6 of 10 parts answered"],
        ),
    ],
)
def test_a_line_for_each_kind(outcomes: list[Outcome], lines: list[str]) -> None:
    summary = _summary(outcomes, NO_GATE)
    assert list(coverage_lines(summary, "image")) == lines


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        (NO_GATE, None),
        (GATE, "incomplete: 1 input was not answered in full; --allow-partial accepts that"),
        (GatePolicy(RiskLevel.HIGH, allow_partial=True), None),
        (FULL, "incomplete: 3 inputs were not judged in full, and --require-full is set"),
    ],
)
def test_a_line_for_what_is_incomplete(policy: GatePolicy, line: str | None) -> None:
    summary = _summary([_partial(FRAMES), _partial(FRAMES), _partial(PARTS), judged()], policy)
    assert list(coverage_lines(summary))[2:] == ([line] if line else [])


def test_the_lines_stand_in_the_summary() -> None:
    summary = _summary([_partial(PARTS)], GATE)
    assert list(summary_lines(summary, Estimate(), 1.0, "post")) == [
        "1 judged (1 none) in 1.0 s",
        "1 post: 6 of 10 parts answered",
        "incomplete: 1 post was not answered in full; --allow-partial accepts that",
    ]


def test_only_the_commonest_notes_stand_in_the_summary() -> None:
    outcomes = [_partial(notes=(f"note {number}",)) for number in range(13)]
    lines = list(summary_lines(_summary([*outcomes, outcomes[12]], NO_GATE), Estimate(), 1.0))
    assert lines[0] == "2 images: note 12"
    assert lines[9:11] == ["1 image: note 8", "and 3 more notes; -f jsonl lists all"]


@pytest.mark.parametrize("choice", FOR_PEOPLE)
@pytest.mark.parametrize("level", ["none", "low", "high"])
@pytest.mark.parametrize("policy", [NO_GATE, GATE, FULL], ids=["no gate", "gate", "full"])
def test_each_format_says_it_of_the_input_with_the_notes_on_the_answer(
    choice: Format, level: str, policy: GatePolicy
) -> None:
    outcome = _partial(FRAMES, PARTS, level=level, notes=("a strange answer",))
    text = unescape(shown(choice, [outcome], policy=policy, summary=RunSummary(policy=policy)))
    for words in ("1 of 3 frames judged", "6 of 10 parts answered", "a strange answer"):
        assert words in text


@pytest.mark.parametrize("choice", [Format.MARKDOWN, Format.HTML])
def test_the_page_says_it_of_the_run(choice: Format) -> None:
    text = unescape(shown(choice, [_partial(FRAMES), _partial(PARTS)], policy=GATE))
    assert "1 input: 1 of 3 frames judged; async-submit --interval judges more." in text
    assert "1 input: 6 of 10 parts answered." in text
    assert "Incomplete: 1 input was not answered in full; --allow-partial accepts that." in text


@pytest.mark.parametrize("choice", [Format.JSON, Format.JSONL])
def test_records_have_it_as_data(choice: Format) -> None:
    text = shown(choice, [_partial(FRAMES, notes=("odd",))], policy=GATE)
    assert '"coverage":[{"kind":"frames","judged":1,"total":3}]' in text
    assert '"notes":["odd"]' in text
    assert '"gate":{"fail_on":"high","passed":true}' in text


def test_csv_has_columns_for_it() -> None:
    text = shown(Format.CSV, [_partial(FRAMES, PARTS, notes=("odd", "=1+1")), judged(), failed()], policy=GATE)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["coverage"] for row in rows] == ["1 of 3 frames judged; 6 of 10 parts answered", "", ""]
    assert [row["notes"] for row in rows] == ["odd; =1+1", "", ""]
    assert [row["gate_passed"] for row in rows] == ["false", "true", "false"]
    assert [row["gate_passed"] for row in csv.DictReader(io.StringIO(shown(Format.CSV, [judged()])))] == [""]


@pytest.mark.parametrize(
    ("part", "level", "policy", "expected"),
    [
        (FRAMES, "none", NO_GATE, ("notice", "partial")),
        (FRAMES, "none", GATE, ("notice", "partial")),
        (FRAMES, "none", FULL, ("error", "partial")),
        (PARTS, "none", NO_GATE, ("warning", "partial")),
        (PARTS, "none", GATE, ("error", "partial")),
        (PARTS, "low", NO_GATE, ("warning", "low: smoke")),
        (FRAMES, "low", GATE, ("notice", "low: smoke")),
        (FRAMES, "high", NO_GATE, ("error", "high: smoke")),
    ],
)
def test_the_kind_of_an_annotation(part: Coverage, level: str, policy: GatePolicy, expected: tuple[str, str]) -> None:
    text = shown(Format.GITHUB, [_partial(part, level=level)], policy=policy)
    kind, title = expected
    assert text.startswith(f"::{kind} ")
    assert f"title={title.replace(':', '%3A')}::" in text
    assert text.count("\n") == 1


def test_a_note_alone_is_a_notice() -> None:
    text = shown(Format.GITHUB, [_partial(notes=("odd",))], policy=GATE)
    assert text == "::notice title=note::https://example.com/a.gif: odd\n"


@pytest.mark.parametrize(
    ("part", "policy", "level", "successful"),
    [
        (FRAMES, NO_GATE, "note", True),
        (FRAMES, GATE, "note", True),
        (FRAMES, FULL, "warning", False),
        (PARTS, NO_GATE, "warning", True),
        (PARTS, GATE, "warning", False),
        (Coverage("frames", 2, 30, unanswered=True), GATE, "warning", False),
    ],
)
def test_the_level_of_a_notification(part: Coverage, policy: GatePolicy, level: str, successful: bool) -> None:
    [run] = json.loads(shown(Format.SARIF, [_partial(part)], policy=policy))["runs"]
    [invocation] = run["invocations"]
    [note] = invocation["toolExecutionNotifications"]
    assert (note["level"], note["descriptor"]["id"]) == (level, "partial_coverage")
    assert note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert invocation["executionSuccessful"] is successful


@pytest.mark.parametrize(
    ("part", "level", "policy", "tag"),
    [
        (FRAMES, "none", GATE, "system-out"),
        (FRAMES, "high", GATE, "failure"),
        (PARTS, "none", NO_GATE, "system-out"),
        (PARTS, "none", GATE, "error"),
        (PARTS, "high", GATE, "error"),
        (FRAMES, "none", FULL, "error"),
    ],
)
def test_the_case_of_a_partial_input(part: Coverage, level: str, policy: GatePolicy, tag: str) -> None:
    [[[inside]]] = ElementTree.fromstring(shown(Format.JUNIT, [_partial(part, level=level)], policy=policy))
    assert inside.tag == tag
    assert coverage_words(part) in (inside.text or "")
    if tag == "error":
        assert inside.attrib["type"] == "partial"
        risk = "; high risk: smoke" if level == "high" and policy is GATE else ""
        assert inside.attrib["message"] == f"incomplete: {coverage_words(part)}{risk}"


def test_clean_images_are_listed_in_markdown_where_there_is_something_to_say() -> None:
    outcomes = [
        judged(source="clean.png"),
        _partial(FRAMES, source="part.gif"),
        _partial(notes=("odd",), source="odd.png"),
    ]
    text = shown(Format.MARKDOWN, outcomes)
    assert "clean.png" not in text
    assert "| **none** | <code>part.gif</code> | 1 of 3 frames judged |" in text
    assert "| **none** | <code>odd.png</code> | odd |" in text


@pytest.mark.parametrize("name", ["<b>", "\x1b[31m", "\u202e"])
@pytest.mark.parametrize("choice", FOR_PEOPLE)
def test_a_note_stays_text(choice: Format, name: str) -> None:
    text = shown(choice, [_partial(PARTS, notes=(f"a level is {name}",))], policy=GATE)
    assert not {"\x1b", "\u202e"} & set(text)
    if choice in {Format.HTML, Format.MARKDOWN, Format.JUNIT}:
        assert "<b>\n" not in text
        assert "level is <b>" not in text


def test_what_a_failed_answer_leaves_out_is_said_too() -> None:
    outcome = failed(verdict=judged(coverage=(Coverage("services", 1, 2, unanswered=True),)).verdict)
    for choice in FOR_PEOPLE:
        assert "1 of 2 services answered" in unescape(shown(choice, [outcome]))


def test_remarks_say_what_is_incomplete() -> None:
    assert remarks(_partial(FRAMES, PARTS), GATE) == ["incomplete: 1 of 3 frames judged, 6 of 10 parts answered"]
    assert remarks(failed()) == []


def test_partial_images_stand_before_clean_ones_and_unanswered_ones_with_failures() -> None:
    kinds: list[PartKind] = ["frames", "pages"]
    places = [
        sort_key(_partial(*(Coverage(kind, 1, 2) for kind in kinds))),
        sort_key(judged()),
        sort_key(_partial(PARTS)),
    ]
    assert [place[0] for place in places] == [2, 3, 0]


def _summary(outcomes: list[Outcome], policy: GatePolicy) -> RunSummary:
    summary = RunSummary(policy=policy)
    for outcome in outcomes:
        summary.add(outcome)
    return summary
