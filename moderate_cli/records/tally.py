"""Counting outcomes, and the exit code that the counts mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from moderate_cli.errors import ExitCode
from moderate_cli.records.allowed import NO_GATE, GatePolicy, Suppression, counted_level, suppression_for
from moderate_cli.records.record import notes
from moderate_cli.verdicts import (
    Coverage,
    Failed,
    Judged,
    Outcome,
    PartKind,
    Pending,
    Planned,
    RiskLevel,
    Skipped,
    Verdict,
)

_MOST_NOTES = 200  # of different words, so that memory stays flat
_MORE_NOTES = "further notes, which the records hold"


@dataclass(slots=True)
class Looked:
    """How much was looked at of the inputs of which some part was not: inputs, and their parts by the two counts.

    `total` is the sum where it is known of all of them; `unanswered` counts the inputs whose parts were asked about.
    """

    inputs: int = 0
    judged: int = 0
    total: int | None = 0
    unanswered: int = 0

    def add(self, part: Coverage) -> None:
        """Count one input in."""
        self.inputs += 1
        self.judged += part.judged
        self.total = None if part.total is None or self.total is None else self.total + part.total
        self.unanswered += part.unanswered


@dataclass(slots=True)
class Tally:
    """The counts of one run; memory does not grow with the number of inputs.

    `levels` are those that count for the gate, `policy` is what makes an input fail. `coverage` tells of the inputs of
    which not all was looked at, `incomplete` counts those where that is too little. `not_tried` are the inputs that a
    run did not come to, `at_least` so many where nobody has counted them all; `bugs` are those that an error of our own
    left without a verdict, `unwritten` the reports that could not be written to their end. `elsewhere` counts the tasks
    whose results another process collected, `planned` the inputs that a run would send which only looks, `duplicates`
    of others among them included. `ignored` are the files that ignore files and patterns leave out, `passed_over` those
    that are no images, `links` those that lead out of a folder. `unlisted` are the clean inputs of which reports get
    the number only. `suppressed_by` counts the findings that do not count and `ignored_by` the named files that were
    left out, by the file that says so. `awaited` says that pending tasks were waited for, or asked after, and not just
    submitted.
    """

    policy: GatePolicy = NO_GATE
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
    coverage: dict[PartKind, Looked] = field(default_factory=dict)
    incomplete: int = 0
    not_tried: int = 0
    at_least: bool = False
    bugs: int = 0
    unwritten: int = 0
    awaited: bool = False
    passed_over: int = 0
    ignored: int = 0
    links: int = 0
    unlisted: int = 0
    suppressed_by: Counter[str] = field(default_factory=Counter)
    ignored_by: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    local: bool = False
    fatal: bool = False
    stopped_by: ExitCode | None = None

    def add(self, outcome: Outcome, suppressions: Sequence[Suppression] = ()) -> None:
        """Count one outcome, without the suppressed findings."""
        for note in notes(outcome):
            self.notes[note if note in self.notes or len(self.notes) < _MOST_NOTES else _MORE_NOTES] += 1
        match outcome:
            case Judged():
                self._add_verdict(outcome.verdict, suppressions)
                self.incomplete += self.policy.is_incomplete(outcome)
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
                self.bugs += outcome.error.exit_code == ExitCode.BUG

    def add_clean(self, number: int, *, local: bool, hidden: bool = False) -> None:
        """Count inputs that an earlier run knows to be clean, by the local engine or not.

        Those that are `hidden` are below the level that is shown, so that reports say nothing of them.
        """
        self.unlisted += 0 if hidden else number
        self.local |= local and number > 0
        self.judged += number
        self.reused += number
        self.levels[RiskLevel.NONE] += number

    def _add_verdict(self, verdict: Verdict, suppressions: Sequence[Suppression]) -> None:
        self.judged += 1
        self.levels[counted_level(verdict, suppressions)] += 1
        for part in verdict.coverage:
            self.coverage.setdefault(part.kind, Looked()).add(part)
        counted = (
            label.label for label in verdict.labels if label.is_finding and suppression_for(label, suppressions) is None
        )
        self.labels.update(dict.fromkeys(counted, 1))
        self.local |= verdict.engine == "local"

    @property
    def inputs(self) -> int:
        """How many inputs have an outcome."""
        return self.judged + self.skipped + self.failed + self.pending + self.planned + self.elsewhere

    def at_or_above(self, level: RiskLevel) -> int:
        """Return how many inputs were judged to be at a level or above it."""
        return sum(count for found, count in self.levels.items() if found.rank >= level.rank)

    @property
    def is_cut_off(self) -> bool:
        """Whether the run ended before it came to all inputs, whatever ended it."""
        return self.stopped_by is not None or self.fatal or self.not_tried > 0

    def exit_code(self, *, allow_empty: bool) -> ExitCode:
        """Return the exit code of the run; where several hold, the worst in the order of the design."""
        fail_on = self.policy.fail_on
        if self.stopped_by is not None:
            return self.stopped_by
        if self.bugs:
            return ExitCode.BUG
        if self.fatal or self.unwritten:
            return ExitCode.FATAL
        if self.skipped or self.failed or self.not_tried or self.incomplete:
            return ExitCode.INCOMPLETE
        if self.pending and self.awaited:
            return ExitCode.PENDING
        if fail_on is not None and self.at_or_above(fail_on):
            return ExitCode.FOUND
        if not self.inputs and not allow_empty:
            return ExitCode.NO_INPUT
        return ExitCode.OK
