"""How is usage shown, that of this machine and that of the account? As bars, a page with charts, or data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.render.output import open_output
from moderate_cli.render.usage import UNKNOWN, Count, Grouping, Statistics, StatsFormat, UsageRow, write_stats
from moderate_cli.store import Usage


class FoundUsage(Struct, frozen=True):
    """The calls by day or month and service, and those with each label, if these are shown.

    The account does not say what it bills, so that `is_billed` is false there.
    """

    by: Grouping
    used: list[Usage]
    labels: Counter[str]
    is_billed: bool = True


def check_places(export: Path | None, output: Path | None) -> None:
    """Raise UsageError where two reports go to one file."""
    if export and output and export.absolute() == output.absolute():
        raise UsageError("--export and --output go to the same file", hint="give each its own name")


def write_report(
    found: FoundUsage,
    choice: StatsFormat,
    environment: Environment,
    *,
    output: Path | None,
    color: str,
    limits: list[str],
) -> None:
    """Write the calls in a format; `limits` are words for what was asked for."""
    with open_output(output, environment.stdout, for_people=choice is StatsFormat.TABLE) as stream:
        if choice is StatsFormat.HTML:
            stream.write(_page(found, limits, environment.clock()))
        elif choice is not StatsFormat.TABLE:
            write_stats(_statistics(found), choice, stream)
        elif found.used:
            from moderate_cli.render.usage_bars import write_bars  # loads Rich

            has_color = environment.wants_color(color, stream)
            write_bars(_statistics(found), stream, width=environment.width(), color=has_color)
        stream.flush()


def by_period(found: FoundUsage) -> list[Count]:
    """Return the calls of all services by day or month, in their order."""
    return _sums(found, lambda each: each.period or "")


def by_service(found: FoundUsage) -> list[Count]:
    """Return the calls by service, the most called first."""
    return sorted(_sums(found, lambda each: each.service), key=lambda count: -count.calls)


def by_label(labels: Counter[str]) -> list[Count]:
    """Return the calls by label, the most frequent first."""
    return [Count(label, calls) for label, calls in labels.most_common()]


def export_rows(found: FoundUsage, uid: str) -> list[UsageRow]:
    """Return what the export has of calls by day or month and service."""
    return [
        UsageRow(uid, each.service or UNKNOWN, each.calls, each.period or "", each.billed if found.is_billed else None)
        for each in found.used
    ]


def _sums(found: FoundUsage, name: Callable[[Usage], str | None]) -> list[Count]:
    calls: Counter[str | None] = Counter()
    hits: Counter[str | None] = Counter()
    billed: Counter[str | None] = Counter()
    for each in found.used:
        key = name(each)
        calls[key] += each.calls
        hits[key] += each.hits
        billed[key] += each.billed
    return [Count(key, number, hits[key], billed[key] if found.is_billed else None) for key, number in calls.items()]


def _statistics(found: FoundUsage) -> Statistics:
    match found.by:
        case Grouping.LABEL:
            rows = by_label(found.labels)
        case Grouping.SERVICE:
            rows = by_service(found)
        case _:
            rows = by_period(found)
    calls, hits, billed = (sum(getattr(each, name) for each in found.used) for name in ("calls", "hits", "billed"))
    return Statistics(by=found.by, calls=calls, hits=hits, billed=billed if found.is_billed else None, rows=rows)


def _page(found: FoundUsage, limits: list[str], now: float) -> str:
    from moderate_cli.render.html.usage_page import UsagePage, stats_page

    page = UsagePage(
        by=Grouping.MONTH if found.by is Grouping.MONTH else Grouping.DAY,
        periods=by_period(found),
        services=by_service(found),
        labels=found.labels,
        limits=limits,
        written_at=now,
    )
    return stats_page(page)
