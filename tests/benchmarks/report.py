"""Figures beside their peers and their targets, as lines of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_LINE = "{:>2}  {:<44} {:>20}  {:<32} {:>14} {:>8}  {:<14} {}"
_HEAD = _LINE.format("#", "figure", "moderate", "beside", "that", "ratio", "target", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure: `ours` and `theirs` in the same `unit`, and the bound of their ratio.

    `theirs` is None where the peer is not installed. A figure without a bound only informs; `target` is `-` for one
    that is no numbered target.
    """

    target: int | Literal["-"]
    name: str
    ours: float
    peer: str
    theirs: float | None
    unit: str = ""
    bound: float | None = None
    side: Literal["or less", "or more"] = "or less"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours by theirs, where there is a peer."""
        return None if self.theirs is None else self.ours / self.theirs

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        if self.bound is None:
            return ""
        if self.ratio is None:
            return "peer not installed"
        is_met = self.ratio <= self.bound if self.side == "or less" else self.ratio >= self.bound
        return "met" if is_met else "MISSED"

    def __str__(self) -> str:
        ratio = "-" if self.ratio is None else f"{self.ratio:.3f}"
        target = "" if self.bound is None else f"{self.bound:g} {self.side}"
        theirs = "-" if self.theirs is None else self._shown(self.theirs)
        line = _LINE.format(
            self.target, self.name, self._shown(self.ours), self.peer, theirs, ratio, target, self.verdict
        ).rstrip()
        return f"{line}\n    {self.note}" if self.note else line

    def _shown(self, value: float) -> str:
        return f"{value:,.4g} {self.unit}".strip() if value < 10_000 else f"{value:,.0f} {self.unit}".strip()


def heading() -> str:
    """Return the line above the figures."""
    return _HEAD.rstrip()
