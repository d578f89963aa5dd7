"""What was found in one input, each finding once: the answer as a whole, its services and its frames laid together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from moderate_cli.verdicts import Frame, Label, RiskLevel, ServiceVerdict, Verdict

UNLABELLED = "unlabelled"
"""The name of a finding for which the service gave a risk level and no label."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A label with the level that counts for it; `frames` are the indexes of those that show it."""

    label: Label
    level: RiskLevel
    frames: tuple[int, ...] = ()


def all_labels(verdict: Verdict) -> list[Label]:
    """Return each label of a verdict once: its own, then those that only a service or a frame names."""
    return list(_merged(verdict).values())


def findings(verdict: Verdict, *, with_none: bool = False) -> list[Finding]:
    """Return the findings of a verdict, the worst first; `with_none` adds the labels at the level `none`.

    A level that a label does not name itself is that of its service or its frame, or else the verdict's.
    """
    merged = _merged(verdict)
    if not merged and verdict.gate_level is not RiskLevel.NONE:
        merged = {(UNLABELLED, None): Label(UNLABELLED, description="a risk level without a label")}
    found = [_finding(label, verdict) for label in merged.values()]
    risks = [finding for finding in found if with_none or finding.level is not RiskLevel.NONE]
    return sorted(risks, key=lambda finding: -finding.level.rank)


def _merged(verdict: Verdict) -> dict[tuple[str, str | None], Label]:
    labels = [*verdict.labels, *sorted(_nested_labels(verdict), key=lambda label: -(label.confidence or 0))]
    merged: dict[tuple[str, str | None], Label] = {}
    for label in labels:
        merged.setdefault((label.label, label.where), label)
    return merged


def _nested_labels(verdict: Verdict) -> Iterator[Label]:
    return (label for part in _nested(verdict) for label in part.labels)


def _nested(verdict: Verdict) -> tuple[ServiceVerdict | Frame, ...]:
    return verdict.per_service + verdict.frames


def _finding(label: Label, verdict: Verdict) -> Finding:
    frames = tuple(frame.index for frame in verdict.frames if any(each.label == label.label for each in frame.labels))
    return Finding(label, label.risk_level or _level_of_parts(label.label, verdict) or verdict.gate_level, frames)


def _level_of_parts(name: str, verdict: Verdict) -> RiskLevel | None:
    """Return the highest level that the services or frames with a label give, or None where they give none."""
    levels = [
        level
        for part in _nested(verdict)
        for label in part.labels
        if label.label == name and (level := label.risk_level or part.risk_level)
    ]
    return max(levels, key=lambda level: level.rank, default=None)
