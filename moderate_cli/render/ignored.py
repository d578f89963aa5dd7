"""Allowed findings in what people read: left out, or set off with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from moderate_cli.records import Allowed, allowance, counted_level
from moderate_cli.verdicts import Frame, Judged, Label, Outcome, RiskLevel, ServiceVerdict

Part = TypeVar("Part", ServiceVerdict, Frame)


class Ignored:
    """Shows outcomes as people shall see them, and counts the findings that it leaves out."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._left_out = 0

    def shown(self, outcome: Outcome, allowed: Sequence[Allowed]) -> Outcome:
        """Return an outcome whose allowed findings have no level any more, and are gone unless they are to be shown."""
        if not allowed or not isinstance(outcome, Judged):
            return outcome
        verdict = outcome.verdict
        level = counted_level(verdict, allowed)
        if not self._shown:
            self._left_out += sum(allowance(label, allowed) is not None for label in verdict.labels)
        changed = replace(
            verdict,
            risk_level=verdict.risk_level if level is verdict.gate_level else level,
            labels=self._labels(verdict.labels, allowed),
            per_service=tuple(self._part(part, allowed) for part in verdict.per_service),
            frames=tuple(self._part(frame, allowed) for frame in verdict.frames),
        )
        return replace(outcome, verdict=changed)

    def note(self) -> str | None:
        """Return how many findings were left out, or None where it were none."""
        if not self._left_out:
            return None
        count = "1 allowed finding is" if self._left_out == 1 else f"{self._left_out:,} allowed findings are"
        return f"{count} not shown; --show-ignored shows them"

    def _part(self, part: Part, allowed: Sequence[Allowed]) -> Part:
        left = [label for label in part.labels if allowance(label, allowed) is None]
        if len(left) == len(part.labels):
            return part
        levels = [label.risk_level or part.risk_level or RiskLevel.HIGH for label in left]
        level = max(levels, key=lambda each: each.rank, default=RiskLevel.NONE)
        return replace(part, labels=self._labels(part.labels, allowed), risk_level=level)

    def _labels(self, labels: Sequence[Label], allowed: Sequence[Allowed]) -> tuple[Label, ...]:
        found = ((label, allowance(label, allowed)) for label in labels)
        return tuple(_marked(label, entry) if entry else label for label, entry in found if self._shown or not entry)


def _marked(label: Label, entry: Allowed) -> Label:
    reason = f"allowed: {entry.reason} ({entry.source})"
    return replace(label, risk_level=RiskLevel.NONE, description="; ".join(filter(None, [reason, label.description])))
