"""What was found in one input, each finding once: the answer as a whole, its services and its frames laid together."""

from __future__ import annotations

from dataclasses import dataclass

from moderate_cli.levels import finding_level
from moderate_cli.verdicts import Label, RiskLevel, Verdict

UNLABELLED = "unlabelled"
"""The name of a finding for which the service gave a risk level and no label."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A label with the level that counts for it.

    `frames` are the indexes of those that show it, `services` those that found it, where the answer tells.
    """

    label: Label
    level: RiskLevel
    frames: tuple[int, ...] = ()
    services: tuple[str, ...] = ()


def all_labels(verdict: Verdict) -> list[Label]:
    """Return the findings of a verdict, each label once in each part of the input."""
    return [group[0] for group in _merged(verdict)]


def findings(verdict: Verdict, *, with_none: bool = False) -> list[Finding]:
    """Return the findings of a verdict, the worst first; `with_none` adds the labels at the level `none`."""
    found = [_finding(group, verdict) for group in _merged(verdict)]
    if not found and verdict.gate_level is not RiskLevel.NONE:
        found = [Finding(Label(UNLABELLED, description="a risk level without a label"), verdict.gate_level)]
    risks = [finding for finding in found if with_none or finding.level is not RiskLevel.NONE]
    return sorted(risks, key=lambda finding: -finding.level.rank)


def exemptions(verdict: Verdict) -> list[Label]:
    """Return the labels that say that the image is in a library of exemptions."""
    return [label for label in verdict.labels if not label.is_finding]


def _merged(verdict: Verdict) -> list[list[Label]]:
    """Return the findings in groups: one for each label in each part, with an entry for each service that found it."""
    groups: dict[tuple[str, str | None], list[Label]] = {}
    for label in verdict.labels:
        if label.is_finding:
            groups.setdefault((label.label, label.where), []).append(label)
    return list(groups.values())


def _finding(group: list[Label], verdict: Verdict) -> Finding:
    label = group[0]
    frames = tuple(frame.index for frame in verdict.frames if any(each.label == label.label for each in frame.labels))
    level = max((finding_level(each, verdict) for each in group), key=lambda each: each.rank)
    return Finding(label, level, frames, tuple(each.service for each in group if each.service))
