"""Suppressed findings, the level that is left without them, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moderate_cli.levels import finding_level
from moderate_cli.verdicts import Failed, Judged, Label, Outcome, RiskLevel, Skipped, Verdict, highest


@dataclass(frozen=True, slots=True)
class Suppression:
    """A label that is suppressed in one image, of one service or (None) of each.

    `source` is where that is written, `expires` (YYYY-MM-DD) the last day on which it counts.
    """

    label: str
    service: str | None
    reason: str
    source: str
    expires: str | None = None

    def covers(self, label: Label) -> bool:
        """Tell whether a finding is this one; where either side names no service, the label alone decides."""
        return self.label == label.label and (None in (self.service, label.service) or self.service == label.service)


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """What makes an input fail: its level, an answer that leaves a part out, or a part that nobody looked at.

    `fail_on` is None where no level fails. Parts that the service was asked about and did not answer make an input
    incomplete under a gate, unless `allow_partial`; with `require_full` everything makes it so that was not looked at.
    """

    fail_on: RiskLevel | None = None
    allow_partial: bool = False
    require_full: bool = False

    def is_incomplete(self, outcome: Outcome) -> bool:
        """Tell whether too little of a judged input was looked at."""
        if not isinstance(outcome, Judged) or not outcome.verdict.coverage:
            return False
        has_gate = self.fail_on is not None and not self.allow_partial
        return self.require_full or (has_gate and outcome.verdict.is_unanswered)

    def fails(self, level: RiskLevel) -> bool:
        """Tell whether a level is at or above the gate."""
        return self.fail_on is not None and level.rank >= self.fail_on.rank

    def passes(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> bool | None:
        """Tell whether an input passes the gate; None where there is no gate, or no answer yet."""
        if self.fail_on is None:
            return None
        if isinstance(outcome, Judged):
            return not self.is_incomplete(outcome) and not self.fails(counted_level(outcome.verdict, suppressions))
        return False if isinstance(outcome, Failed | Skipped) else None


NO_GATE = GatePolicy()


def suppression_for(label: Label, suppressions: Sequence[Suppression]) -> Suppression | None:
    """Return what suppresses a finding, or None."""
    return next((entry for entry in suppressions if entry.covers(label)), None)


def counted_level(verdict: Verdict, suppressions: Sequence[Suppression]) -> RiskLevel:
    """Return the level that decides once suppressed findings are left out: what no suppression names still counts."""
    found = [label for label in verdict.labels if label.is_finding]
    if not suppressions or not found or verdict.risk_level is None:
        return verdict.gate_level
    left = [finding_level(label, verdict) for label in found if suppression_for(label, suppressions) is None]
    return highest([*left, verdict.unexplained]) or RiskLevel.NONE
