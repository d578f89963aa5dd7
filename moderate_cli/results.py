"""The findings of an input, each listed once, their suppression, and the summary and exit code of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from msgspec import Struct, field

from moderate_cli.catalog.checks import MissingCheck, not_checked
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
    is_about_posts,
)


class Suppression(Struct, frozen=True):
    """A label that is suppressed in one image, for one service or, if that is None, for all.

    `source` is the place of the entry as FILE:LINE or `baseline`, and `expires` (YYYY-MM-DD) its last valid day.
    """

    label: str
    service: str | None
    reason: str
    source: str
    expires: str | None = None

    @property
    def file(self) -> str:
        """The file of the entry, or all of a source that is not FILE:LINE."""
        file, _, line = self.source.rpartition(":")
        return file if file and line.isdecimal() else self.source

    def covers(self, label: Label) -> bool:
        """Return whether this suppresses a finding; if either has no service, only the label is compared."""
        return self.label == label.label and (None in (self.service, label.service) or self.service == label.service)


class GatePolicy(Struct, frozen=True):
    """The conditions under which an input fails: its level, a part without an answer, or a part that was not judged.

    `fail_on` is None without a gate. With one, an unanswered part makes an input incomplete unless `allow_partial` is
    set; with `require_full` any part that was not judged does.
    """

    fail_on: RiskLevel | None = None
    allow_partial: bool = False
    require_full: bool = False

    def is_incomplete(self, outcome: Outcome) -> bool:
        """Return whether too little of a judged input was covered."""
        if not isinstance(outcome, Judged) or not outcome.verdict.coverage:
            return False
        has_gate = self.fail_on is not None and not self.allow_partial
        return self.require_full or (has_gate and outcome.verdict.is_unanswered)

    def fails(self, level: RiskLevel) -> bool:
        """Return whether a level is at or above the gate."""
        return self.fail_on is not None and level.rank >= self.fail_on.rank

    def passes(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> bool | None:
        """Return whether an input passes the gate, or None without a gate or an answer."""
        if self.fail_on is None:
            return None
        if isinstance(outcome, Judged):
            return not self.is_incomplete(outcome) and not self.fails(counted_level(outcome.verdict, suppressions))
        return False if isinstance(outcome, Failed | Skipped) else None


MAX_CLEAN = 20
"""Clean inputs that a table or a test report names; more are only counted."""
NO_GATE = GatePolicy()


def suppression_for(label: Label, suppressions: Sequence[Suppression]) -> Suppression | None:
    """Return the suppression of a finding, or None."""
    return next((entry for entry in suppressions if entry.covers(label)), None)


def counted_level(verdict: Verdict, suppressions: Sequence[Suppression]) -> RiskLevel:
    """Return the level for the gate without the suppressed findings; a level without a label still counts."""
    found = [label for label in verdict.labels if label.is_finding]
    if not suppressions or not found or verdict.risk_level is None:
        return verdict.gate_level
    left = [finding_level(label, verdict) for label in found if suppression_for(label, suppressions) is None]
    return highest([*left, verdict.unexplained]) or RiskLevel.NONE


UNLABELLED = "unlabelled"
"""The name of a finding that has a risk level and no label."""


class Finding(Struct, frozen=True):
    """A label with its effective level.

    `frames` lists the indexes of the frames that show it, and `services` the services that found it, if known.
    """

    label: Label
    level: RiskLevel
    frames: tuple[int, ...] = ()
    services: tuple[str, ...] = ()


def all_labels(verdict: Verdict) -> list[Label]:
    """Return the findings of a verdict, each label once per part of the input."""
    return [group[0] for group in _merged(verdict)]


def findings(verdict: Verdict, *, with_none: bool = False) -> list[Finding]:
    """Return the findings of a verdict, highest level first; `with_none` includes those at the level `none`."""
    found = [_finding(group, verdict) for group in _merged(verdict)]
    found += unlabelled(found, verdict.gate_level)
    risks = [finding for finding in found if with_none or finding.level is not RiskLevel.NONE]
    return sorted(risks, key=lambda finding: -finding.level.rank)


def unlabelled(found: Iterable[Finding], level: RiskLevel) -> list[Finding]:
    """Return a finding without a label for a level that none of some findings reaches, or nothing."""
    if level is RiskLevel.NONE or any(finding.level.rank >= level.rank for finding in found):
        return []
    return [Finding(Label(UNLABELLED, description="a risk level without a label"), level)]


def exemptions(verdict: Verdict) -> list[Label]:
    """Return the labels of exemption libraries that the image matches."""
    return [label for label in verdict.labels if not label.is_finding]


def _merged(verdict: Verdict) -> list[list[Label]]:
    """Return the findings grouped by label and part; a group has one label per service that found it."""
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


REPEATED = "sent again after its answer was lost, and maybe billed twice; the console's detection results tell"
"""The note on an input whose call was repeated."""


def verdict_of(outcome: Outcome) -> Verdict | None:
    """Return the verdict of an outcome, or the readable part of one if it failed, or None."""
    return outcome.verdict if isinstance(outcome, Judged | Failed) else None


def notes(outcome: Outcome) -> tuple[str, ...]:
    """Return the remarks about an input, its submission and its answer, without duplicates."""
    verdict = verdict_of(outcome)
    repeated = (REPEATED,) if outcome.call.repeated else ()
    # One that was reused brings those about its image along.
    return tuple(dict.fromkeys(outcome.notes + repeated + (verdict.notes if verdict else ())))


def found_nothing(outcome: Outcome) -> bool:
    """Return whether an input was judged in full, without risk, labels or a decision, whatever its notes say."""
    if not isinstance(outcome, Judged) or outcome.decision is not None:
        return False
    verdict = outcome.verdict
    is_whole = verdict.complete and not verdict.coverage
    return is_whole and verdict.gate_level is RiskLevel.NONE and not verdict.labels


def is_clean(outcome: Outcome) -> bool:
    """Return whether an input is clean: nothing was found, and there are no notes."""
    return found_nothing(outcome) and not notes(outcome)


Status = Literal["judged", "skipped", "failed", "pending"]
_STATUSES: dict[type[Outcome], Status] = {
    Judged: "judged",
    Skipped: "skipped",
    Failed: "failed",
    Pending: "pending",
}


def status(outcome: Outcome) -> Status:
    """Return the status in the record of an outcome; raises KeyError for one that has no record."""
    return _STATUSES[type(outcome)]


_MAX_NOTES = 200  # of different words, so that memory stays flat
_MORE_NOTES = "further notes, which the records hold"


class Looked(Struct):
    """The coverage of the inputs that were judged in part: how many they are, and their parts, `judged` of `total`.

    `total` is None if it is unknown for any of them; `unanswered` counts the inputs with parts that were left out of
    the answer.
    """

    inputs: int = 0
    judged: int = 0
    total: int | None = 0
    unanswered: int = 0

    def add(self, part: Coverage) -> None:
        """Add one input."""
        self.include(Looked(1, part.judged, part.total, part.unanswered))

    def include(self, other: Looked) -> None:
        """Add the inputs of another count."""
        self.inputs += other.inputs
        self.judged += other.judged
        self.total = None if other.total is None or self.total is None else self.total + other.total
        self.unanswered += other.unanswered


class RunSummary(Struct):
    """The counts of one run; memory use does not depend on the number of inputs.

    Inputs: `levels` counts the levels for the gate, `incomplete` the inputs with too little coverage (`coverage` has
    the details), `not_tried` those that the run did not reach (`at_least`: or more), `bugs` those that a bug left
    without a verdict, `elsewhere` the tasks whose results another process collected, `planned` what a dry run would
    send, `duplicates` those with the content of another one (in a dry run, or with a prescreen), `prescreened` those
    that a prescreen answered, and `unlisted` the clean inputs of which reports get only the number.

    Files: `ignored` counts those excluded by ignore files and patterns, `non_images` those that are not images,
    `camera_raw` those that are camera raw, `links` those outside of their folder, and `unwritten` the reports that
    could not be written. `suppressed_by` counts the suppressed findings and `ignored_by` the ignored arguments, each by
    the file that excludes them.

    `saved_calls` are those of prescreened images and of duplicates, where a run has a prescreen.

    `not_checked` counts the inputs that a check of the local engine left out.

    `policy` decides which inputs fail. `awaited` says that pending tasks were polled, not only submitted.
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
    prescreened: int = 0
    saved_calls: int = 0
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
    camera_raw: int = 0
    ignored: int = 0
    links: int = 0
    unlisted: int = 0
    suppressed_by: Counter[str] = field(default_factory=Counter)
    ignored_by: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    local: bool = False
    not_checked: Counter[MissingCheck] = field(default_factory=Counter)
    fatal: bool = False
    stopped_by: ExitCode | None = None

    def add(self, outcome: Outcome, suppressions: Sequence[Suppression] = ()) -> None:
        """Add one outcome; suppressed findings do not count."""
        for note in notes(outcome):
            self.notes[note if note in self.notes or len(self.notes) < _MAX_NOTES else _MORE_NOTES] += 1
        match outcome:
            case Judged():
                self._add_verdict(outcome.verdict, suppressions)
                if outcome.verdict.engine == "local" and not outcome.is_prescreened:
                    self._add_local(outcome)
                self.prescreened += outcome.is_prescreened
                self.duplicates += outcome.saved_calls > 0 and outcome.reused
                self.saved_calls += outcome.saved_calls
                self.incomplete += self.policy.is_incomplete(outcome)
                self.reused += outcome.reused
            case Pending():
                self.pending += 1
                self.reused += outcome.reused
            case Planned():
                self.planned += 1
                self.duplicates += not outcome.calls
                self.saved_calls += outcome.saved_calls
            case Skipped():
                self.skipped += 1
            case Failed():
                self.failed += 1
                self.fatal |= outcome.error.exit_code == ExitCode.FATAL
                self.bugs += outcome.error.exit_code == ExitCode.BUG

    def add_clean(self, number: int, *, local: Collection[str] | None = None, hidden: bool = False) -> None:
        """Add inputs that an earlier run found clean; `local` names the checks of the local engine, if it did.

        `hidden` ones are below --min-level, and reports leave them out.
        """
        self.unlisted += 0 if hidden else number
        if local is not None and number:
            self.local = True
            self.not_checked.update(dict.fromkeys(not_checked(local, is_post=False), number))
        self.judged += number
        self.reused += number
        self.levels[RiskLevel.NONE] += number

    def _add_local(self, outcome: Judged) -> None:
        self.local = True
        ran = {str(check.get("name")) for check in outcome.verdict.local_checks}
        self.not_checked.update(not_checked(ran, is_post=is_about_posts(outcome.call.operation)))

    def _add_verdict(self, verdict: Verdict, suppressions: Sequence[Suppression]) -> None:
        self.judged += 1
        self.levels[counted_level(verdict, suppressions)] += 1
        for part in verdict.coverage:
            self.coverage.setdefault(part.kind, Looked()).add(part)
        counted = (
            label.label for label in verdict.labels if label.is_finding and suppression_for(label, suppressions) is None
        )
        self.labels.update(dict.fromkeys(counted, 1))

    def include(self, other: RunSummary) -> None:
        """Add the counts of another run, or of a part of this one."""
        for name in self.__struct_fields__:
            mine, more = getattr(self, name), getattr(other, name)
            if isinstance(mine, Counter):
                mine.update(more)
            elif isinstance(mine, bool):
                setattr(self, name, mine or more)
            elif isinstance(mine, int):
                setattr(self, name, mine + more)
        for kind, looked in other.coverage.items():
            self.coverage.setdefault(kind, Looked()).include(looked)
        self.stopped_by = self.stopped_by or other.stopped_by

    @property
    def inputs(self) -> int:
        """The number of inputs with an outcome."""
        return self.judged + self.skipped + self.failed + self.pending + self.planned + self.elsewhere

    def at_or_above(self, level: RiskLevel) -> int:
        """Return the number of inputs at or above a level."""
        return sum(count for found, count in self.levels.items() if found.rank >= level.rank)

    @property
    def failing(self) -> int:
        """The number of inputs at or above the level of the gate."""
        return 0 if self.policy.fail_on is None else self.at_or_above(self.policy.fail_on)

    @property
    def is_cut_off(self) -> bool:
        """Whether the run ended before it reached all inputs."""
        return self.stopped_by is not None or self.fatal or self.not_tried > 0

    def exit_code(self, *, allow_empty: bool) -> ExitCode:
        """Return the exit code of the run; if several apply, the first in the order below."""
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
        if self.failing:
            return ExitCode.FOUND
        if not self.inputs and not allow_empty:
            return ExitCode.NO_INPUT
        return ExitCode.OK
