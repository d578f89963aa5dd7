"""`moderate stats`: how much was judged and billed, and in how much something was found, by day, service or label."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.commands.filters import unknown_names
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.past import PastOutputOptions, open_store
from moderate_cli.commands.usage import UsageOptions, by_label, by_period, by_service, export_rows
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.render.notes import say
from moderate_cli.render.output import open_output
from moderate_cli.render.stats import Grouping, Statistics, StatsFormat, choose_stats_format, write_stats
from moderate_cli.render.usage_export import export_format, write_usage
from moderate_cli.store import Usage

app = typer.Typer(add_completion=False)

_EXPORT = "Export"


@dataclass(frozen=True, slots=True)
class _Found:
    """The calls by day or month and service, and those with each label, if these are shown."""

    by: Grouping
    used: list[Usage]
    labels: Counter[str]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The file for spreadsheets."""

    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a .csv or .xlsx too, with the columns of the vendor's console and the billed calls: by service,"
            " and by day or, with --by month, by month.",
            rich_help_panel=_EXPORT,
        ),
    ] = None
    uid: Annotated[
        str,
        typer.Option(
            metavar="ID", envvar="MODERATE_UID", help="The account's id, for its column.", rich_help_panel=_EXPORT
        ),
    ] = ""


@app.command()
@flatten_options
def stats(
    ctx: typer.Context,
    usage: UsageOptions,
    export: ExportOptions,
    output: PastOutputOptions,
    by: Annotated[Grouping, typer.Option(help="What each row is about; days and months are of UTC.")] = Grouping.DAY,
    format: Annotated[  # noqa: A002 - the option's name
        StatsFormat,
        typer.Option(
            "-f",
            "--format",
            help="auto is a table on a terminal, and jsonl into a pipe or a file.",
            rich_help_panel="Output",
        ),
    ] = StatsFormat.AUTO,
) -> None:
    """Count calls and findings by day, month, service or label."""
    environment: Environment = ctx.obj
    asked = usage.asked(environment.clock())
    export_as = export_format(export.export) if export.export else None
    if export.export and output.output and export.export.absolute() == output.output.absolute():
        raise UsageError("--export and --output go to the same file", hint="give each its own name")
    choice = choose_stats_format(format, to_terminal=output.output is None and environment.stdout.isatty())
    with open_store(output.store, environment) as store:
        used = asked.usage(store, "month" if by is Grouping.MONTH else "day")
        has_labels = by is Grouping.LABEL or choice is StatsFormat.HTML
        found = _Found(by, used, asked.labels(store) if has_labels else Counter())
        local = asked.local_calls(store)
    if export.export and export_as:
        write_usage(export.export, export_as, export_rows(used, export.uid), environment.stdout)
    with open_output(output.output, environment.stdout) as stream:
        if choice is StatsFormat.HTML:
            stream.write(_page(found, list(usage.words()), environment.clock()))
        else:
            write_stats(_statistics(found), choice, stream, environment, color=output.color)
        stream.flush()
    if not used:
        for line in ("no call found", *unknown_names([], asked.services)):
            say(environment, line)
    elif local:
        say(environment, f"{local:,} of these calls went to the local engine, and cost nothing (see --engine)")


def _statistics(found: _Found) -> Statistics:
    match found.by:
        case Grouping.LABEL:
            rows = by_label(found.labels)
        case Grouping.SERVICE:
            rows = by_service(found.used)
        case _:
            rows = by_period(found.used)
    calls, hits, billed = (sum(getattr(each, name) for each in found.used) for name in ("calls", "hits", "billed"))
    return Statistics(by=found.by, calls=calls, hits=hits, billed=billed, rows=rows)


def _page(found: _Found, limits: list[str], now: float) -> str:
    from moderate_cli.render.html.stats_page import UsagePage, stats_page

    page = UsagePage(
        by=Grouping.MONTH if found.by is Grouping.MONTH else Grouping.DAY,
        periods=by_period(found.used),
        services=by_service(found.used),
        labels=found.labels,
        limits=limits,
        written_at=now,
    )
    return stats_page(page)
