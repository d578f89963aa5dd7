"""`moderate history`: what was judged, found again by filters, or forgotten."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TextIO

import typer
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from moderate_cli.app.signals import interruptible
from moderate_cli.app.stores import open_store
from moderate_cli.catalog.labels import label_meaning, labels
from moderate_cli.catalog.services import find_service, services
from moderate_cli.cli.options import (
    ColorChoice,
    Debug,
    FormatChoice,
    OutputFile,
    StoreFile,
    with_default,
)
from moderate_cli.cli.reference import nearest
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.text import echo, safe_text
from moderate_cli.models import NO_FINDING, Outcome, RiskLevel
from moderate_cli.records import to_outcome
from moderate_cli.render import Format, Renderer, choose_format, renderer
from moderate_cli.render.output import open_output
from moderate_cli.results import RunSummary, Suppression, all_labels, verdict_of
from moderate_cli.settings.value_types import age
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


_DAY = 86_400.0  # seconds; those of UTC are all as long


def filter_option(text: str, *flags: str, **more: Any) -> Any:
    """Return an option that says what is meant, with its help.

    It has no variable: MODERATE_SERVICE, which says what to ask, shall not hide a part of the past.
    """
    return typer.Option(*flags, help=text, rich_help_panel="Filters", **more)


class SpanOptions(Struct, frozen=True):
    """A span of time."""

    since: Annotated[
        str | None,
        filter_option(
            "From TIME on: a day (2026-11-01), a time (2026-11-01T09) or an age (7d), in UTC.",
            metavar="TIME",
        ),
    ] = None
    until: Annotated[str | None, filter_option("Up to the end of a day, a time or an age.", metavar="TIME")] = None

    def begin_and_end(self, now: float) -> tuple[float | None, float | None]:
        """Return the first moment of the span and the first after it (Unix seconds); raises UsageError."""
        since = _read_time("--since", self.since, now) if self.since is not None else None
        until = _read_time("--until", self.until, now, after_day=True) if self.until is not None else None
        if since is not None and until is not None and since >= until:
            raise UsageError(f"--since {self.since} is not before --until {self.until}")
        return since, until


class PastOutputOptions(Struct, frozen=True):
    """What is asked, and where and how the answer is shown."""

    output: OutputFile = None
    store: StoreFile = None
    color: ColorChoice = Color.AUTO
    debug: Debug = False


def several(name: str, values: Iterable[str] | None) -> tuple[str, ...]:
    """Return the words of an option that may be given again and takes commas; raises UsageError for one without any."""
    words = [[word.strip() for word in value.split(",") if word.strip()] for value in values or ()]
    if not all(words):
        raise UsageError(f"{name} is empty")
    return tuple(dict.fromkeys(word for part in words for word in part))


def read_age(name: str, text: str) -> float:
    """Return an age in seconds; raises UsageError."""
    with suppress(ValueError):
        seconds = age().check(text)
        if seconds is not None and math.isfinite(seconds):
            return float(seconds)
    raise UsageError(f"{name} must be an age such as 30m, 12h or 90d, not {text!r}")


def _read_time(name: str, text: str, now: float, *, after_day: bool = False) -> float:
    """Return a time in Unix seconds; a day is its first moment in UTC, or the first after it."""
    with suppress(ValueError):
        day = date.fromisoformat(text)
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        return begin + _DAY if after_day else begin
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    with suppress(UsageError):
        return now - read_age(name, text)
    raise UsageError(f"{name} must be a date, a date with a time, or an age such as 7d, not {text!r}")


def feedback(
    ctx: typer.Context,
    request_id: Annotated[
        str,
        typer.Argument(metavar="REQUEST_ID", help="Request ID of the result (see `moderate history`)."),
    ],
    verdict: Annotated[
        FeedbackVerdict,
        typer.Argument(metavar="VERDICT", help="false-positive: nothing to find; missed: something was not found."),
    ],
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason, kept with the result.")] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="MODERATE_STORE",
            help=with_default("Where runs, results and tasks are kept.", "store.db in the platform's folder for state"),
        ),
    ] = None,
) -> None:
    """Say that a verdict is wrong: a false positive, or something missed."""
    with open_store(store, ctx.obj) as opened:
        opened.add_feedback(request_id, verdict, " ".join((note or "").split()) or None)
        sources = [entry.record.get("source") for entry in opened.history(Filters(request_id=request_id, limit=1))]
    echo(ctx.obj, f"noted as {verdict}: {', '.join(map(str, sources))}")


_NOT = "!="  # before a list of labels, as in the vendor's console


class Status(StrEnum):
    """What became of an input."""

    JUDGED = "judged"
    SKIPPED = "skipped"
    FAILED = "failed"


class FeedbackFilter(StrEnum):
    """What people said last of a verdict."""

    ANY = "any"
    FALSE_POSITIVE = FeedbackVerdict.FALSE_POSITIVE.value
    MISSED = FeedbackVerdict.MISSED.value

    @property
    def meant(self) -> FeedbackVerdict | Literal["any"]:
        """The same as the store takes it."""
        return "any" if self is FeedbackFilter.ANY else FeedbackVerdict(self.value)


class FilterOptions(Struct, frozen=True):
    """Which results are meant: each option that is given must hold."""

    span: SpanOptions
    label: Annotated[
        list[str] | None,
        filter_option(
            "Any of these labels; '!=A,B' for none of them, '!=nonLabel' for any finding (repeatable).",
            metavar="NAME,...",
        ),
    ] = None
    risk: Annotated[
        list[str] | None,
        filter_option("Any of these risk levels: high, medium, low, none (repeatable).", metavar="LEVEL,..."),
    ] = None
    service: Annotated[
        list[str] | None,
        filter_option("Any of these services (repeatable).", "-s", "--service", metavar="NAME,..."),
    ] = None
    source: Annotated[
        str | None,
        filter_option("Source as given on the command line; * matches slashes too.", metavar="GLOB"),
    ] = None
    request_id: Annotated[str | None, filter_option("Request ID of the service.", metavar="ID")] = None
    data_id: Annotated[str | None, filter_option("Your own ID of the input.", metavar="ID")] = None
    status: Annotated[Status | None, filter_option("Status of the input.")] = None
    feedback: Annotated[FeedbackFilter | None, filter_option("Latest `moderate feedback`.")] = None
    limit: Annotated[int | None, filter_option("At most N results, newest first.", min=0, metavar="N")] = None

    def meant(self, now: float) -> Filters:
        """Return the filters of the store; raises UsageError."""
        wanted, unwanted = _labels(self.label or ())
        since, until = self.span.begin_and_end(now)
        return Filters(
            labels=wanted,
            without_labels=unwanted,
            risk_levels=_levels(several("--risk", self.risk)),
            services=several("--service", self.service),
            source=self.source,
            request_id=self.request_id,
            data_id=self.data_id,
            since=since,
            until=until,
            status=self.status,
            feedback=self.feedback.meant if self.feedback else None,
            limit=self.limit,
        )


def unknown_names(asked_labels: Sequence[str], asked_services: Sequence[str]) -> Iterator[str]:
    """Yield what to say of each label and service that is not known here, where nothing was found.

    They are no errors: the vendor adds new ones before this program knows them.
    """
    for label in asked_labels:
        if label != NO_FINDING and label_meaning(label) is None:
            hint = nearest(label, "labels", {known.label for known in labels()})
            yield f"unknown label {label} ({hint})"
    for service in asked_services:
        if find_service(service) is None:
            yield f"unknown service {service} ({nearest(service, 'services', services())})"


def _labels(values: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that are asked for, and those that are refused."""
    texts = [value.strip() for value in values]
    wanted = several("--label", [text for text in texts if not text.startswith(_NOT)])
    unwanted = several("--label", [text.removeprefix(_NOT) for text in texts if text.startswith(_NOT)])
    for label in (*wanted, *unwanted):
        if label.startswith("!"):
            raise UsageError(f"--label {label!r} is not a label", hint=f"{_NOT} stands once, before the whole list")
    return wanted, unwanted


def _levels(words: Sequence[str]) -> tuple[str, ...]:
    known = [level.value for level in reversed(RiskLevel)]
    for word in words:
        if word not in known:
            raise UsageError(f"--risk {word!r} is not a risk level", hint=f"they are {', '.join(known)}")
    return tuple(words)


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
