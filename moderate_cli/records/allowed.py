"""Findings that the team has allowed, and what counts once they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moderate_cli.records.findings import findings
from moderate_cli.verdicts import Frame, Label, RiskLevel, ServiceVerdict, Verdict


@dataclass(frozen=True, slots=True)
class Allowed:
    """A label that is allowed in one image, of one service or (None) of each; `source` is where that is written."""

    label: str
    service: str | None
    reason: str
    source: str

    def covers(self, label: Label) -> bool:
        """Tell whether a finding is this one; where either side names no service, the label alone decides."""
        return self.label == label.label and (None in (self.service, label.service) or self.service == label.service)


def allowance(label: Label, allowed: Sequence[Allowed]) -> Allowed | None:
    """Return what allows a finding, or None."""
    return next((entry for entry in allowed if entry.covers(label)), None)


def counted_level(verdict: Verdict, allowed: Sequence[Allowed]) -> RiskLevel:
    """Return the level that decides once the allowed findings are left out.

    A service or a frame with a level and no label has nothing that could be allowed, and counts.
    """
    if not allowed:
        return verdict.gate_level
    found = findings(verdict)
    left = [finding.level for finding in found if allowance(finding.label, allowed) is None]
    if len(left) == len(found):
        return verdict.gate_level
    parts: tuple[ServiceVerdict | Frame, ...] = verdict.per_service + verdict.frames
    left += [part.risk_level for part in parts if part.risk_level and not part.labels]
    return min([verdict.gate_level, max(left, key=_rank, default=RiskLevel.NONE)], key=_rank)


def _rank(level: RiskLevel) -> int:
    return level.rank
