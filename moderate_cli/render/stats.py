"""Statistics to a stream: calls, how many had a finding and how many are billed, by day, month, service or label."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

from moderate_cli.environment import Environment
from moderate_cli.render.json import dump
from moderate_cli.render.listing import safe_cell
from moderate_cli.render.safe import safe_text

UNKNOWN = "unknown"
"""What people read for a service that nobody knows."""

_DIGITS = 6  # of a share


class StatsFormat(StrEnum):
    """The formats of statistics by the name that `--format` takes."""

    AUTO = "auto"
    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


class Grouping(StrEnum):
    """What each row is about; its value is the key of the row's name."""

    DAY = "day"
    MONTH = "month"
    SERVICE = "service"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class Count:
    """The calls of a day, a month or a service, how many had a finding (`hits`), and for how many it is billed.

    Of a label it is the calls that found it. The name is None for a service that nobody knows.
    """

    name: str | None
    calls: int
    hits: int | None = None
    billed: int | None = None

    @property
    def title(self) -> str:
        """The name in words for people."""
        return UNKNOWN if self.name is None else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """All calls, those with a finding, those billed, and the same for each part; those of labels are parts of all."""

    by: Grouping
    calls: int
    hits: int
    billed: int
    rows: Sequence[Count]

    def share(self, row: Count) -> float:
        """Return the share of a row, from 0 to 1: hits of its calls, or of all calls those that found its label."""
        return ratio(row.calls, self.calls) if row.hits is None else ratio(row.hits, row.calls)


def ratio(part: int, whole: int) -> float:
    """Return a share from 0 to 1; of nothing it is 0: calls that are billed may all have failed."""
    return part / whole if whole else 0.0


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent."""
    return f"{100 * share:.1f} %"


def choose_stats_format(choice: StatsFormat, *, to_terminal: bool) -> StatsFormat:
    """Return the format that `auto` means where the output goes."""
    if choice is not StatsFormat.AUTO:
        return choice
    return StatsFormat.TABLE if to_terminal else StatsFormat.JSONL


def write_stats(
    statistics: Statistics, choice: StatsFormat, stream: TextIO, environment: Environment, *, color: str
) -> None:
    """Write statistics in any format but html, which shows more than one of them; a table without rows is nothing."""
    match choice:
        case StatsFormat.JSONL:
            stream.writelines(dump(row) + "\n" for row in _data(statistics))
        case StatsFormat.JSON:
            _write_json(statistics, stream)
        case StatsFormat.CSV:
            _write_csv(statistics, stream)
        case StatsFormat.TABLE:
            if not statistics.rows:
                return
            from moderate_cli.render.stats_bars import write_bars

            write_bars(statistics, stream, width=environment.width(), color=environment.wants_color(color, stream))
        case _:
            raise ValueError(f"{choice} is not written here")


def _data(statistics: Statistics) -> Iterable[dict[str, Any]]:
    for row in statistics.rows:
        more = {} if row.hits is None else {"hits": row.hits, "billed": row.billed}
        share = round(statistics.share(row), _DIGITS)
        yield {statistics.by.value: row.name, "calls": row.calls, **more, "share": share}


def _write_json(statistics: Statistics, stream: TextIO) -> None:
    """Write one document with one row a line."""
    sums = {"calls": statistics.calls, "hits": statistics.hits, "billed": statistics.billed}
    head = {"by": statistics.by.value, **sums}
    rows = ",\n".join(map(dump, _data(statistics)))
    stream.write(f'{dump(head)[:-1]},"rows":[' + (f"\n{rows}\n" if rows else "") + "]}\n")


def _write_csv(statistics: Statistics, stream: TextIO) -> None:
    more = [] if statistics.by is Grouping.LABEL else ["hits", "billed"]
    columns = [statistics.by.value, "calls", *more, "share"]
    writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)  # RFC 4180
    writer.writerow(columns)
    for row in _data(statistics):
        name, *numbers = (row[column] for column in columns)
        writer.writerow([safe_cell(safe_text(UNKNOWN if name is None else name)), *numbers])
