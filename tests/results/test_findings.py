"""What was found, each finding once, and what counts of it once some of it is suppressed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import call, judged, verdict
from samples import async_outcome, batch_outcome, post_outcome, vendor_verdict

from moderate_cli.client.verdicts import read_verdict
from moderate_cli.models import Label, RiskLevel, ServiceVerdict, Verdict
from moderate_cli.results import (
    UNLABELLED,
    Suppression,
    all_labels,
    counted_level,
    exemptions,
    findings,
    suppression_for,
)


def _suppression(label: str, service: str | None = None) -> Suppression:
    return Suppression(label, service, "a reason", "a file")


def _levels(found: Verdict) -> dict[str, str]:
    return {finding.label.label: finding.level.value for finding in findings(found)}


def _batch() -> Verdict:
    parts = (
        ServiceVerdict("A", RiskLevel.MEDIUM, (Label("smoke", 80, service="A"),), {}),
        ServiceVerdict("B", RiskLevel.HIGH, (Label("weapon", 90, service="B"),), {}),
    )
    labels = [label for part in parts for label in part.labels]
    return verdict("high", *labels, per_service=parts)


def test_a_label_has_its_own_level_that_of_its_service_or_the_verdicts() -> None:
    own = verdict("high", Label("smoke", risk_level=RiskLevel.LOW), "weapon")
    assert _levels(own) == {"weapon": "high", "smoke": "low"}
    assert _levels(_batch()) == {"weapon": "high", "smoke": "medium"}
    assert _levels(verdict(None, "brand_new")) == {"brand_new": "high"}


def test_what_is_no_risk_is_no_finding_but_a_label() -> None:
    found = verdict("none", Label("smoke", risk_level=RiskLevel.NONE))
    assert findings(found) == []
    assert [finding.label.label for finding in findings(found, with_none=True)] == ["smoke"]
    assert [label.label for label in all_labels(found)] == ["smoke"]


@pytest.mark.parametrize("found", [vendor_verdict("allowlist"), async_outcome("allowlist").verdict])
def test_an_exemption_is_no_finding(found: Verdict) -> None:
    assert findings(found) == findings(found, with_none=True) == all_labels(found) == []
    assert [label.label for label in exemptions(found)] == ["nonLabel_lib"]


def test_an_exemption_beside_a_finding_hides_nothing() -> None:
    found = verdict("high", Label("nonLabel_lib", 83, risk_level=RiskLevel.NONE), "weapon")
    assert _levels(found) == {"weapon": "high"}
    assert counted_level(found, [_suppression("nonLabel_lib")]) is RiskLevel.HIGH


def test_a_level_without_a_label_is_not_lost() -> None:
    assert _levels(verdict("medium")) == {UNLABELLED: "medium"}
    assert all_labels(verdict("medium")) == []


def test_labels_of_services_and_frames_come_once_and_say_where() -> None:
    assert [label.label for label in all_labels(batch_outcome("risk").verdict)] == [
        "violent_explosion",
        "sexual_partialNudity",
        "pt_programCode",
    ]
    animation = async_outcome("risk").verdict
    assert {finding.label.label: finding.frames for finding in findings(animation)} == {
        "pornographic_adultContent": (0,),
        "sexual_partialNudity": (),
        "violent_explosion": (0,),
        "violent_explosion_lib": (1,),
        "contraband_gamble": (0,),
    }


def test_a_label_of_several_parts_of_a_post_is_a_finding_in_each() -> None:
    found = findings(post_outcome("risk").verdict)
    assert len({finding.label.where for finding in found}) == 4
    assert len(found) == 6


def test_a_label_that_only_frames_name_stands_at_the_worst_of_them() -> None:
    levels = [RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.MEDIUM]
    entries = [
        {"RiskLevel": level, "Result": [{"Label": "smoke", "Confidence": confidence}]}
        for level, confidence in zip(levels, (90, 50, 10), strict=True)
    ]
    body = {"Data": {"RiskLevel": "low", "FrameNum": 3, "Frame": json.dumps(entries)}}
    [finding] = findings(read_verdict(body, call(operation="DescribeImageModerationResult")))
    assert (finding.label.confidence, finding.label.where) == (50, "$.frames[1]")
    assert (finding.level, finding.frames) == (RiskLevel.MEDIUM, (0, 1, 2))


def test_a_label_of_two_services_is_one_finding_of_both_at_the_higher_level() -> None:
    parts = (
        ServiceVerdict("A", RiskLevel.LOW, (Label("smoke", 80, service="A"),), {}),
        ServiceVerdict("B", RiskLevel.HIGH, (Label("smoke", 90, service="B"),), {}),
    )
    found = verdict("high", *(label for part in parts for label in part.labels), per_service=parts)
    [finding] = findings(found)
    assert (finding.level, finding.services) == (RiskLevel.HIGH, ("A", "B"))
    assert [label.label for label in all_labels(found)] == ["smoke"]


@pytest.mark.parametrize(
    ("entry", "covers"),
    [
        (_suppression("smoke"), True),
        (_suppression("smoke", "A"), True),
        (_suppression("smoke", "B"), False),
        (_suppression("Smoke"), False),
    ],
)
def test_a_finding_is_suppressed_by_label_and_service(entry: Suppression, covers: bool) -> None:
    label = Label("smoke", service="A")
    assert entry.covers(label) is covers
    assert suppression_for(label, [_suppression("x"), entry]) is (entry if covers else None)


def test_a_finding_without_a_service_is_suppressed_by_its_label() -> None:
    assert _suppression("smoke", "A").covers(Label("smoke"))


@pytest.mark.parametrize(
    ("suppressed", "level"),
    [((), "high"), (("other",), "high"), (("smoke",), "high"), (("weapon",), "medium"), (("smoke", "weapon"), "none")],
)
def test_what_is_left_decides(suppressed: tuple[str, ...], level: str) -> None:
    assert counted_level(_batch(), [_suppression(label) for label in suppressed]) is RiskLevel(level)


def test_what_is_left_never_counts_for_more_than_before() -> None:
    found = verdict("high", Label("smoke", risk_level=RiskLevel.HIGH), "weapon", reported_level="low")
    assert counted_level(found, [_suppression("weapon")]) is RiskLevel.HIGH
    assert counted_level(found, [_suppression("smoke")]) is RiskLevel.LOW
    assert counted_level(found, [_suppression("smoke"), _suppression("weapon")]) is RiskLevel.NONE


def test_an_unknown_level_still_counts_as_high() -> None:
    found = judged("high", "a", "b", reported_level=None).verdict
    assert counted_level(found, [_suppression("a")]) is RiskLevel.HIGH
    assert counted_level(found, [_suppression("a"), _suppression("b")]) is RiskLevel.NONE
    assert counted_level(judged(None, "a").verdict, [_suppression("a")]) is RiskLevel.HIGH


@pytest.mark.parametrize(
    ("unexplained", "suppressed", "level"),
    [
        (RiskLevel.NONE, ["smoke", "weapon"], "none"),
        (RiskLevel.MEDIUM, ["smoke", "weapon"], "medium"),
        (RiskLevel.MEDIUM, ["weapon"], "medium"),
        (RiskLevel.HIGH, ["smoke", "weapon"], "high"),
        (RiskLevel.LOW, ["smoke"], "high"),
    ],
)
def test_what_no_suppression_names_still_counts(unexplained: RiskLevel, suppressed: list[str], level: str) -> None:
    labels = (Label("smoke", risk_level=RiskLevel.LOW), Label("weapon", risk_level=RiskLevel.HIGH))
    found = verdict("high", *labels, unexplained=unexplained)
    assert counted_level(found, [_suppression(label) for label in suppressed]) is RiskLevel(level)


BATCH = {
    "RiskLevel": "high",
    "Results": [
        {"Service": "A", "RiskLevel": "high", "Result": [{"Label": "smoke"}]},
        {"Service": "B", "RiskLevel": "low", "Result": [{"Label": "smoke"}]},
    ],
}


@pytest.mark.parametrize(
    ("data", "suppressed", "level"),
    [
        # with something that nobody can read
        ({"RiskLevel": "critical", "Result": [{"Label": "a"}]}, [("a", None)], "high"),
        ({"RiskLevel": "high", "Result": [{"Label": "a", "RiskLevel": "?"}, {"Label": "b"}]}, [("b", None)], "high"),
        # the whole is higher than what its labels explain
        ({"RiskLevel": "high", "Result": [{"Label": "a", "RiskLevel": "low"}]}, [("a", None)], "high"),
        ({"RiskLevel": "high", "Result": [{"Label": "a"}]}, [("a", None)], "none"),
        ({"RiskLevel": "low", "Result": [{"Label": "a", "RiskLevel": "high"}, {"Label": "b"}]}, [("a", None)], "low"),
        # a level without a label
        ({"RiskLevel": "medium"}, [("*", None), ("unlabelled", None)], "medium"),
        ({"RiskLevel": "medium", "Result": [{"Label": "nonLabel"}]}, [("nonLabel", None)], "medium"),
        # frames
        (
            {"RiskLevel": "high", "FrameNum": 2, "Frame": [{"RiskLevel": "high"}, {"Result": [{"Label": "a"}]}]},
            [("a", None)],
            "high",
        ),
        # services
        (BATCH, [("smoke", "A")], "low"),
        (BATCH, [("smoke", "B")], "high"),
        (BATCH, [("smoke", None)], "none"),
    ],
)
def test_suppressions_take_away_only_what_they_name(
    data: Any, suppressed: list[tuple[str, str | None]], level: str
) -> None:
    operation = "ImageBatchModeration" if "Results" in data else "DescribeImageModerationResult"
    found = read_verdict(
        {"Data": data}, call(operation=operation, services=("A", "B") if "Results" in data else ("A",))
    )
    assert counted_level(found, []) is found.risk_level
    assert counted_level(found, [_suppression(*names) for names in suppressed]) is RiskLevel(level)
