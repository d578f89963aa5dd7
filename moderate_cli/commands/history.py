"""`moderate history`: what was judged, found again by filters, or forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Protocol, TextIO

import typer

from moderate_cli.commands.filters import FilterOptions, unknown_names
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.options import FormatChoice
from moderate_cli.commands.past import PastOutputOptions, open_store, read_age
from moderate_cli.commands.pruning import prune as forget
from moderate_cli.commands.signals import interruptible
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode, UsageError
from moderate_cli.records import Suppression, Tally, all_labels, to_outcome, verdict_of
from moderate_cli.render import Format, Renderer, choose_format, renderer
from moderate_cli.render.notes import say
from moderate_cli.render.output import open_output
from moderate_cli.store import UNREADABLE, Entry, Feedback, FeedbackVerdict, Filters
from moderate_cli.verdicts import Outcome

if TYPE_CHECKING:
    from moderate_cli.render.history_table import HistoryTable

app = typer.Typer(add_completion=False)

MOST_LISTED = 1_000
"""How many results a table lists where no limit is given."""

_FORGETTING = "Forgetting"


@app.command()
@flatten_options
def history(
    ctx: typer.Context,
    filters: FilterOptions,
    output: PastOutputOptions,
    format: FormatChoice = Format.AUTO,  # noqa: A002 - the option's name
    prune: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Forget what is older than this, such as 90d.", rich_help_panel=_FORGETTING),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.", rich_help_panel=_FORGETTING)] = False,
) -> None:
    """Find what was judged, newest first, in every format."""
    environment: Environment = ctx.obj
    meant = filters.meant(environment.clock())
    older_than = None if prune is None else read_age("--prune", prune)
    if older_than is not None and meant != Filters():
        raise UsageError("--prune takes no filters", hint="it forgets everything that is older than the age")
    with open_store(output.store, environment) as store:
        if older_than is not None:
            forget(store, environment, older_than=older_than, agreed=yes)
            return
        choice = choose_format(format, to_terminal=output.output is None and environment.stdout.isatty())
        cut = choice is Format.TABLE and meant.limit is None
        entries = store.history(replace(meant, limit=MOST_LISTED + 1) if cut else meant)
        with open_output(output.output, environment.stdout) as stream:
            report = _open_report(choice, stream, environment, output.color, most=MOST_LISTED if cut else None)
            code = _show(entries, report, environment)
    if not report.tally.inputs and code is ExitCode.OK:
        for line in ("no result found", *unknown_names(meant.labels, meant.services)):
            say(environment, line)
    raise typer.Exit(code)


class _Report(Protocol):
    """Shows results of the past, and counts them."""

    tally: Tally

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Show one."""

    def finish(self) -> None:
        """Show what is left."""


def _show(entries: Iterator[Entry], report: _Report, environment: Environment) -> ExitCode:
    """Show results until there is none left or somebody asks to stop; either way the report is a whole document."""
    unreadable = 0
    with interruptible(report.tally):
        for entry in entries:
            if report.tally.stopped_by is not None:
                break
            try:
                outcome = to_outcome(entry.record)
            except UNREADABLE:
                unreadable += 1
            else:
                report.add(entry, outcome)
    report.finish()
    if unreadable:
        say(environment, f"{unreadable:,} results of another version cannot be read, and are left out")
    return report.tally.stopped_by or (ExitCode.INCOMPLETE if unreadable else ExitCode.OK)


def _open_report(choice: Format, stream: TextIO, environment: Environment, color: str, *, most: int | None) -> _Report:
    if choice is not Format.TABLE:
        return _AsRun(renderer(choice, stream, environment, color=color, raw=False, show_suppressed=True))
    from moderate_cli.render.history_table import HistoryTable  # Rich takes longer than most queries

    width, has_color = environment.width(), environment.wants_color(color, stream)
    return _AsTable(HistoryTable(stream, width=width, color=has_color), most)


@dataclass(slots=True)
class _AsRun:
    """Shows results as a run would that brought them; a false positive is suppressed."""

    renderer: Renderer
    tally: Tally = field(default_factory=Tally)

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Show one result."""
        suppressions = _found_falsely(entry.feedback, outcome)
        self.tally.add(outcome, suppressions)
        self.renderer.add(outcome, suppressions=suppressions)

    def finish(self) -> None:
        """Show what is left."""
        self.renderer.finish(self.tally)


@dataclass(slots=True)
class _AsTable:
    """Shows results with their times, request ids and feedback, at most so many."""

    table: HistoryTable
    most: int | None
    tally: Tally = field(default_factory=Tally)
    is_cut: bool = False

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Show one result."""
        if self.tally.inputs == self.most:
            self.is_cut = True
            return
        self.tally.add(outcome)
        remarks = [_remark(said) for said in entry.feedback]
        self.table.add(outcome, at=entry.judged_at, request_id=entry.record["request_id"], remarks=remarks)

    def finish(self) -> None:
        """Say whether there are more."""
        self.table.finish("older ones are not listed here; --limit N lists more, -f jsonl all" if self.is_cut else None)


def _found_falsely(feedback: Sequence[Feedback], outcome: Outcome) -> list[Suppression]:
    """Return what suppresses each finding of a verdict of which somebody said last that it is a false positive."""
    verdict = verdict_of(outcome)
    if not feedback or feedback[-1].verdict is not FeedbackVerdict.FALSE_POSITIVE or verdict is None:
        return []
    reason, labels = feedback[-1].note or "no note", all_labels(verdict)
    return [Suppression(name, None, reason, "feedback: false-positive") for name in {label.label for label in labels}]


def _remark(said: Feedback) -> str:
    day = datetime.fromtimestamp(said.at, UTC).strftime("%Y-%m-%d")
    return f"{said.verdict} ({day})" + (f": {said.note}" if said.note else "")
