"""Each finding stands once in a report, whoever found it and in whichever part; an exemption is no finding."""

from __future__ import annotations

import csv
import io
import json
from html import unescape
from typing import Any
from xml.etree import ElementTree

import pytest
from builders import judged
from render_builders import shown
from samples import async_outcome, batch_outcome, shown_table, vendor_outcome

from moderate_cli.models import Frame, Judged, Label, RiskLevel, ServiceVerdict
from moderate_cli.render import Format
from moderate_cli.render.wording import exempted, where_words
from moderate_cli.results import GatePolicy, Suppression, findings

_EXEMPT = Label("nonLabel_lib", 83.0, "Hit allowlist", RiskLevel.NONE)
_GATE = GatePolicy(RiskLevel.LOW)


def _of_both(*, level: str = "high") -> Judged:
    """A label that two services found."""
    services = ("one", "two")
    found = [Label("weapon", 91.0, "A weapon", RiskLevel(level), service=name) for name in services]
    parts = tuple(ServiceVerdict(each.service or "", RiskLevel(level), (each,), {}) for each in found)
    return judged(level, *found, per_service=parts)


def _of_frame() -> Judged:
    """A label that is in the second frame alone, and none in the whole."""
    label = Label("weapon", 91.0, "A weapon", where="$.frames[1]")
    frames = (
        Frame(0, None, RiskLevel.NONE, (), {}),
        Frame(1, None, RiskLevel.HIGH, (Label("weapon", 91.0, "A weapon"),), {}),
    )
    return judged("high", label, frames=frames)


def _results(outcome: Judged, **options: Any) -> list[dict[str, Any]]:
    [run] = json.loads(shown(Format.SARIF, [outcome], **options))["runs"]
    return list(run["results"])


@pytest.mark.parametrize("outcome", [vendor_outcome("allowlist"), batch_outcome("allowlist"), judged("none", _EXEMPT)])
@pytest.mark.parametrize("choice", [Format.TABLE, Format.HTML, Format.MARKDOWN])
def test_an_exemption_is_shown_with_its_similarity(choice: Format, outcome: Judged) -> None:
    text = unescape(shown(choice, [outcome]))
    assert "exempt" in text
    assert "83." in text
    assert "nonLabel_lib" in text
    assert "nothing found" not in text.split("</style>")[-1]


@pytest.mark.parametrize("choice", list(Format)[1:])
def test_an_exemption_is_no_finding(choice: Format) -> None:
    text = shown(choice, [judged("none", _EXEMPT), judged("none", _EXEMPT)], policy=_GATE)
    for words in ("<summary>Labels", "Labels</h2>", "::error", "::notice", "<failure", '"ruleId"', '"by_label":{"n'):
        assert words not in text
    assert 'failures="1"' not in text


def test_an_exemption_does_not_hide_a_risk_without_a_label() -> None:
    text = shown_table(judged("high", _EXEMPT), width=60)
    assert "unlabelled  a risk level without a label" in text
    assert "exempt  83.00  nonLabel_lib; Hit allowlist" in text


def test_an_exemption_of_several_services_is_told_once() -> None:
    outcome = batch_outcome("allowlist")
    assert len(outcome.verdict.labels) == 2
    assert [label.label for label in exempted(outcome.verdict)] == ["nonLabel_lib"]
    [row] = csv.DictReader(io.StringIO(shown(Format.CSV, [outcome])))
    assert (row["labels"], row["confidences"]) == ("nonLabel_lib", "83.18")


def test_a_frame_that_is_exempt_says_so_in_the_strip() -> None:
    text = shown(Format.HTML, [async_outcome("allowlist")])
    assert "exempt <b>81.18</b>" in text


@pytest.mark.parametrize(
    ("choice", "word", "times"),
    [
        (Format.MARKDOWN, "A weapon", 1),
        (Format.HTML, "A weapon", 1),
        (Format.JUNIT, "A weapon", 1),
        (Format.GITHUB, "91.00: A weapon", 1),
        (Format.CSV, "A weapon", 1),
        (Format.SARIF, '"ruleId":"weapon"', 1),
        (Format.TABLE, "A weapon", 2),
    ],
)
def test_a_label_of_two_services_stands_once_and_in_a_table_once_for_each(
    choice: Format, word: str, times: int
) -> None:
    assert shown(choice, [_of_both()], policy=_GATE).count(word) == times


def test_a_label_of_two_services_names_both() -> None:
    [result] = _results(_of_both())
    assert result["properties"]["service"] == "one, two"


@pytest.mark.parametrize(("service", "count"), [("one", 0), ("two", 0), (None, 1)])
def test_a_label_of_two_services_is_suppressed_where_it_is_for_both(service: str | None, count: int) -> None:
    [result] = _results(_of_both(), suppressions=[Suppression("weapon", service, "a toy", "a file")])
    assert len(result["suppressions"]) == count


@pytest.mark.parametrize("width", [60, 120])
def test_a_label_of_a_frame_alone_stands_at_its_frame_alone(width: int) -> None:
    text = shown_table(_of_frame(), width=width)
    assert text.count("A weapon") == 1
    assert text.index("frame 2 of 2") < text.index("A weapon")
    assert text.count("nothing found") == 1
    assert text.index("frame 1 of 2") < text.index("nothing found")


def test_a_label_of_a_frame_names_it_once() -> None:
    [finding] = findings(_of_frame().verdict)
    assert where_words(finding) == " (frame 2)"
    assert "$.frames" not in shown(Format.MARKDOWN, [_of_frame()])
    [unknown] = findings(judged("high", Label("weapon", where="$.frames[1]")).verdict)
    assert where_words(unknown) == " (at $.frames[1])"


def test_a_label_of_a_frame_keeps_its_fingerprint_in_whichever_frame_it_is() -> None:
    outcomes = [judged("high", Label("weapon", where=where)) for where in (None, "$.frames[0]", "$.frames[7]")]
    prints = [_results(outcome)[0]["partialFingerprints"]["moderateFinding/v1"] for outcome in outcomes]
    assert len(set(prints)) == 1


def test_a_risk_without_a_label_is_no_nothing_in_a_table() -> None:
    assert "unlabelled" in shown_table(judged("high"))
    services = (ServiceVerdict("one", RiskLevel.NONE, (), {}), ServiceVerdict("two", RiskLevel.LOW, (), {}))
    lines = [line.split() for line in shown_table(judged("high", per_service=services), width=60).splitlines()]
    assert [line[0] for line in lines[3:]] == ["unlabelled", "2", "one", "nothing", "two", "unlabelled"]


@pytest.mark.parametrize(
    ("misread", "level", "left"),
    [(False, RiskLevel.LOW, "none"), (False, RiskLevel.HIGH, "high"), (True, RiskLevel.HIGH, "high")],
)
def test_a_service_keeps_the_level_that_no_suppression_explains(misread: bool, level: RiskLevel, left: str) -> None:
    label = Label("weapon", 91.0, risk_level=RiskLevel.LOW, service="one")
    services = (ServiceVerdict("one", level, (label,), {}, misread),)
    outcome = judged(level.value, label, per_service=services, unexplained=RiskLevel(left))
    text = shown(Format.TABLE, [outcome], suppressions=[Suppression("weapon", None, "a toy", "a file")])
    assert left in next(line for line in text.splitlines() if "one" in line.split())


@pytest.mark.parametrize("choice", [Format.TABLE, Format.MARKDOWN, Format.HTML])
def test_a_level_that_nobody_can_read_is_high(choice: Format) -> None:
    text = shown(choice, [judged(None, "brand_new_label")])
    assert "unknown" not in text
    assert "high" in text


def test_no_label_is_told_twice_in_the_case_of_both() -> None:
    [[[failure]]] = ElementTree.fromstring(shown(Format.JUNIT, [_of_both()], policy=_GATE))
    assert failure.attrib["message"] == "high risk: weapon"
    assert failure.text == "high: weapon 91.00: A weapon"
