"""What was found in one input, each finding once: the answer as a whole, its services and its frames laid together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, field

from moderate_cli.common.errors import ExitCode
from moderate_cli.levels import finding_level
from moderate_cli.models import (
    Coverage,
    Failed,
    Judged,
    Label,
    Outcome,
    PartKind,
    Pending,
    Planned,
    RiskLevel,
    Skipped,
    Verdict,
    highest,
)


class Suppression(Struct, frozen=True):
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


class GatePolicy(Struct, frozen=True):
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


UNLABELLED = "unlabelled"
"""The name of a finding for which the service gave a risk level and no label."""


class Finding(Struct, frozen=True):
    """A label with the level that counts for it.

    `frames` are the indexes of those that show it, `services` those that found it, where the answer tells.
    """

    label: Label
    level: RiskLevel
    frames: tuple[int, ...] = ()
    services: tuple[str, ...] = ()


def all_labels(verdict: Verdict) -> list[Label]:
    """Return the findings of a verdict, each label once in each part of the input."""
    return [group[0] for group in _merged(verdict)]


def findings(verdict: Verdict, *, with_none: bool = False) -> list[Finding]:
    """Return the findings of a verdict, the worst first; `with_none` adds the labels at the level `none`."""
    found = [_finding(group, verdict) for group in _merged(verdict)]
    if not found and verdict.gate_level is not RiskLevel.NONE:
        found = [Finding(Label(UNLABELLED, description="a risk level without a label"), verdict.gate_level)]
    risks = [finding for finding in found if with_none or finding.level is not RiskLevel.NONE]
    return sorted(risks, key=lambda finding: -finding.level.rank)


def exemptions(verdict: Verdict) -> list[Label]:
    """Return the labels that say that the image is in a library of exemptions."""
    return [label for label in verdict.labels if not label.is_finding]


def _merged(verdict: Verdict) -> list[list[Label]]:
    """Return the findings in groups: one for each label in each part, with an entry for each service that found it."""
    groups: dict[tuple[str, str | None], list[Label]] = {}
    for label in verdict.labels:
        if label.is_finding:
            groups.setdefault((label.label, label.where), []).append(label)
    return list(groups.values())


def _finding(group: list[Label], verdict: Verdict) -> Finding:
    label = group[0]
    frames = tuple(frame.index for frame in verdict.frames if any(each.label == label.label for each in frame.labels))
    level = max((finding_level(each, verdict) for each in group), key=lambda each: each.rank)
    return Finding(label, level, frames, tuple(each.service for each in group if each.service))


_REPEATED = "sent again after its answer was lost, and maybe billed twice; the console's detection results tell"


def verdict_of(outcome: Outcome) -> Verdict | None:
    """Return the verdict of an outcome, or what could be read of one in a failed answer."""
    return outcome.verdict if isinstance(outcome, Judged | Failed) else None


def notes(outcome: Outcome) -> tuple[str, ...]:
    """Return the remarks about an input, about the way it was sent, and about its answer."""
    verdict = verdict_of(outcome)
    repeated = (_REPEATED,) if outcome.call.repeated else ()
    # One that was reused brings those about its image along.
    return tuple(dict.fromkeys(outcome.notes + repeated + (verdict.notes if verdict else ())))


def is_clean(outcome: Outcome) -> bool:
    """Tell whether there is nothing to say of an input but that it was judged.

    Its answer was read whole, is about all of it, and says that there is no risk; neither has a label or a note.
    """
    if not isinstance(outcome, Judged):
        return False
    verdict = outcome.verdict
    is_whole = verdict.complete and not verdict.coverage
    return is_whole and verdict.gate_level is RiskLevel.NONE and not verdict.labels and not notes(outcome)


Status = Literal["judged", "skipped", "failed", "pending"]
_STATUSES: dict[type[Outcome], Status] = {
    Judged: "judged",
    Skipped: "skipped",
    Failed: "failed",
    Pending: "pending",
}


def status(outcome: Outcome) -> Status:
    """Return the word for what became of an input; raises KeyError for one that has no record."""
    return _STATUSES[type(outcome)]


_MAX_NOTES = 200  # of different words, so that memory stays flat
_MORE_NOTES = "further notes, which the records hold"


class Looked(Struct):
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


class RunSummary(Struct):
    """The counts of one run; memory does not grow with the number of inputs.

    `levels` are those that count for the gate, `policy` is what makes an input fail. `coverage` tells of the inputs of
    which not all was looked at, `incomplete` counts those where that is too little. `not_tried` are the inputs that a
    run did not come to, `at_least` so many where nobody has counted them all; `bugs` are those that an error of our own
    left without a verdict, `unwritten` the reports that could not be written to their end. `elsewhere` counts the tasks
    whose results another process collected, `planned` the inputs that a run would send which only looks, `duplicates`
    of others among them included. `ignored` are the files that ignore files and patterns leave out, `non_images` those
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
    non_images: int = 0
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
            self.notes[note if note in self.notes or len(self.notes) < _MAX_NOTES else _MORE_NOTES] += 1
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
