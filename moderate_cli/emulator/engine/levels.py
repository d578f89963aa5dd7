"""From a confidence to a risk level."""

from __future__ import annotations

from collections.abc import Iterable

from moderate_cli.verdicts import RiskLevel

# The vendor lets each account set a medium-risk and a high-risk score and publishes no defaults; these two are ours.
MEDIUM_FROM = 60.0
HIGH_FROM = 90.0


def risk_level(confidence: float) -> RiskLevel:
    """Return the level of a finding with a confidence from 0 to 100."""
    if confidence >= HIGH_FROM:
        return RiskLevel.HIGH
    return RiskLevel.MEDIUM if confidence >= MEDIUM_FROM else RiskLevel.LOW


def highest(levels: Iterable[RiskLevel]) -> RiskLevel:
    """Return the highest of some levels, and none where there are none."""
    return max(levels, key=lambda level: level.rank, default=RiskLevel.NONE)
