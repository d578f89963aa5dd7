"""`moderate history`: what was judged, found again by filters, or forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Protocol, TextIO

import typer
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from moderate_cli.app.signals import interruptible
from moderate_cli.app.stores import open_store
from moderate_cli.cli.options import (
    ColorChoice,
    Debug,
    FormatChoice,
    OutputFile,
    StoreFile,
)
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.text import echo, safe_text
from moderate_cli.models import Outcome
from moderate_cli.records import to_outcome
from moderate_cli.render import Format, Renderer, choose_format, renderer
from moderate_cli.render.output import open_output
from moderate_cli.results import RunSummary, Suppression, all_labels, verdict_of
from moderate_cli.store import (
    UNREADABLE,
    Entry,
    Feedback,
    FeedbackVerdict,
    Filters,
    Pruned,
    Store,
)

if TYPE_CHECKING:
    from moderate_cli.render.table import HistoryTable

_WORDS = {
    "results": ("result", "results"),
    "runs": ("run", "runs"),
    "tasks": ("finished task", "finished tasks"),
    "files": ("seen file", "seen files"),
    "feedback": ("feedback", "feedbacks"),
}


def prune_store(store: Store, environment: Environment, *, older_than: float, agreed: bool) -> None:
    """Forget what is older than so many seconds, and say how much it was.

    Whoever sits at a terminal is asked first, unless that is `agreed` already; raises UsageError where nobody can be.
    """
    if not agreed and not _agree(store, environment, older_than):
        echo(environment, "nothing to delete")
        return
    echo(environment, f"deleted {', '.join(_counts(store.prune(older_than=older_than)))}")


def _agree(store: Store, environment: Environment, older_than: float) -> bool:
    if not environment.stdin.isatty():
        raise UsageError("--prune needs --yes when stdin is not a terminal")
    moment = datetime.fromtimestamp(max(0.0, environment.clock() - older_than), UTC).strftime("%Y-%m-%d %H:%M UTC")
    environment.stderr.write(safe_text(f"delete all results in {store.path} older than {moment}? [y/N] "))
    environment.stderr.flush()
    return environment.stdin.readline().strip().lower() in {"y", "yes"}


def _counts(pruned: Pruned) -> Iterator[str]:
    for name, count in asdict(pruned).items():
        yield f"{count:,} {_WORDS[name][count != 1]}"


class PastOutputOptions(Struct, frozen=True):
    """What is asked, and where and how the answer is shown."""

    output: OutputFile = None
    store: StoreFile = None
    color: ColorChoice = Color.AUTO
    debug: Debug = False


MAX_LISTED = 1_000
"""How many results a table lists where no limit is given."""

_FORGETTING = "Forgetting"


def history(
    ctx: typer.Context,
    filters: FilterOptions,
    output: PastOutputOptions,
    format: FormatChoice = Format.AUTO,  # noqa: A002 - the option's name
    prune: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Delete results older than AGE, such as 90d.", rich_help_panel=_FORGETTING),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask for confirmation.", rich_help_panel=_FORGETTING)
    ] = False,
) -> None:
    """Find what was judged, newest first, in every format."""
    environment: Environment = ctx.obj
    meant = filters.meant(environment.clock())
    older_than = None if prune is None else read_age("--prune", prune)
    if older_than is not None and meant != Filters():
        raise UsageError("--prune takes no filters", hint="it deletes everything older than AGE")
    with open_store(output.store, environment) as store:
        if older_than is not None:
            prune_store(store, environment, older_than=older_than, agreed=yes)
            return
        choice = choose_format(format, to_terminal=output.output is None and environment.stdout.isatty())
        cut = choice is Format.TABLE and meant.limit is None
        entries = store.history(replace(meant, limit=MAX_LISTED + 1) if cut else meant)
        with open_output(output.output, environment.stdout) as stream:
            report = _open_report(choice, stream, environment, output.color, most=MAX_LISTED if cut else None)
            code = _show(entries, report, environment)
    if not report.summary.inputs and code is ExitCode.OK:
        for line in ("no result found", *unknown_names(meant.labels, meant.services)):
            echo(environment, line)
    raise typer.Exit(code)


class _Report(Protocol):
    """Shows results of the past, and counts them."""

    summary: RunSummary

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Show one."""

    def finish(self) -> None:
        """Show what is left."""


def _show(entries: Iterator[Entry], report: _Report, environment: Environment) -> ExitCode:
    """Show results until there is none left or somebody asks to stop; either way the report is a whole document."""
    unreadable = 0
    with interruptible(report.summary):
        for entry in entries:
            if report.summary.stopped_by is not None:
                break
            try:
                outcome = to_outcome(entry.record)
            except UNREADABLE:
                unreadable += 1
            else:
                report.add(entry, outcome)
    report.finish()
    if unreadable:
        echo(environment, f"{unreadable:,} results of another version cannot be read and were skipped")
    return report.summary.stopped_by or (ExitCode.INCOMPLETE if unreadable else ExitCode.OK)


def _open_report(choice: Format, stream: TextIO, environment: Environment, color: str, *, most: int | None) -> _Report:
    if choice is not Format.TABLE:
        return _AsRun(renderer(choice, stream, environment, color=color, raw=False, show_suppressed=True))
    from moderate_cli.render.table import HistoryTable  # Rich takes longer than most queries

    width, has_color = environment.width(), environment.wants_color(color, stream)
    return _AsTable(HistoryTable(stream, width=width, color=has_color), most)


class _AsRun(Struct):
    """Shows results as a run would that brought them; a false positive is suppressed."""

    renderer: Renderer
    summary: RunSummary = field(default_factory=RunSummary)

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Show one result."""
        suppressions = _found_falsely(entry.feedback, outcome)
        self.summary.add(outcome, suppressions)
        self.renderer.add(outcome, suppressions=suppressions)

    def finish(self) -> None:
        """Show what is left."""
        self.renderer.finish(self.summary)


class _AsTable(Struct):
    """Shows results with their times, request ids and feedback, at most so many."""

    table: HistoryTable
    most: int | None
    summary: RunSummary = field(default_factory=RunSummary)
    is_cut: bool = False

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Show one result."""
        if self.summary.inputs == self.most:
            self.is_cut = True
            return
        self.summary.add(outcome)
        remarks = [_remark(said) for said in entry.feedback]
        self.table.add(outcome, at=entry.judged_at, request_id=entry.record["request_id"], remarks=remarks)

    def finish(self) -> None:
        """Say whether there are more."""
        self.table.finish("older results not listed; --limit N lists more, -f jsonl all" if self.is_cut else None)


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
