"""Counting outcomes, and the exit code that the counts mean."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from moderate_cli.errors import ExitCode
from moderate_cli.verdicts import Failed, Judged, Outcome, Pending, RiskLevel, Skipped


@dataclass(slots=True)
class Tally:
    """The counts of one run; memory does not grow with the number of inputs.

    `elsewhere` counts the tasks whose results another process collected. `awaited` says that pending tasks were waited
    for, or asked after, and not just submitted.
    """

    levels: Counter[RiskLevel] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    skipped: int = 0
    failed: int = 0
    pending: int = 0
    elsewhere: int = 0
    awaited: bool = False
    passed_over: int = 0
    local: bool = False
    fatal: bool = False
    stopped_by: ExitCode | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        match outcome:
            case Judged():
                self.judged += 1
                self.levels[outcome.verdict.gate_level] += 1
                self.labels.update(dict.fromkeys((label.label for label in outcome.verdict.labels), 1))
                self.local |= outcome.verdict.engine == "local"
            case Pending():
                self.pending += 1
            case Skipped():
                self.skipped += 1
            case Failed():
                self.failed += 1
                self.fatal |= outcome.error.exit_code == ExitCode.FATAL

    @property
    def inputs(self) -> int:
        """How many inputs have an outcome."""
        return self.judged + self.skipped + self.failed + self.pending + self.elsewhere

    def at_or_above(self, level: RiskLevel) -> int:
        """Return how many inputs were judged to be at a level or above it."""
        return sum(count for found, count in self.levels.items() if found.rank >= level.rank)

    def exit_code(self, *, fail_on: RiskLevel | None, allow_empty: bool) -> ExitCode:
        """Return the exit code of the run; where several hold, the worst in the order of the design."""
        if self.stopped_by is not None:
            return self.stopped_by
        if self.fatal:
            return ExitCode.FATAL
        if self.skipped or self.failed:
            return ExitCode.INCOMPLETE
        if self.pending and self.awaited:
            return ExitCode.PENDING
        if fail_on is not None and self.at_or_above(fail_on):
            return ExitCode.FOUND
        if not self.inputs and not allow_empty:
            return ExitCode.NO_INPUT
        return ExitCode.OK
