"""One run of a judging command: outcomes to the reports and the summary, problems to stderr, the exit code out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

from msgspec import Struct, field

from moderate_cli import __version__
from moderate_cli.app.cache import RunRecorder
from moderate_cli.app.signals import interruptible
from moderate_cli.app.spec import GateOptions, OutputOptions
from moderate_cli.catalog.prices import Billed, Estimate, frame_calls, post_calls
from moderate_cli.client import AsyncOptions
from moderate_cli.client.limits import Stop
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.globs import is_glob
from moderate_cli.common.text import echo, with_hint
from moderate_cli.gate import Gate
from moderate_cli.models import (
    Failed,
    InlineImage,
    Item,
    Json,
    Judged,
    Known,
    LocalFile,
    Outcome,
    Pending,
    Planned,
    Post,
    QueuedTask,
    RiskLevel,
    Skipped,
    Verdict,
)
from moderate_cli.render import Format, Renderer, choose_format, renderer, writes_at_once
from moderate_cli.render.output import OutputError, RenderingError, ReportError, open_output
from moderate_cli.render.progress import NO_PROGRESS, Progress, Total, progress
from moderate_cli.render.summary import gate_line, summary_lines, wait_line
from moderate_cli.results import (
    UNLABELLED,
    GatePolicy,
    RunSummary,
    Suppression,
    counted_level,
    findings,
    suppression_for,
)
from moderate_cli.scanning.unreachable import ENOUGH_FAILURES
from moderate_cli.settings import Settings
from moderate_cli.sources import Sources

log = logging.getLogger(__name__)

_MAX_PROBLEMS = 50  # inputs without a verdict that are named on stderr
_MAX_IDS = 10  # tasks that are told of as they are submitted
_NOTHING = Billed()
_Show = Callable[[Renderer], None]


class OutcomeStream(Protocol):
    """Something that yields outcomes, and can be asked to come to an end."""

    @property
    def not_tried(self) -> int:
        """How many inputs are known of that got no outcome, once it came to an end."""

    @property
    def at_least(self) -> bool:
        """Whether there may be more of them."""

    @property
    def is_unreachable(self) -> bool:
        """Whether it came to its end because too many inputs in a row found no connection."""

    def __iter__(self) -> Iterator[Outcome]:
        """Yield each outcome once it is known."""

    def stop(self) -> None:
        """Begin nothing more; what is under way comes to its end."""


class Worst(Struct):
    """The worst input that fails the gate, by its name: a finding of it, and whether `allow` can name it."""

    source: str = ""
    label: str = ""
    level: RiskLevel = RiskLevel.NONE
    is_allowable: bool = False

    def add(self, outcome: Outcome, suppressions: Sequence[Suppression], policy: GatePolicy) -> None:
        """Take one outcome."""
        if policy.fail_on is None or not isinstance(outcome, Judged):
            return
        level = counted_level(outcome.verdict, suppressions)
        if not policy.fails(level) or (-level.rank, outcome.item.source) >= (-self.level.rank, self.source):
            return
        found = (
            each.label.label for each in findings(outcome.verdict) if not suppression_for(each.label, suppressions)
        )
        self.source, self.level, self.label = outcome.item.source, level, next(found, UNLABELLED)
        has_name = "://" in self.source or Path(self.source).is_file()
        # What no label explains nobody can allow by a label, nor all of them.
        self.is_allowable = has_name and self.label != UNLABELLED and _post(outcome) is None


def nobody_knows() -> None:
    """Return that the number of inputs is unknown."""


class Run(Struct, kw_only=True):
    """What a run shows, counts, and makes of its counts.

    `gate` tells which of the findings count, and `estimate` what the calls cost. With `shares_tasks`, a result that
    another process stored before is counted, and left to that one to show; those that are `untold` are shown first.
    `noun` is what the inputs are, `nothing` is said where there are none, `total` tells their number where it is known,
    and `names` are those that were named one by one, or None where that makes no difference. SIGTERM is the usual end
    of what `is_server`, and breaks off any other run.
    """

    environment: Environment
    settings: Settings
    gate_options: GateOptions
    output: OutputOptions
    recorder: RunRecorder
    gate: Gate
    estimate: Estimate
    sources: Sources | None = None
    total: Total = nobody_knows
    shares_tasks: bool = False
    untold: Iterable[Outcome] = ()
    noun: str = "image"
    is_server: bool = False
    nothing: str | None = None
    names: Container[str] | None = None
    summary: RunSummary = field(default_factory=RunSummary)
    worst: Worst = field(default_factory=Worst)
    shown: Progress = NO_PROGRESS
    problems: list[str] = field(default_factory=list)
    is_first_told: bool = False
    submitted: int = 0
    has_waited: bool = False
    is_unreachable: bool = False
    stop: Stop = field(default_factory=Stop)

    def execute(self, work: OutcomeStream) -> ExitCode:
        """Take each outcome, keep and show it, and return the exit code."""
        with open_reports(self.environment, self.output, self._renderer) as reports:
            started = self.environment.monotonic()
            try:
                with interruptible(self.summary, lambda: self._end(work), is_server=self.is_server):
                    self._work_off(work, reports)
            except BrokenPipeError:
                self.summary.stopped_by = ExitCode.BROKEN_PIPE
                raise
            finally:
                is_broken_off = sys.exc_info()[0] is not None and not self.summary.inputs and not self.summary.not_tried
                if not is_broken_off:
                    self._sum_up(reports, self.environment.monotonic() - started)
        self.summary.unwritten = reports.unwritten
        is_share = self.sources is not None and self.sources.elsewhere > 0  # a shard of few images may be empty
        code = self.summary.exit_code(allow_empty=self.gate_options.allow_empty or is_share)
        self.recorder.finish(self.summary, code)
        return code

    def on_submitted(self, task: Pending) -> None:
        """Tell of a task at once under which id it can be found, whatever becomes of this run."""
        self.submitted += 1
        if self.output.quiet or self.submitted > _MAX_IDS:
            return
        self._say(f"{task.item.source}: submitted as {task.req_id}")
        if self.submitted == _MAX_IDS:
            self._say("further ids are in the store: `moderate poll` asks after all of them")

    def on_wait(self, pending: Sequence[Item], due: float) -> None:
        """Show how many tasks are pending and asked after again at a time of the monotonic clock, and how to leave."""
        is_long = due - self.environment.monotonic() >= 1
        if not self.has_waited and is_long and not self.output.quiet:
            ids = [item.image.req_id for item in pending if isinstance(item.image, QueuedTask)]
            self._say(wait_line(ids, self.settings.profile))
        self.has_waited = True
        self.shown.wait(len(pending), due)

    def _renderer(self, choice: Format, stream: TextIO) -> Renderer:
        return renderer(
            choice,
            stream,
            self.environment,
            color=self.output.color,
            raw=self.output.raw,
            policy=self.summary.policy,
            show_suppressed=self.gate_options.show_suppressed,
            csv_bom=self.output.csv_bom,
            show_clean=self.settings.show_clean,
            names=self.names,
        )

    def _end(self, work: OutcomeStream) -> None:
        """Begin nothing more, and let nobody wait."""
        self.stop.is_set = True
        work.stop()

    def _work_off(self, work: OutcomeStream, reports: Reports) -> None:
        """Tell of each outcome, and at the end of all; a run that is cut off leaves valid documents too."""
        try:
            with self._progress(reports) as self.shown:
                self._tell(work, reports)
        except BrokenPipeError:
            raise
        except Exception:
            self.summary.fatal = True  # and no limit is to blame for what was not tried
            raise
        finally:
            self.summary.not_tried, self.summary.at_least = work.not_tried, work.at_least
            self.is_unreachable = work.is_unreachable
            self.summary.fatal |= self.is_unreachable
            if self.sources is not None:
                count_left_out(self.summary, self.sources)
                hidden = self.settings.min_level is not RiskLevel.NONE
                self.summary.add_clean(self.sources.unchanged, local=self._local_checks(), hidden=hidden)
            self.summary.suppressed_by = self.gate.suppressed
            reports.finish(self.summary)
            self.summary.unwritten = reports.unwritten

    def _local_checks(self) -> list[str] | None:
        """Return what the local engine looks with, whose answers are reused only where it has not changed."""
        if not self.settings.local:
            return None
        from moderate_cli.emulator.engine import LocalEngine  # for these alone

        return LocalEngine().names()

    def _tell(self, work: OutcomeStream, reports: Reports) -> None:
        closed: BrokenPipeError | None = None
        for outcome in self._new(work):
            suppressions = self.gate.suppressions(outcome)
            self._count(outcome, suppressions)
            self.shown.update(self.summary)
            if closed is None and self._is_shown(outcome, suppressions):
                try:
                    reports.add(outcome, suppressions)
                except BrokenPipeError as error:
                    closed = error  # what is on its way is paid for, and still kept
                    work.stop()
        if closed is not None:
            raise closed

    def _new(self, work: OutcomeStream) -> Iterator[Outcome]:
        """Yield the outcomes that are this run's to tell: not the tasks that another process collected.

        First come those that were collected before, and of which no run that came to its end has told.
        """
        untold = iter(self.untold)
        while self.summary.stopped_by is None and (earlier := next(untold, None)) is not None:
            yield earlier
        for outcome in map(self.recorder.dated, work):
            task = outcome.item.image
            if isinstance(task, QueuedTask) and not self.recorder.keep_task(task, outcome):
                if self.shares_tasks:
                    self.summary.elsewhere += 1
                    continue
                # The run that collected it may have been cut off before it told of it.
                self.recorder.take_over(task.req_id)
            yield outcome

    def _progress(self, reports: Reports) -> AbstractContextManager[Progress]:
        wanted = not self.output.quiet and not self.output.no_progress and not reports.flows_over_terminal
        return progress(self.environment, wanted=wanted, total=self.total, noun=self.noun, color=self.output.color)

    def _count(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> None:
        self._note_problem(outcome)
        self.summary.add(outcome, suppressions)
        self.worst.add(outcome, suppressions, self.summary.policy)
        self.estimate.add(outcome.call, billed(outcome))

    def _is_shown(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> bool:
        if not isinstance(outcome, Judged) or self.gate_options.show_suppressed or outcome.verdict.coverage:
            return True
        return counted_level(outcome.verdict, suppressions).rank >= self.settings.min_level.rank

    def _note_problem(self, outcome: Outcome) -> None:
        """Remember why an input has no verdict; what ends the whole run is said once."""
        if not isinstance(outcome, Skipped | Failed) or len(self.problems) >= _MAX_PROBLEMS:
            return
        error = outcome.error
        word, named = "skipped" if isinstance(outcome, Skipped) else "failed", outcome.item.source or "''"
        problem = with_hint(error) if error.ends_run else f"{named}: {word}: {with_hint(error)}"
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
            more = self.summary.skipped + self.summary.failed - len(self.problems)
            if len(self.problems) >= _MAX_PROBLEMS and more:
                self._say(f"and {more:,} more without a verdict")
        if self.is_unreachable:
            self._say(f"stopped: no connection for {ENOUGH_FAILURES} inputs in a row")
        if not self.output.quiet:
            notes = [*self.gate.notes(complete=self._is_complete), *unmatched(self.sources)]
            told = reports.main is Format.TABLE and reports.to_terminal and self.environment.stderr.isatty()
            for line in (
                *notes,
                *summary_lines(self.summary, self.estimate, seconds, self.noun, self.nothing, is_told=told),
            ):
                self._say(line)
        failing = self.summary.failing
        if failing:
            self._say(gate_line(self.summary, self.noun, self._next_command()))
        if self.summary.bugs:
            number = "1 input" if self.summary.bugs == 1 else f"{self.summary.bugs:,} inputs"
            self._say(f"a bug in moderate {__version__}: it cost {number} the verdict (run again with --debug)")

    def _next_command(self) -> list[str]:
        """Return what accepts the worst finding, or finds all where that cannot be done by a name."""
        if self.worst.is_allowable:
            file = self.gate_options.suppressions
            more = ["--suppressions", str(file)] if file else []
            return ["allow", self.worst.source, "--label", self.worst.label, "--reason", "TEXT", *more]
        levels = [level.value for level in reversed(RiskLevel) if self.summary.policy.fails(level)]
        more = ["--store", str(self.output.store)] if self.output.store else []
        return ["history", "--risk", ",".join(levels), "--since", "1h", *more]

    @property
    def _is_complete(self) -> bool:
        summary = self.summary
        return not (summary.is_cut_off or summary.skipped or summary.failed or summary.pending)

    def _say(self, text: str) -> None:
        echo(self.environment, text)


def count_left_out(summary: RunSummary, sources: Sources) -> None:
    """Count in a summary what was below the sources and is no input."""
    summary.non_images, summary.camera_raw = sources.non_images, sources.camera_raw
    summary.links, summary.ignored, summary.ignored_by = sources.links, sources.ignored, sources.ignored_by


def unmatched(sources: Sources | None) -> list[str]:
    """Return which globs matched nothing, which folders are empty, and how much is left to other shards, in words."""
    if sources is None:
        return []
    names = [f"no file {'matches' if is_glob(name) else 'in'} {name}" for name in sources.unmatched]
    others = [f"shard {sources.shard}: {sources.elsewhere:,} are left to the others"] if sources.shard else []
    return [*names, *others]


@contextmanager
def open_reports(
    environment: Environment, output: OutputOptions, make: Callable[[Format, TextIO], Renderer]
) -> Iterator[Reports]:
    """Open all outputs; each file appears under its name, in one piece, at the end of the `with` block.

    `make` returns what shows a format. Raises UsageError where one of them cannot be written, or two are the same file.
    """
    main, further = _main_format(environment, output), _further(output)
    _refuse_same_file([output.output, *further.values()])
    reports = Reports(main, environment, to_terminal=_is_for_terminal(environment, output))
    try:
        for choice, path in ((main, output.output), *further.items()):
            reports.open(choice, path, partial(make, choice))
        yield reports
    except BaseException as error:
        reports.close(error)
        raise
    reports.close()


def chosen_formats(environment: Environment, output: OutputOptions) -> list[Format]:
    """Return the formats of all outputs."""
    return [_main_format(environment, output), *_further(output)]


def _main_format(environment: Environment, output: OutputOptions) -> Format:
    return choose_format(output.format, to_terminal=_is_for_terminal(environment, output))


def _is_for_terminal(environment: Environment, output: OutputOptions) -> bool:
    return output.output is None and environment.stdout.isatty()


def _further(output: OutputOptions) -> dict[Format, Path]:
    """Return the paths of the further reports, whose options are named after their formats."""
    paths = {choice: getattr(output, f"{choice.value}_output", None) for choice in Format}
    return {choice: path for choice, path in paths.items() if path is not None}


def _refuse_same_file(paths: Sequence[Path | None]) -> None:
    # A device or a pipe bears several, and a link to a file is that file.
    places = [os.path.realpath(path) for path in paths if path is not None and (path.is_file() or not path.exists())]
    if len(set(places)) < len(places):
        raise UsageError("two reports write to the same file", hint="give each its own name")


def refuse_store_as_report(output: OutputOptions, store: Path) -> None:
    """Refuse a report that would take the place of the store; raises UsageError."""
    paths = [path for path in (output.output, *_further(output).values()) if path is not None]
    if os.path.realpath(store) in map(os.path.realpath, paths):
        raise UsageError(f"a report would overwrite the store {str(store)!r}", hint="give the report another name")


class Reports:
    """All the places where outcomes go; `main` is the format of the first.

    One that cannot be made or written any more is told, counted in `unwritten` and left out; the others go on.
    """

    def __init__(self, main: Format, environment: Environment, *, to_terminal: bool) -> None:
        self.main = main
        self.unwritten = 0
        self._environment = environment
        self.to_terminal = to_terminal
        self._reports: list[_Report] = []

    @property
    def flows_over_terminal(self) -> bool:
        """Whether lines appear on the terminal while the run goes on, where a bar would stand in their way."""
        return self.to_terminal and writes_at_once(self.main)

    def open(self, choice: Format, path: Path | None, make: Callable[[TextIO], Renderer]) -> None:
        """Add a place for a format; raises UsageError where it cannot be written."""
        for_people = choice is Format.TABLE
        opened = open_output(path, self._environment.stdout, for_people=for_people, note=self._say)
        self._reports.append(_Report(choice.value, opened, make))

    def add(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> None:
        """Show one outcome everywhere; raises BrokenPipeError, once all others have it, where a reader has gone."""
        self._each(lambda each: each.add(outcome, suppressions=suppressions))

    def finish(self, summary: RunSummary) -> None:
        """Show what is left once the run is over."""
        self._each(lambda each: each.finish(summary))

    def close(self, error: BaseException | None = None) -> None:
        """Give each report its name; after an error of the run, each that holds anything."""
        for report in self._reports:
            if report.is_open:
                try:
                    report.close(error)
                except (OSError, OutputError) as raised:
                    self._give_up(report, raised)

    def _each(self, show: _Show) -> None:
        closed: BrokenPipeError | None = None
        for report in self._reports:
            if not report.is_open:
                continue
            try:
                report.show(show)
            except BrokenPipeError as error:
                closed = error
            except (OSError, OutputError) as error:
                self._give_up(report, error)
            except Exception as error:  # a bug in one report costs neither the run nor the others
                log.debug("%s: unexpected error", report.name, exc_info=error)
                self._give_up(report, RenderingError(report.name, error))
        if closed is not None:
            raise closed

    def _give_up(self, report: _Report, error: OSError | ReportError) -> None:
        self.unwritten += 1
        if report.is_open:
            with suppress(OSError, ReportError):
                report.close(error)
        self._say(with_hint(error) if isinstance(error, ReportError) else f"cannot write: {error.strerror or error}")

    def _say(self, text: str) -> None:
        echo(self._environment, text)


class _Report:
    """One place where outcomes go, until it takes no more; `name` is that of its format."""

    def __init__(self, name: str, opened: AbstractContextManager[TextIO], make: Callable[[TextIO], Renderer]) -> None:
        self.name = name
        self._opened = opened
        self._renderer = make(opened.__enter__())
        self.is_open = True

    def show(self, show: _Show) -> None:
        """Show something; raises OSError or OutputError where that cannot be written, and whatever a bug raises."""
        show(self._renderer)

    def close(self, error: BaseException | None = None) -> None:
        """Give the report its name, if no error of its own says that it is not whole."""
        self.is_open = False
        try:
            self._opened.__exit__(type(error) if error else None, error, None)
        except BaseException as raised:
            if raised is not error:
                raise


def billed(outcome: Outcome) -> Billed:
    """Return what each service of an outcome's call charges: images or frames, and thousands of characters."""
    post = _post(outcome)
    match outcome:
        case Judged(reused=True) | Pending(reused=True):
            return _NOTHING
        case Judged(verdict=verdict) | Failed(verdict=Verdict() as verdict):
            if post is not None:
                return post_calls(post) if verdict.engine == "cloud" else _NOTHING
            return Billed(images=(verdict.billed_calls or 0) // max(1, len(outcome.call.services)))
        case Pending():
            return post_calls(post) if post is not None else Billed(images=1)
        case Planned(calls=calls):
            return post_calls(post) if post is not None else Billed(images=calls // len(outcome.call.services))
    return _NOTHING


def _taken(known: Known, interval: int) -> int | None:
    """Return how many frames or slices of an image are judged at most, or None where nobody has counted them.

    A rest of frames counts as an interval, because no page says how the service rounds, nor what an interval means for
    slices (the vendor's page of the async operation).
    """
    if not isinstance(known.item.image, LocalFile | InlineImage):
        return None
    if not known.extents:
        return 1
    [extent, *_] = known.extents
    return extent.total if extent.total is None or extent.kind != "frames" else -(-extent.total // interval)


def _post(outcome: Outcome) -> Json | None:
    image = outcome.item.image
    if isinstance(image, Post):
        return image.content
    return image.post if isinstance(image, QueuedTask) else None


def async_cost(options: AsyncOptions) -> Callable[[Known], int]:
    """Return what tells for how many frames or slices a queued image is billed at most."""

    def cost(known: Known) -> int:
        taken = _taken(known, options.interval or 1)
        return frame_calls(taken, interval=options.interval, max_frames=options.max_frames)

    return cost
