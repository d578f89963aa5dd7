"""`moderate history`: what was judged, found again by filters, or forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from moderate_cli.app.confirm import is_agreed
from moderate_cli.app.signals import interruptible
from moderate_cli.app.stores import open_store
from moderate_cli.cli.filters import (
    FilterOptions,
    NoPager,
    PastOutputOptions,
    SpanOptions,
    read_age,
    unknown_names,
)
from moderate_cli.cli.history_report import PastReport, open_report
from moderate_cli.cli.options import CsvBom, FormatChoice
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.text import counted, echo
from moderate_cli.records import to_outcome
from moderate_cli.render import Format, choose_format
from moderate_cli.render.output import open_output
from moderate_cli.render.pager import paged
from moderate_cli.results import RunSummary
from moderate_cli.store import UNREADABLE, Entry, Filters, Pruned, Store

if TYPE_CHECKING:
    pass

_WORDS = {
    "results": ("result", "results"),
    "runs": ("run", "runs"),
    "tasks": ("finished task", "finished tasks"),
    "files": ("seen file", "seen files"),
    "decisions": ("decision", "decisions"),
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
    return is_agreed(environment, f"delete all results in {store.path} older than {moment}?")


def _counts(pruned: Pruned) -> Iterator[str]:
    for name, count in asdict(pruned).items():
        yield f"{count:,} {_WORDS[name][count != 1]}"


SCREENFUL = 50
"""How many results go to a terminal where no limit is given."""

_FORGETTING = "Forgetting"


def history(
    ctx: typer.Context,
    filters: FilterOptions,
    output: PastOutputOptions,
    format: FormatChoice = Format.AUTO,  # noqa: A002 - the option's name
    no_pager: NoPager = False,
    csv_bom: CsvBom = False,
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
    if older_than is not None and filters != FilterOptions(SpanOptions()):
        raise UsageError("--prune takes no filters", hint="it deletes everything older than AGE")
    with open_store(output.store, environment, writes=older_than is not None) as store:
        if older_than is not None:
            prune_store(store, environment, older_than=older_than, agreed=yes)
            return
        options = {"everything": filters.everything, "no_pager": no_pager, "csv_bom": csv_bom}
        shown = _show(store, meant, environment, output, format, **options)
    for line in shown.notes:
        echo(environment, line)
    if not shown.summary.inputs and shown.code is ExitCode.OK:
        for line in ("no result found", *_reasons(meant)):
            echo(environment, line)
    raise typer.Exit(shown.code)


def _reasons(meant: Filters) -> Iterator[str]:
    """Yield why nothing may have been found."""
    yield from unknown_names(meant.labels, meant.services)
    if meant.source is not None and not set("*?[") & set(meant.source):
        yield f"--source takes a whole name, or a GLOB such as '*{meant.source}*'"


class _Shown(Struct):
    """What was shown: its counts, what is to be said after it, and the exit code."""

    summary: RunSummary = field(default_factory=RunSummary)
    code: ExitCode = ExitCode.OK
    notes: list[str] = field(default_factory=list)
    is_cut: bool = False
    has_older: bool = False
    unreadable: int = 0


def _show(
    store: Store,
    meant: Filters,
    environment: Environment,
    output: PastOutputOptions,
    chosen: Format,
    *,
    everything: bool,
    no_pager: bool,
    csv_bom: bool,
) -> _Shown:
    """Show the results that are meant, on a terminal a screenful of them and through a pager."""
    to_terminal = output.output is None and environment.stdout.isatty()
    choice = choose_format(chosen, to_terminal=to_terminal)
    most = SCREENFUL if to_terminal and meant.limit is None and not everything else None
    entries = store.history(meant if most is None else replace(meant, limit=most + 1))
    shown = _Shown()
    pages = paged(environment, wanted=to_terminal and not no_pager, note=partial(echo, environment))
    with pages as stdout, open_output(output.output, stdout, for_people=choice is Format.TABLE) as stream:
        report = open_report(
            choice, stream, environment, shown.summary, color=output.color, csv_bom=csv_bom, store=store
        )
        with interruptible(shown.summary):
            _add(entries, report, shown, most)
        report.finish([*_notes(shown, meant)])
    if choice is not Format.TABLE:
        shown.notes += _notes(shown, meant)
    if shown.unreadable:
        unreadable = counted(shown.unreadable, "result")
        shown.notes.append(f"{unreadable} of another version, or damaged, cannot be read: skipped")
        shown.code = ExitCode.INCOMPLETE
    shown.code = shown.summary.stopped_by or shown.code
    return shown


def _add(entries: Iterator[Entry], report: PastReport, shown: _Shown, most: int | None) -> None:
    """Give results to a report until there is none left, there are enough, or somebody asks to stop."""
    for entry in entries:
        if shown.summary.stopped_by is not None:
            return
        try:
            outcome = to_outcome(entry.record)
        except UNREADABLE:
            shown.unreadable += 1
            continue
        if shown.summary.inputs == most:
            shown.is_cut = True
            return
        shown.has_older |= entry.has_older
        report.add(outcome, at=entry.judged_at, decisions=entry.decisions)


def _notes(shown: _Shown, meant: Filters) -> Iterator[str]:
    """Yield what is not listed, and how to see it."""
    if shown.is_cut:
        yield f"only the newest {SCREENFUL} are listed; --limit N lists more, --all lists all"
    if shown.has_older and meant.latest:
        yield "only the latest result of each image is listed; --runs lists each"
