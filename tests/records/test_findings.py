"""What was found, each finding once, and what counts of it once some of it is allowed."""

from __future__ import annotations

import pytest
from builders import judged, verdict
from samples import async_outcome, batch_outcome, post_outcome, vendor_verdict

from moderate_cli.records import UNLABELLED, Allowed, all_labels, allowance, counted_level, findings
from moderate_cli.verdicts import Frame, Label, RiskLevel, ServiceVerdict, Verdict


def _allowed(label: str, service: str | None = None) -> Allowed:
    return Allowed(label, service, "a reason", "a file")


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
    found = vendor_verdict("allowlist")
    assert findings(found) == []
    assert [finding.label.label for finding in findings(found, with_none=True)] == ["nonLabel_lib"]
    assert [label.label for label in all_labels(found)] == ["nonLabel_lib"]


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


def test_a_label_that_only_frames_name_has_the_confidence_of_the_surest() -> None:
    frames = tuple(
        Frame(index, None, RiskLevel.LOW, (Label("smoke", confidence),), {})
        for index, confidence in enumerate((10, 90, 50))
    )
    [finding] = findings(verdict("low", frames=frames))
    assert (finding.label.confidence, finding.level, finding.frames) == (90, RiskLevel.LOW, (0, 1, 2))


@pytest.mark.parametrize(
    ("entry", "covers"),
    [
        (_allowed("smoke"), True),
        (_allowed("smoke", "A"), True),
        (_allowed("smoke", "B"), False),
        (_allowed("Smoke"), False),
    ],
)
def test_a_finding_is_allowed_by_label_and_service(entry: Allowed, covers: bool) -> None:
    label = Label("smoke", service="A")
    assert entry.covers(label) is covers
    assert allowance(label, [_allowed("x"), entry]) is (entry if covers else None)


def test_a_finding_without_a_service_is_allowed_by_its_label() -> None:
    assert _allowed("smoke", "A").covers(Label("smoke"))


@pytest.mark.parametrize(
    ("allowed", "level"),
    [((), "high"), (("other",), "high"), (("smoke",), "high"), (("weapon",), "medium"), (("smoke", "weapon"), "none")],
)
def test_what_is_left_decides(allowed: tuple[str, ...], level: str) -> None:
    assert counted_level(_batch(), [_allowed(label) for label in allowed]) is RiskLevel(level)


def test_what_is_left_never_counts_for_more_than_before() -> None:
    found = verdict("low", Label("smoke", risk_level=RiskLevel.HIGH), "weapon")
    assert counted_level(found, [_allowed("weapon")]) is RiskLevel.LOW


def test_an_unknown_level_still_counts_as_high() -> None:
    assert counted_level(judged(None, "a", "b").verdict, [_allowed("a")]) is RiskLevel.HIGH
    assert counted_level(judged(None, "a").verdict, [_allowed("a")]) is RiskLevel.NONE
