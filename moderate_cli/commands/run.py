"""One run of a judging command: outcomes to the reports and the tally, the summary to stderr, the exit code out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from moderate_cli.catalogue.prices import Estimate
from moderate_cli.commands.billing import billed
from moderate_cli.commands.ledger import Ledger
from moderate_cli.commands.options import GateOptions, OutputOptions
from moderate_cli.commands.reports import Reports, open_reports
from moderate_cli.commands.signals import interruptible
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode
from moderate_cli.gate import Gate
from moderate_cli.records import Allowed, Tally, counted_level
from moderate_cli.render import Format
from moderate_cli.render.notes import say, with_hint
from moderate_cli.render.progress import Progress, Total, progress
from moderate_cli.render.summary import summary_lines
from moderate_cli.settings import Settings
from moderate_cli.sources import Sources
from moderate_cli.verdicts import Failed, Judged, Outcome, QueuedTask, Skipped

_MOST_PROBLEMS = 50  # inputs without a verdict that are named on stderr


class Work(Protocol):
    """Something that yields outcomes, and can be asked to come to an end."""

    def __iter__(self) -> Iterator[Outcome]:
        """Yield each outcome once it is known."""

    def stop(self) -> None:
        """Begin nothing more; what is under way comes to its end."""


def nobody_knows() -> None:
    """Tell nothing of the number of inputs."""


@dataclass(slots=True, kw_only=True)
class Run:
    """What a run shows, counts, and makes of its counts.

    `findings` tells which of them count, and `estimate` what the calls cost. With `shares_tasks`, a result that another
    process stored before is counted, and left to that one to show. `bills` is False where what is asked after was
    billed before. `noun` is what the inputs are, `total` tells their number where it is known.
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
    bills: bool = True
    noun: str = "image"
    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)

    def finish(self, work: Work) -> ExitCode:
        """Work something off, keep and show it, and return the exit code."""
        with open_reports(self.environment, self.settings, self.gate, self.output) as reports:
            started = self.environment.monotonic()
            try:
                with interruptible(self.tally, work.stop):
                    self._work_off(work, reports)
            except BrokenPipeError:
                self.tally.stopped_by = ExitCode.BROKEN_PIPE
                raise
            finally:
                is_broken_off = sys.exc_info()[0] is not None and not self.tally.inputs
                if not is_broken_off:
                    self._sum_up(reports, self.environment.monotonic() - started)
        code = self.tally.exit_code(fail_on=self.settings.fail_on.level, allow_empty=self.gate.allow_empty)
        self.ledger.finish(self.tally, code)
        return code

    def _work_off(self, work: Work, reports: Reports) -> None:
        """Tell of each outcome, and at the end of all; a run that is cut off leaves valid documents too."""
        try:
            with self._progress(reports) as shown:
                self._tell(work, reports, shown)
        finally:
            if self.sources is not None:
                self.tally.passed_over, self.tally.ignored = self.sources.passed_over, self.sources.ignored
                self.tally.add_clean(self.sources.spared, local=self.settings.local)
            reports.finish(self.tally)

    def _tell(self, work: Work, reports: Reports, shown: Progress) -> None:
        closed: BrokenPipeError | None = None
        for outcome in self._new(work):
            allowed = self.findings.allowed(outcome)
            self._count(outcome, allowed)
            shown.update(self.tally)
            if closed is None and self._is_shown(outcome, allowed):
                try:
                    reports.add(outcome, allowed)
                except BrokenPipeError as error:
                    closed = error  # what is on its way is paid for, and still kept
                    work.stop()
        if closed is not None:
            raise closed

    def _new(self, work: Work) -> Iterator[Outcome]:
        """Yield the outcomes that are this run's to tell: not the tasks that another process collected."""
        for outcome in work:
            task = outcome.item.image
            if isinstance(task, QueuedTask) and not self.ledger.keep_task(task, outcome) and self.shares_tasks:
                self.tally.elsewhere += 1
            else:
                yield outcome

    def _progress(self, reports: Reports) -> AbstractContextManager[Progress]:
        wanted = not self.output.quiet and not self.output.no_progress and not reports.flows_over_terminal
        return progress(self.environment, wanted=wanted, total=self.total)

    def _count(self, outcome: Outcome, allowed: Sequence[Allowed]) -> None:
        self._note_problem(outcome)
        self.tally.add(outcome, allowed)
        if self.bills:
            self.estimate.add(outcome.call, billed(outcome))

    def _is_shown(self, outcome: Outcome, allowed: Sequence[Allowed]) -> bool:
        if not isinstance(outcome, Judged) or self.gate.show_ignored:
            return True
        return counted_level(outcome.verdict, allowed).rank >= self.settings.min_level.rank

    def _note_problem(self, outcome: Outcome) -> None:
        """Remember why an input has no verdict; what ends the whole run is said once."""
        if not isinstance(outcome, Skipped | Failed) or len(self.problems) >= _MOST_PROBLEMS:
            return
        error = outcome.error
        if not error.ends_run:
            word = "skipped" if isinstance(outcome, Skipped) else "failed"
            self.problems.append(f"{outcome.item.source}: {word}: {with_hint(error)}")
        elif with_hint(error) not in self.problems:
            self.problems.append(with_hint(error))

    def _sum_up(self, reports: Reports, seconds: float) -> None:
        """Say what is wrong, and unless all shall be quiet what was done."""
        if reports.main is not Format.TABLE:  # a table shows the reasons itself
            for problem in self.problems:
                self._say(problem)
            more = self.tally.skipped + self.tally.failed - len(self.problems)
            if len(self.problems) >= _MOST_PROBLEMS and more:
                self._say(f"and {more:,} more without a verdict")
        if not self.output.quiet:
            notes = [*self.findings.notes(complete=self._is_complete), *unmatched(self.sources)]
            for line in (*notes, *summary_lines(self.tally, self.estimate, seconds, self.noun)):
                self._say(line)

    @property
    def _is_complete(self) -> bool:
        tally = self.tally
        return not (tally.stopped_by or tally.skipped or tally.failed or tally.pending)

    def _say(self, text: str) -> None:
        say(self.environment, text)


def unmatched(sources: Sources | None) -> list[str]:
    """Return which globs matched nothing, in words."""
    return [f"no file matches {name}" for name in sources.unmatched] if sources else []
