"""Counting outcomes, and the exit code that the counts mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from moderate_cli.errors import ExitCode
from moderate_cli.records.allowed import Allowed, allowance, counted_level
from moderate_cli.verdicts import Failed, Judged, Outcome, Pending, Planned, RiskLevel, Skipped, Verdict


@dataclass(slots=True)
class Tally:
    """The counts of one run; memory does not grow with the number of inputs.

    `levels` are those that count for the gate. `elsewhere` counts the tasks whose results another process collected,
    `planned` the inputs that a run would send which only looks, `duplicates` of others among them included. `ignored`
    are the files that ignore files and patterns leave out, `passed_over` those that are no images. `awaited` says that
    pending tasks were waited for, or asked after, and not just submitted.
    """

    levels: Counter[RiskLevel] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    skipped: int = 0
    failed: int = 0
    pending: int = 0
    planned: int = 0
    duplicates: int = 0
    reused: int = 0
    elsewhere: int = 0
    awaited: bool = False
    passed_over: int = 0
    ignored: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    local: bool = False
    fatal: bool = False
    stopped_by: ExitCode | None = None

    def add(self, outcome: Outcome, allowed: Sequence[Allowed] = ()) -> None:
        """Count one outcome, without the findings that are allowed."""
        self.notes.update(outcome.notes)
        match outcome:
            case Judged():
                self._add_verdict(outcome.verdict, allowed)
                self.reused += outcome.reused
            case Pending():
                self.pending += 1
                self.reused += outcome.reused
            case Planned():
                self.planned += 1
                self.duplicates += not outcome.calls
            case Skipped():
                self.skipped += 1
            case Failed():
                self.failed += 1
                self.fatal |= outcome.error.exit_code == ExitCode.FATAL

    def add_clean(self, number: int, *, local: bool) -> None:
        """Count inputs of which an earlier run knows that nothing was found in them, by the local engine or not."""
        self.local |= local and number > 0
        self.judged += number
        self.reused += number
        self.levels[RiskLevel.NONE] += number

    def _add_verdict(self, verdict: Verdict, allowed: Sequence[Allowed]) -> None:
        self.judged += 1
        self.levels[counted_level(verdict, allowed)] += 1
        counted = (label.label for label in verdict.labels if allowance(label, allowed) is None)
        self.labels.update(dict.fromkeys(counted, 1))
        self.local |= verdict.engine == "local"

    @property
    def inputs(self) -> int:
        """How many inputs have an outcome."""
        return self.judged + self.skipped + self.failed + self.pending + self.planned + self.elsewhere

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
