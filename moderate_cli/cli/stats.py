"""`moderate stats`: how much was judged and billed, and in how much something was found, by day, service or label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from moderate_cli.app.stores import open_store
from moderate_cli.cli.decision_report import write_decisions
from moderate_cli.cli.filters import PastOutputOptions, SpanOptions, filter_option, several, unknown_names
from moderate_cli.cli.flatten import OUTPUT_PANEL
from moderate_cli.cli.usage_report import FoundUsage, check_places, export_rows, write_report
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import echo
from moderate_cli.models import Engine
from moderate_cli.render.usage import (
    Grouping,
    StatsFormat,
    choose_stats_format,
    export_format,
    write_usage,
)
from moderate_cli.store import DecisionCount, Period, Store, Usage


class StatsGrouping(StrEnum):
    """What each row is about: a part of the calls, or what was decided about a label of a service."""

    DAY = Grouping.DAY.value
    MONTH = Grouping.MONTH.value
    SERVICE = Grouping.SERVICE.value
    LABEL = Grouping.LABEL.value
    DECISION = "decision"


class EngineName(StrEnum):
    """Who judged."""

    CLOUD = "cloud"
    LOCAL = "local"


class UsageOptions(Struct, frozen=True):
    """Which calls are counted."""

    span: SpanOptions
    service: Annotated[
        list[str] | None,
        filter_option("The calls of these services. Repeatable.", "-s", "--service", metavar="NAME,..."),
    ] = None
    engine: Annotated[
        EngineName | None, filter_option("The calls of the cloud, or those of the local engine, which cost nothing.")
    ] = None

    def asked(self, now: float) -> Asked:
        """Return what the store is asked for; raises UsageError."""
        since, until = self.span.begin_and_end(now)
        engine: Engine | None = self.engine.value if self.engine else None
        return Asked(since, until, several("--service", self.service), engine)

    def words(self) -> Iterator[str]:
        """Yield what is asked for, as it was given."""
        given = {"since": self.span.since, "until": self.span.until, "engine": self.engine}
        yield from (f"{name} {value}" for name, value in given.items() if value is not None)
        yield from (f"service {name}" for name in several("--service", self.service))


class Asked(Struct, frozen=True):
    """Which calls are counted, as the store takes it; without services it is all of them."""

    since: float | None
    until: float | None
    services: tuple[str, ...]
    engine: Engine | None

    def usage(self, store: Store, by: Period) -> list[Usage]:
        """Return calls, hits and billed calls by day or month and service."""
        found = store.usage(by, since=self.since, until=self.until, engine=self.engine)
        return [each for each in found if self._means(each.service)]

    def labels(self, store: Store) -> Counter[str]:
        """Return in how many calls each label was found, the most frequent first."""
        counts: Counter[str] = Counter()
        for found in store.label_counts(since=self.since, until=self.until, engine=self.engine):
            if self._means(found.service):
                counts[found.label] += found.calls
        return counts

    def decisions(self, store: Store) -> list[DecisionCount]:
        """Return what was decided by label and service."""
        found = store.decision_counts(since=self.since, until=self.until, engine=self.engine)
        return [each for each in found if self._means(each.service)]

    def local_calls(self, store: Store) -> int:
        """Return how many of the calls went to the local engine, where either engine counts."""
        if self.engine is not None:
            return 0
        found = store.usage(None, since=self.since, until=self.until, engine="local")
        return sum(each.calls for each in found if self._means(each.service))

    def _means(self, service: str | None) -> bool:
        return not self.services or service in self.services


_EXPORT = "Export"


class ExportOptions(Struct, frozen=True):
    """The file for spreadsheets."""

    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write FILE (.csv or .xlsx) with the columns of the vendor's console and the billed calls, by"
            " service and day (or month with --by month).",
            rich_help_panel=_EXPORT,
        ),
    ] = None
    uid: Annotated[
        str,
        typer.Option(metavar="ID", envvar="MODERATE_UID", help="Account ID for its column.", rich_help_panel=_EXPORT),
    ] = ""


StatsFormatChoice = Annotated[
    StatsFormat,
    typer.Option(
        "-f",
        "--format",
        help="Format; auto is a table on a terminal, jsonl in a pipe or file.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]


def stats(
    ctx: typer.Context,
    usage: UsageOptions,
    export: ExportOptions,
    output: PastOutputOptions,
    by: Annotated[StatsGrouping, typer.Option(help="Group rows by; days and months are in UTC.")] = StatsGrouping.DAY,
    format: StatsFormatChoice = StatsFormat.AUTO,  # noqa: A002 - the option's name
) -> None:
    """Count calls and findings by day, month, service or label, or what people decided."""
    environment: Environment = ctx.obj
    asked = usage.asked(environment.clock())
    export_as = export_format(export.export) if export.export else None
    check_places(export.export, output.output)
    choice = choose_stats_format(format, to_terminal=output.output is None and environment.stdout.isatty())
    if by is StatsGrouping.DECISION:
        if export.export or choice is StatsFormat.HTML:
            raise UsageError("--by decision has neither a page nor an export", hint="-f table, csv, json or jsonl")
        with open_store(output.store, environment) as store:
            write_decisions(asked.decisions(store), choice, environment, output=output.output, color=output.color)
        return
    grouping = Grouping(by.value)
    with open_store(output.store, environment) as store:
        used = asked.usage(store, "month" if grouping is Grouping.MONTH else "day")
        has_labels = grouping is Grouping.LABEL or choice is StatsFormat.HTML
        found = FoundUsage(grouping, used, asked.labels(store) if has_labels else Counter())
        local = asked.local_calls(store)
    if export.export and export_as:
        write_usage(export.export, export_as, export_rows(found, export.uid), environment.stdout)
    write_report(found, choice, environment, output=output.output, color=output.color, limits=list(usage.words()))
    if not used:
        for line in ("no call found", *unknown_names([], asked.services)):
            echo(environment, line)
    elif local:
        echo(environment, f"{local:,} of these calls went to the local engine, and cost nothing (see --engine)")
