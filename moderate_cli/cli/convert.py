"""`moderate convert`: what earlier runs found, in any format, and through a gate again."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any, TextIO

import typer
from msgspec import Struct

from moderate_cli.app.run import Reports, open_reports
from moderate_cli.app.signals import interruptible
from moderate_cli.app.spec import GateOptions, OutputOptions
from moderate_cli.catalog.prices import Estimate
from moderate_cli.cli.flatten import ColorChoice, Debug
from moderate_cli.cli.options import (
    AllowEmpty,
    CsvBom,
    CsvFile,
    FormatChoice,
    HtmlFile,
    JsonFile,
    JsonlFile,
    JunitFile,
    MarkdownFile,
    OutputFile,
    Quiet,
    SarifFile,
    ShowSuppressed,
)
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import echo
from moderate_cli.models import Judged, Pending, RiskLevel
from moderate_cli.records.result_files import EarlierResult, ResultFile
from moderate_cli.records.summaries import read_policy, read_summary
from moderate_cli.render import Format, Renderer, renderer
from moderate_cli.render.summary import summary_lines
from moderate_cli.results import GatePolicy, RunSummary, counted_level
from moderate_cli.settings import SETTINGS

_HINT = "give what an earlier run with -f json or -f jsonl wrote"
_STDIN = "-"
_POLLED = "Describe"  # how the operations begin that ask for the result of a task
_IN_MEMORY = 1_000_000  # bytes of what cannot be read twice; more of it waits in a temporary file
_GATE = "Gate"


def _gate_option(text: str, *flags: str, **more: Any) -> Any:
    """Return an option of the gate; it has no variable, since the gate of the run itself is the default."""
    return typer.Option(*flags, help=text, rich_help_panel=_GATE, **more)


def convert(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULTS...",
            help="Files that runs wrote with -f json or -f jsonl; - for stdin.",
            show_default=False,
        ),
    ],
    format: FormatChoice = Format.AUTO,  # noqa: A002 - the option's name
    output: OutputFile = None,
    fail_on: Annotated[
        str | None,
        _gate_option(
            "Exit 1 at this risk level or above [default: that of the run].", metavar="[high|medium|low|never]"
        ),
    ] = None,
    allow_partial: Annotated[
        bool, _gate_option("Accept answers that leave out a part, under a gate.", "--allow-partial")
    ] = False,
    require_full: Annotated[
        bool, _gate_option("Exit 3 where only a part was judged, gate or not.", "--require-full")
    ] = False,
    show_suppressed: ShowSuppressed = False,
    allow_empty: AllowEmpty = False,
    csv_bom: CsvBom = False,
    csv_output: CsvFile = None,
    html_output: HtmlFile = None,
    json_output: JsonFile = None,
    jsonl_output: JsonlFile = None,
    junit_output: JunitFile = None,
    markdown_output: MarkdownFile = None,
    sarif_output: SarifFile = None,
    quiet: Quiet = False,
    color: ColorChoice = Color.AUTO,
    debug: Debug = False,
) -> None:
    """Write the results of earlier runs in another format, several as one."""
    environment: Environment = ctx.obj
    asked = None if fail_on is None else SETTINGS["fail_on"].read(fail_on, subject="--fail-on").level
    if names.count(_STDIN) > 1:
        raise UsageError("- is given twice, and stdin can be read once")
    with ExitStack() as stack:
        runs = [stack.enter_context(_Run(name, environment)) for name in names]
        for run in runs:
            run.check()
            for note in run.notes:
                echo(environment, note)
        policy = _policy([run.policy for run in runs])
        policy = GatePolicy(
            policy.fail_on if fail_on is None else asked,
            allow_partial or policy.allow_partial,
            require_full or policy.require_full,
        )
        outputs = OutputOptions(
            format=format,
            output=output,
            raw=any(run.has_raw for run in runs),
            color=color,
            csv_bom=csv_bom,
            csv_output=csv_output,
            html_output=html_output,
            json_output=json_output,
            jsonl_output=jsonl_output,
            junit_output=junit_output,
            markdown_output=markdown_output,
            sarif_output=sarif_output,
        )
        gate = GateOptions(show_suppressed=show_suppressed, allow_empty=allow_empty)
        started = environment.monotonic()
        summary = _convert(runs, policy, gate, outputs, environment)
    if not quiet:
        for line in summary_lines(summary, Estimate(), environment.monotonic() - started, "input", is_past=True):
            echo(environment, line)
    raise typer.Exit(summary.exit_code(allow_empty=allow_empty))


class _Run:
    """The results of one run: a file that is read twice, first to check it and then to show it.

    So nothing is written of what cannot be read, and the gate and the counts of the run are known before its results.
    """

    def __init__(self, name: str, environment: Environment) -> None:
        self.name = "stdin" if name == _STDIN else name
        self.policy = GatePolicy()
        self.has_raw = False
        self.notes: list[str] = []
        self._path = None if name == _STDIN else Path(name)
        self._stdin = environment.stdin
        self._copy: IO[bytes] | None = None
        self._file: ResultFile | None = None

    def __enter__(self) -> _Run:
        try:
            if self._path is None:
                self._copy = _copied(getattr(self._stdin, "buffer", self._stdin))
            elif not stat.S_ISREG(self._path.stat().st_mode):
                with self._path.open("rb") as pipe:
                    self._copy = _copied(pipe)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise self._unreadable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._copy is not None:
            self._copy.close()

    def check(self) -> None:
        """Read it once; raises UsageError for what cannot be read."""
        gate, count = _RecordedGate(), 0
        for count, result in enumerate(self.results(), start=1):  # noqa: B007 - the last one is the number
            gate.add(result)
            self.has_raw |= "raw" in result.record
        self.policy = gate.policy
        file = self._read
        if file.summary is not None:
            try:
                self.policy = read_policy(file.summary)
                read_summary(file.summary, RunSummary())
            except ValueError as error:
                raise UsageError(f"{self.name}: the summary cannot be read", hint=_HINT) from error
        if file.cut_off_at is not None:
            where = f"{self.name}:{file.cut_off_at}"
            self.notes.append(f"{where}: the end is missing, so the run that wrote it was cut off")
        elif not count:
            self.notes.append(f"{self.name} holds no results")

    def results(self) -> Iterator[EarlierResult]:
        """Yield the results from the first one; raises UsageError for what cannot be read."""
        try:
            if self._copy is not None:
                self._copy.seek(0)
                yield from self._results_in(self._copy)
            elif self._path is not None:
                with self._path.open("rb") as file:
                    yield from self._results_in(file)
        except OSError as error:
            raise self._unreadable(error) from error

    def _results_in(self, file: IO[bytes]) -> Iterator[EarlierResult]:
        self._file = ResultFile(file, self.name, hint=_HINT)
        yield from self._file

    @property
    def _read(self) -> ResultFile:
        if self._file is None:
            raise TypeError("read the results first")
        return self._file

    def summed_up(self, counted: RunSummary) -> RunSummary:
        """Return the summary of the run, by the counts of its results and by what it says itself."""
        file = self._read
        if file.cut_off_at is not None:
            counted.not_tried, counted.at_least = 1, True
        return counted if file.summary is None else read_summary(file.summary, counted)

    def _unreadable(self, error: OSError | ValueError) -> UsageError:
        reason = getattr(error, "strerror", None) or error
        return UsageError(f"cannot read {self.name}: {reason}", code="unreadable", hint=_HINT)


class _RecordedGate(Struct):
    """The gate of a run as far as its records tell: `--require-full` without `--fail-on` leaves no trace in them."""

    fail_on: RiskLevel | None = None
    allow_partial: bool = False
    require_full: bool = False

    def add(self, result: EarlierResult) -> None:
        """Learn from one record."""
        gate, outcome = result.record.get("gate"), result.outcome
        if not gate:
            return
        self.fail_on = _strictest([self.fail_on, RiskLevel(gate["fail_on"])])
        if isinstance(outcome, Judged) and outcome.verdict.coverage:
            is_below = counted_level(outcome.verdict, result.suppressions).rank < RiskLevel(gate["fail_on"]).rank
            self.allow_partial |= outcome.verdict.is_unanswered and bool(gate["passed"])
            self.require_full |= not outcome.verdict.is_unanswered and is_below and not gate["passed"]

    @property
    def policy(self) -> GatePolicy:
        """The gate by all records so far."""
        return GatePolicy(self.fail_on, self.allow_partial, self.require_full)


def _strictest(levels: Sequence[RiskLevel | None]) -> RiskLevel | None:
    return min((level for level in levels if level is not None), key=lambda level: level.rank, default=None)


def _policy(policies: Sequence[GatePolicy]) -> GatePolicy:
    """Return the strictest of some gates."""
    return GatePolicy(
        _strictest([policy.fail_on for policy in policies]),
        allow_partial=all(policy.allow_partial for policy in policies),
        require_full=any(policy.require_full for policy in policies),
    )


def _copied(stream: IO[Any]) -> IO[bytes]:
    """Return a copy of a stream that can be read twice."""
    copy: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with the run
    try:
        shutil.copyfileobj(stream, copy)
    except TypeError:  # text, in a program that gives its own stdin
        copy.write(stream.read().encode("utf-8", "surrogateescape"))
    return copy


def _convert(
    runs: Sequence[_Run], policy: GatePolicy, gate: GateOptions, outputs: OutputOptions, environment: Environment
) -> RunSummary:
    """Show all results, in their order, and return the summary of all runs."""
    summary = RunSummary(policy=policy)

    def make(choice: Format, stream: TextIO) -> Renderer:
        return renderer(
            choice,
            stream,
            environment,
            color=outputs.color,
            raw=outputs.raw,
            policy=policy,
            show_suppressed=gate.show_suppressed,
            csv_bom=outputs.csv_bom,
        )

    with open_reports(environment, outputs, make) as reports:
        with interruptible(summary):
            for run in runs:
                counted = RunSummary(policy=policy)
                for result in run.results():
                    if summary.stopped_by is not None:
                        break
                    _show(result, counted, reports)
                summary.include(counted if summary.stopped_by else run.summed_up(counted))
        reports.finish(summary)
    summary.unwritten += reports.unwritten
    return summary


def _show(result: EarlierResult, counted: RunSummary, reports: Reports) -> None:
    outcome, suppressions = result.outcome, result.suppressions
    counted.add(outcome, suppressions)
    counted.suppressed_by.update(entry.file for entry in suppressions)
    counted.awaited |= isinstance(outcome, Pending) and outcome.call.operation.startswith(_POLLED)
    reports.add(outcome, suppressions)
