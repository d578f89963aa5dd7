"""One run of a judging command: outcomes to the reports and the tally, the summary to stderr, the exit code out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from moderate_cli import __version__
from moderate_cli.catalogue.prices import Estimate
from moderate_cli.client.retry import Stop
from moderate_cli.commands.billing import billed
from moderate_cli.commands.ledger import Ledger
from moderate_cli.commands.options import GateOptions, OutputOptions
from moderate_cli.commands.reports import Reports, open_reports
from moderate_cli.commands.signals import interruptible
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode, ModerateError
from moderate_cli.gate import Gate
from moderate_cli.records import Suppression, Tally, counted_level
from moderate_cli.render import Format
from moderate_cli.render.notes import say, with_hint
from moderate_cli.render.progress import Progress, Total, progress
from moderate_cli.render.summary import summary_lines
from moderate_cli.settings import Settings
from moderate_cli.sources import Sources
from moderate_cli.verdicts import Failed, Judged, Outcome, QueuedTask, RiskLevel, Skipped

_NO_CONNECTION = frozenset({"connection_failed", "proxy_failed", "tls_failed"})
_ENOUGH_FAILURES = 8  # inputs that found no connection, each after all its attempts
_MOST_PROBLEMS = 50  # inputs without a verdict that are named on stderr


class Work(Protocol):
    """Something that yields outcomes, and can be asked to come to an end."""

    @property
    def not_tried(self) -> int:
        """How many inputs are known of that got no outcome, once it came to an end."""

    @property
    def at_least(self) -> bool:
        """Whether there may be more of them."""

    def __iter__(self) -> Iterator[Outcome]:
        """Yield each outcome once it is known."""

    def stop(self) -> None:
        """Begin nothing more; what is under way comes to its end."""


@dataclass(slots=True)
class Unreachable:
    """Whether the service cannot be reached at all, by the failures of inputs that had all their attempts."""

    reason: str | None = None
    failures: int = 0
    was_reached: bool = False

    def is_so_after(self, outcome: Outcome) -> bool:
        """Tell whether, with this one, enough inputs failed alike for want of a connection, and none found one."""
        if not isinstance(outcome, Failed) or not _found_no_connection(outcome.error):
            self.was_reached |= outcome.call.attempts > 0
            return False
        if outcome.error.message != self.reason:
            self.reason, self.failures = outcome.error.message, 0
        self.failures += 1
        return not self.was_reached and self.failures >= _ENOUGH_FAILURES


def _found_no_connection(error: ModerateError) -> bool:
    if error.code == "upload_failed":
        return getattr(error, "http_status", None) is None
    return error.code in _NO_CONNECTION


def nobody_knows() -> None:
    """Tell nothing of the number of inputs."""


@dataclass(slots=True, kw_only=True)
class Run:
    """What a run shows, counts, and makes of its counts.

    `findings` tells which of them count, and `estimate` what the calls cost. With `shares_tasks`, a result that another
    process stored before is counted, and left to that one to show; those that are `untold` are shown first. `noun` is
    what the inputs are, `total` tells their number where it is known.
    """

    environment: Environment
    settings: Settings
    gate: GateOptions
    output: OutputOptions
    ledger: Ledger
    findings: Gate
    estimate: Estimate
    sources: Sources | None = None
    total: Total = nobody_knows
    shares_tasks: bool = False
    untold: Iterable[Outcome] = ()
    noun: str = "image"
    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    is_first_told: bool = False
    unreachable: Unreachable = field(default_factory=Unreachable)
    stop: Stop = field(default_factory=Stop)

    def finish(self, work: Work) -> ExitCode:
        """Work something off, keep and show it, and return the exit code."""
        with open_reports(self.environment, self.tally.policy, self.gate, self.output) as reports:
            started = self.environment.monotonic()
            try:
                with interruptible(self.tally, lambda: self._end(work)):
                    self._work_off(work, reports)
            except BrokenPipeError:
                self.tally.stopped_by = ExitCode.BROKEN_PIPE
                raise
            finally:
                is_broken_off = sys.exc_info()[0] is not None and not self.tally.inputs and not self.tally.not_tried
                if not is_broken_off:
                    self._sum_up(reports, self.environment.monotonic() - started)
        self.tally.unwritten = reports.unwritten
        code = self.tally.exit_code(allow_empty=self.gate.allow_empty)
        self.ledger.finish(self.tally, code)
        return code

    def _end(self, work: Work) -> None:
        """Begin nothing more, and let nobody wait."""
        self.stop.is_set = True
        work.stop()

    def _work_off(self, work: Work, reports: Reports) -> None:
        """Tell of each outcome, and at the end of all; a run that is cut off leaves valid documents too."""
        try:
            with self._progress(reports) as shown:
                self._tell(work, reports, shown)
        finally:
            self.tally.not_tried, self.tally.at_least = work.not_tried, work.at_least
            if self.sources is not None:
                self.tally.passed_over, self.tally.ignored = self.sources.passed_over, self.sources.ignored
                self.tally.links, self.tally.ignored_by = self.sources.links, self.sources.ignored_by
                hidden = self.settings.min_level is not RiskLevel.NONE
                self.tally.add_clean(self.sources.spared, local=self.settings.local, hidden=hidden)
            self.tally.suppressed_by = self.findings.suppressed
            reports.finish(self.tally)
            self.tally.unwritten = reports.unwritten

    def _tell(self, work: Work, reports: Reports, shown: Progress) -> None:
        closed: BrokenPipeError | None = None
        for outcome in self._new(work):
            suppressions = self.findings.suppressions(outcome)
            self._count(outcome, suppressions, work)
            shown.update(self.tally)
            if closed is None and self._is_shown(outcome, suppressions):
                try:
                    reports.add(outcome, suppressions)
                except BrokenPipeError as error:
                    closed = error  # what is on its way is paid for, and still kept
                    work.stop()
        if closed is not None:
            raise closed

    def _new(self, work: Work) -> Iterator[Outcome]:
        """Yield the outcomes that are this run's to tell: not the tasks that another process collected.

        First come those that were collected before, and of which no run that came to its end has told.
        """
        untold = iter(self.untold)
        while self.tally.stopped_by is None and (earlier := next(untold, None)) is not None:
            yield earlier
        for outcome in map(self.ledger.dated, work):
            task = outcome.item.image
            if isinstance(task, QueuedTask) and not self.ledger.keep_task(task, outcome):
                if self.shares_tasks:
                    self.tally.elsewhere += 1
                    continue
                self.ledger.claim(task.req_id)  # the run that collected it may have been cut off before it told of it
            yield outcome

    def _progress(self, reports: Reports) -> AbstractContextManager[Progress]:
        wanted = not self.output.quiet and not self.output.no_progress and not reports.flows_over_terminal
        return progress(self.environment, wanted=wanted, total=self.total)

    def _count(self, outcome: Outcome, suppressions: Sequence[Suppression], work: Work) -> None:
        self._note_problem(outcome)
        self.tally.add(outcome, suppressions)
        if self.unreachable.is_so_after(outcome):
            self.tally.fatal = True
            work.stop()
        self.estimate.add(outcome.call, billed(outcome))

    def _is_shown(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> bool:
        if not isinstance(outcome, Judged) or self.gate.show_suppressed or outcome.verdict.coverage:
            return True
        return counted_level(outcome.verdict, suppressions).rank >= self.settings.min_level.rank

    def _note_problem(self, outcome: Outcome) -> None:
        """Remember why an input has no verdict; what ends the whole run is said once."""
        if not isinstance(outcome, Skipped | Failed) or len(self.problems) >= _MOST_PROBLEMS:
            return
        error = outcome.error
        word = "skipped" if isinstance(outcome, Skipped) else "failed"
        problem = with_hint(error) if error.ends_run else f"{outcome.item.source}: {word}: {with_hint(error)}"
        if error.ends_run and problem in self.problems:
            return
        if not self.problems and isinstance(outcome, Failed):
            self._say(problem)  # at once: whatever it is may hold for all that follows
            self.is_first_told = True
        self.problems.append(problem)

    def _sum_up(self, reports: Reports, seconds: float) -> None:
        """Say what is wrong, and unless all shall be quiet what was done."""
        if reports.main is not Format.TABLE:  # a table shows the reasons itself
            for problem in self.problems[self.is_first_told :]:
                self._say(problem)
            more = self.tally.skipped + self.tally.failed - len(self.problems)
            if len(self.problems) >= _MOST_PROBLEMS and more:
                self._say(f"and {more:,} more without a verdict")
        if not self.output.quiet:
            notes = [*self.findings.notes(complete=self._is_complete), *unmatched(self.sources)]
            for line in (*notes, *summary_lines(self.tally, self.estimate, seconds, self.noun)):
                self._say(line)

        if self.tally.bugs:
            number = "1 input" if self.tally.bugs == 1 else f"{self.tally.bugs:,} inputs"
            self._say(f"a bug in moderate {__version__}: it cost {number} the verdict (run it again with --debug)")

    @property
    def _is_complete(self) -> bool:
        tally = self.tally
        return not (tally.is_cut_off or tally.skipped or tally.failed or tally.pending)

    def _say(self, text: str) -> None:
        say(self.environment, text)


def unmatched(sources: Sources | None) -> list[str]:
    """Return which globs matched nothing, in words."""
    return [f"no file matches {name}" for name in sources.unmatched] if sources else []
