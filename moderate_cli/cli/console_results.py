"""`moderate console results`, `feedback` and `usage`: what the account judged, what is said of it, how much it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from moderate_cli.app.account_results import FoundResult, find_results
from moderate_cli.app.account_usage import account_usage
from moderate_cli.app.signals import interruptible
from moderate_cli.app.spec import AccountOptions
from moderate_cli.app.stores import named_store, open_store
from moderate_cli.cli.console_options import Raw, open_account, write_raw
from moderate_cli.cli.feedback import FeedbackVerdict, FeedbackWord, api_feedback
from moderate_cli.cli.filters import FilterOptions, NoPager, SpanOptions, filter_option, several
from moderate_cli.cli.flatten import ColorChoice
from moderate_cli.cli.history import SCREENFUL
from moderate_cli.cli.history_report import PastReport, open_report
from moderate_cli.cli.options import CsvBom, FormatChoice, OutputFile, StoreFile
from moderate_cli.cli.stats import ExportOptions, StatsFormatChoice
from moderate_cli.cli.usage_report import FoundUsage, check_places, export_rows, write_report
from moderate_cli.client.management_calls import ZONE
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.text import echo
from moderate_cli.models import DecisionWord
from moderate_cli.render import Format, choose_format
from moderate_cli.render.output import open_output
from moderate_cli.render.pager import paged
from moderate_cli.render.usage import Grouping, StatsFormat, choose_stats_format, export_format, write_usage
from moderate_cli.results import RunSummary
from moderate_cli.store import Filters, Store, default_path

_USAGE_DAYS = timedelta(days=30)
_USAGE_MONTHS = timedelta(days=365)  # for which the account keeps it


class ResultOptions(Struct, frozen=True):
    """Which results are meant: each option that is given must hold."""

    span: SpanOptions
    label: Annotated[
        list[str] | None,
        filter_option(
            "Any of these labels; '!=A,B' for none of them, '!=nonLabel' for any finding (repeatable).",
            metavar="NAME,...",
        ),
    ] = None
    service: Annotated[
        list[str] | None,
        filter_option("Any of these services (repeatable).", "-s", "--service", metavar="NAME,..."),
    ] = None
    request_id: Annotated[str | None, filter_option("Request ID of the service.", metavar="ID")] = None
    data_id: Annotated[str | None, filter_option("Your own ID of the input.", metavar="ID")] = None
    query: Annotated[
        list[str] | None,
        filter_option("A condition in the API's own words, which no page lists (repeatable).", metavar="KEY=VALUE"),
    ] = None
    limit: Annotated[
        int | None,
        filter_option("At most N results.", min=0, metavar="N", show_default="50 on a terminal, else 50,000"),
    ] = None

    def meant(self, now: float) -> Filters:
        """Return the same for the store; raises UsageError."""
        return FilterOptions(
            self.span,
            label=self.label,
            service=self.service,
            request_id=self.request_id,
            data_id=self.data_id,
            runs=True,
            limit=self.limit,
        ).meant(now)

    def conditions(self) -> dict[str, str]:
        """Return the further conditions; raises UsageError."""
        found = {}
        for text in self.query or ():
            key, separator, value = text.partition("=")
            if not separator or not key.strip():
                raise UsageError(f"--query must be KEY=VALUE, not {text!r}")
            found[key.strip()] = value
        return found


def results(
    ctx: typer.Context,
    filters: ResultOptions,
    output: OutputFile = None,
    store: StoreFile = None,
    format: FormatChoice = Format.AUTO,  # noqa: A002 - the option's name
    color: ColorChoice = Color.AUTO,
    no_pager: NoPager = False,
    csv_bom: CsvBom = False,
    raw: Raw = False,
    *,
    account: AccountOptions,
) -> None:
    """List what the account judged in the last 30 days, with what this machine knows of it.

    A result says where it is known from: the account, this machine, or both, which have the same request ID.
    """
    environment: Environment = ctx.obj
    meant, conditions = filters.meant(environment.clock()), filters.conditions()
    to_terminal = output is None and environment.stdout.isatty()
    choice = choose_format(format, to_terminal=to_terminal)
    most = meant.limit if meant.limit is not None else SCREENFUL if to_terminal else None
    summary = RunSummary()
    notes: list[str] = []
    with open_account(ctx, account) as client:
        own = _own_store(store, environment)
        try:
            found = find_results(client, own, meant, conditions, now=environment.clock(), note=notes.append)
            pages = paged(environment, wanted=to_terminal and not no_pager, note=partial(echo, environment))
            with pages as stdout, open_output(output, stdout, for_people=choice is Format.TABLE) as stream:
                report = open_report(choice, stream, environment, summary, color=color, csv_bom=csv_bom, raw=raw)
                with interruptible(summary):
                    is_cut = _add(found, report, summary, most)
                if is_cut and meant.limit is None:
                    notes.append(f"only the first {most} are listed; --limit N lists more")
                report.finish(notes)
        finally:
            if own is not None:
                own.close()
    for line in () if choice is Format.TABLE else notes:
        echo(environment, line)
    if not summary.inputs:
        echo(environment, "no result found")
    code = ExitCode.INCOMPLETE if summary.failed else ExitCode.OK
    raise typer.Exit(summary.stopped_by or code)


def _own_store(path: Path | None, environment: Environment) -> Store | None:
    """Return the store of this machine, None where there is none; raises UsageError for one that is named."""
    if named_store(path, environment) is None and not default_path().exists():
        return None
    return open_store(path, environment)


def _add(found: Iterator[FoundResult], report: PastReport, summary: RunSummary, most: int | None) -> bool:
    """Give results to a report until there is none left or there are enough, and tell whether there were more."""
    for result in found:
        if summary.stopped_by is not None:
            return False
        if summary.inputs == most:
            return True
        report.add(result.outcome, at=result.at, decisions=result.decisions, origin=result.origin)
    return False


def feedback(
    ctx: typer.Context,
    request_id: Annotated[
        str, typer.Argument(metavar="REQUEST_ID", help="Request ID of the result (see `console results`).")
    ],
    verdict: Annotated[
        FeedbackVerdict,
        typer.Argument(metavar="VERDICT", help="false-positive: nothing to find; missed: something was not found."),
    ],
    value: FeedbackWord = None,
    *,
    account: AccountOptions,
) -> None:
    """Tell the vendor that a verdict is wrong; `moderate feedback --send` notes it on this machine too."""
    word = api_feedback(DecisionWord(verdict.value), value)
    with open_account(ctx, account) as client:
        client.give_feedback(request_id, word)
    echo(ctx.obj, f"the vendor was told: {request_id} is {word}")


class AccountUsageOptions(Struct, frozen=True):
    """Which calls are counted."""

    span: SpanOptions
    service: Annotated[
        list[str] | None,
        filter_option("The calls of these services (repeatable).", "-s", "--service", metavar="NAME,..."),
    ] = None

    def words(self) -> Iterator[str]:
        """Yield what is asked for, as it was given."""
        given = {"since": self.span.since, "until": self.span.until}
        yield from (f"{name} {value}" for name, value in given.items() if value is not None)
        yield from (f"service {name}" for name in several("--service", self.service))


def usage(
    ctx: typer.Context,
    options: AccountUsageOptions,
    export: ExportOptions,
    by: Annotated[Grouping, typer.Option(help="Group rows by; days are those of the account.")] = Grouping.DAY,
    output: OutputFile = None,
    format: StatsFormatChoice = StatsFormat.AUTO,  # noqa: A002 - the option's name
    color: ColorChoice = Color.AUTO,
    raw: Raw = False,
    *,
    account: AccountOptions,
) -> None:
    """Count the calls of the account: 30 days, or a year with --by month, unless a time is given."""
    environment: Environment = ctx.obj
    is_by_month, services = by is Grouping.MONTH, several("--service", options.service)
    export_as = export_format(export.export) if export.export else None
    check_places(export.export, output)
    choice = choose_stats_format(format, to_terminal=output is None and environment.stdout.isatty())
    since, until = _span(options.span, environment.clock(), by_month=is_by_month)
    with open_account(ctx, account) as client:
        counted = account_usage(client, since=since, until=until, by_month=is_by_month, services=services)
    if raw:
        write_raw(ctx, list(counted.raw))
        return
    found = FoundUsage(by, counted.used, counted.labels, is_billed=False)
    if export.export and export_as:
        rows = export_rows(found, export.uid or _only(counted.uids))
        write_usage(export.export, export_as, rows, environment.stdout)
    limits = ["the account", *options.words()]
    write_report(found, choice, environment, output=output, color=color, limits=limits)
    if not counted.used:
        echo(environment, "no call found")


def _span(span: SpanOptions, now: float, *, by_month: bool) -> tuple[datetime, datetime]:
    """Return the time that is meant, as the account counts it; by month it begins with a month."""
    since, until = span.begin_and_end(now)
    end = datetime.fromtimestamp(until if until is not None else now, ZONE)
    usual = end - (_USAGE_MONTHS if by_month else _USAGE_DAYS)
    begin = datetime.fromtimestamp(since, ZONE) if since is not None else usual
    return (begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0) if by_month else begin), end


def _only(uids: Sequence[str]) -> str:
    return uids[0] if len(uids) == 1 else ""
