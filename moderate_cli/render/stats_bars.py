"""Statistics for people: a bar a row, of which the part with a finding differs in its pattern and its colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TextIO

from rich.table import Table
from rich.text import Text

from moderate_cli.render.console import plain_console
from moderate_cli.render.stats import Count, Grouping, Statistics, percent
from moderate_cli.render.table_layout import plain_table
from moderate_cli.render.table_words import harmless

_GAP = 3
_LEAST_BAR = 8  # columns: names are folded before bars are shorter
_LEAST_NAME = 12  # columns: bars are left out before names are narrower


class _Marks(NamedTuple):
    """What bars are made of: the part with a finding, and the rest."""

    hit: str
    rest: str


_BLOCKS, _ASCII = _Marks("█", "░"), _Marks("#", "-")
_STYLES = _Marks("red", "dim")


def write_bars(statistics: Statistics, stream: TextIO, *, width: int, color: bool) -> None:
    """Write at least one row with its bar, the sum of all calls, and what the parts of a bar mean."""
    console = plain_console(stream, width=width, color=color)
    marks = _ASCII if console.options.ascii_only else _BLOCKS
    console.print(_table(statistics, width, marks))
    console.print()
    console.print(_sum(statistics, marks))


def _table(statistics: Statistics, width: int, marks: _Marks) -> Table:
    titles = ["Calls", *([] if statistics.by is Grouping.LABEL else ["Hits"]), "Share"]
    names = [harmless(row.name) for row in statistics.rows]
    cells = [_numbers(statistics, row) for row in statistics.rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    room = width - sum(width + _GAP for width in widths)
    name_width, bar_width = _widths(max(name.cell_len for name in names), room)
    most = max(row.calls for row in statistics.rows)
    table = plain_table()
    table.add_column(statistics.by.value.title(), width=name_width, overflow="fold")
    for title, number in zip(titles, widths, strict=True):
        table.add_column(title, width=number, justify="right")
    if bar_width:
        table.add_column(width=bar_width)
    for name, numbers, row in zip(names, cells, statistics.rows, strict=True):
        bars = [_bar(row, bar_width * row.calls / most, marks)] if bar_width else []
        table.add_row(name, *numbers, *bars)
    return table


def _numbers(statistics: Statistics, row: Count) -> Sequence[str]:
    hits = [] if row.hits is None else [f"{row.hits:,}"]
    return [f"{row.calls:,}", *hits, percent(statistics.share(row))]


def _widths(longest: int, room: int) -> tuple[int, int]:
    """Return how wide names and bars are, which share a room with the gap between them; a bar may be left out."""
    name = min(longest, max(_LEAST_NAME, room - _GAP - _LEAST_BAR))
    bar = room - _GAP - name
    return (name, bar) if bar >= _LEAST_BAR else (max(1, min(longest, room)), 0)


def _bar(row: Count, length: float, marks: _Marks) -> Text:
    """Return a bar; whatever there is has one mark at least."""
    whole = max(1, round(length))
    if row.hits is None:
        return Text(marks.hit * whole, style="cyan")
    hits = max(min(1, row.hits), round(whole * row.hits / row.calls))
    return Text.assemble((marks.hit * hits, _STYLES.hit), (marks.rest * (whole - hits), _STYLES.rest))


def _sum(statistics: Statistics, marks: _Marks) -> Text:
    share = percent(statistics.hits / statistics.calls)
    calls = f"{statistics.calls:,} calls"
    if statistics.by is Grouping.LABEL:
        return Text(f"of {calls}, {statistics.hits:,} ({share}) with a finding; one may have several labels")
    hits = (f"{marks.hit} {statistics.hits:,} ({share}) with a finding", _STYLES.hit)
    rest = (f"{marks.rest} {statistics.calls - statistics.hits:,} without", _STYLES.rest)
    return Text.assemble(f"{calls}: ", hits, ", ", rest)
