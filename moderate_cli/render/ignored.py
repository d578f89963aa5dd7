"""Suppressed findings in what people read: left out, or set off with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from moderate_cli.levels import label_level, stated_level
from moderate_cli.records import Finding, Suppression, counted_level, suppression_for
from moderate_cli.verdicts import Frame, Judged, Label, Outcome, RiskLevel, ServiceVerdict, highest

Part = TypeVar("Part", ServiceVerdict, Frame)


def suppression_of_finding(finding: Finding, suppressions: Sequence[Suppression]) -> Suppression | None:
    """Return what suppresses a finding, or None; one of several services is suppressed where each of them is."""
    labels = [replace(finding.label, service=name) for name in finding.services] or [finding.label]
    entries = [suppression_for(label, suppressions) for label in labels]
    return entries[0] if all(entries) else None


class SuppressionFilter:
    """Shows outcomes as people shall see them, and counts the findings that it leaves out."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._left_out = 0

    def shown(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> Outcome:
        """Return an outcome whose suppressed findings have no level, and are gone unless they are to be shown."""
        if not suppressions or not isinstance(outcome, Judged):
            return outcome
        verdict = outcome.verdict
        whole = stated_level(verdict)
        if not self._shown:
            left_out = {(label.label, label.where) for label in verdict.labels if suppression_for(label, suppressions)}
            self._left_out += len(left_out)
        changed = replace(
            verdict,
            risk_level=counted_level(verdict, suppressions),
            labels=self._labels(verdict.labels, suppressions),
            per_service=tuple(self._part(part, suppressions, whole) for part in verdict.per_service),
            frames=tuple(self._part(frame, suppressions, whole) for frame in verdict.frames),
        )
        return replace(outcome, verdict=changed)

    def note(self) -> str | None:
        """Return how many findings were left out, or None where it were none."""
        if not self._left_out:
            return None
        count = "1 suppressed finding is" if self._left_out == 1 else f"{self._left_out:,} suppressed findings are"
        return f"{count} not shown; --show-suppressed shows them"

    def _part(self, part: Part, suppressions: Sequence[Suppression], whole: RiskLevel | None) -> Part:
        """Return a service or a frame at the level that is left; `whole` is that of the answer around it."""
        left: list[Label] = [label for label in part.labels if suppression_for(label, suppressions) is None]
        if len(left) == len(part.labels):
            return part
        explained = highest(_levels(part.labels, part.risk_level, whole)) or RiskLevel.NONE
        claimed = part.risk_level or RiskLevel.NONE
        beyond = claimed if part.misread or claimed.rank > explained.rank else RiskLevel.NONE
        level = highest([*_levels(left, part.risk_level, whole), beyond])
        return replace(part, labels=self._labels(part.labels, suppressions), risk_level=level)

    def _labels(self, labels: Sequence[Label], suppressions: Sequence[Suppression]) -> tuple[Label, ...]:
        found = ((label, suppression_for(label, suppressions)) for label in labels)
        return tuple(_marked(label, entry) if entry else label for label, entry in found if self._shown or not entry)


def _levels(labels: Sequence[Label], *around: RiskLevel | None) -> list[RiskLevel]:
    return [label_level(label, *around) for label in labels if label.is_finding]


def _marked(label: Label, entry: Suppression) -> Label:
    reason = f"suppressed: {entry.reason} ({entry.source})"
    return replace(label, risk_level=RiskLevel.NONE, description="; ".join(filter(None, [reason, label.description])))
