"""Statistics for people: a bar a row, of which the part with a finding differs in its pattern and its colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from rich.table import Table
from rich.text import Text

from moderate_cli.render.styles import harmless, plain_console
from moderate_cli.render.table import plain_table
from moderate_cli.render.usage import Count, Grouping, Statistics, percent, ratio

_GAP = 3  # columns between columns


_MIN_BAR = 8  # columns: names are folded before bars are shorter


_MIN_NAME = 12  # columns: bars are left out before names are narrower


_BILLED = "Billed"  # the column that is left out before bars are


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
    console.print(_total(statistics, marks))


def _table(statistics: Statistics, width: int, marks: _Marks) -> Table:
    names = [harmless(row.title) for row in statistics.rows]
    longest = max(name.cell_len for name in names)
    columns = _columns(statistics)
    if _room(columns, width) < min(longest, _MIN_NAME) + _GAP + _MIN_BAR:
        columns.pop(_BILLED, None)  # the total below has it too
    name_width, bar_width = _widths(longest, _room(columns, width))
    most = max(row.calls for row in statistics.rows)
    table = plain_table()
    table.add_column(statistics.by.value.title(), width=name_width, overflow="fold")
    for title, cells in columns.items():
        table.add_column(title, width=_width(title, cells), justify="right")
    if bar_width:
        table.add_column(width=bar_width)
    for name, row, *cells in zip(names, statistics.rows, *columns.values(), strict=True):
        bars = [_bar(row, bar_width * ratio(row.calls, most), marks)] if bar_width else []
        table.add_row(name, *cells, *bars)
    return table


def _columns(statistics: Statistics) -> dict[str, list[str]]:
    """Return the numbers of each row, by the title of their column."""
    rows = statistics.rows
    found = {"Calls": [f"{row.calls:,}" for row in rows]}
    if statistics.by is not Grouping.LABEL:
        found["Hits"] = [f"{row.hits or 0:,}" for row in rows]
        if statistics.billed is not None:
            found[_BILLED] = [f"{row.billed or 0:,}" for row in rows]
    return found | {"Share": [percent(statistics.share(row)) for row in rows]}


def _room(columns: Mapping[str, list[str]], width: int) -> int:
    """Return how much of a width the numbers leave to names and bars."""
    return width - sum(_width(title, cells) + _GAP for title, cells in columns.items())


def _width(title: str, cells: Sequence[str]) -> int:
    return max(map(len, (title, *cells)))


def _widths(longest: int, room: int) -> tuple[int, int]:
    """Return how wide names and bars are, which share a room with the gap between them; a bar may be left out."""
    name = min(longest, max(_MIN_NAME, room - _GAP - _MIN_BAR))
    bar = room - _GAP - name
    return (name, bar) if bar >= _MIN_BAR else (max(1, min(longest, room)), 0)


def _bar(row: Count, length: float, marks: _Marks) -> Text:
    """Return a bar; anything above zero has at least one mark."""
    whole = max(min(1, row.calls), round(length))
    if row.hits is None:
        return Text(marks.hit * whole, style="cyan")
    hits = max(min(1, row.hits), round(whole * ratio(row.hits, row.calls)))
    return Text.assemble((marks.hit * hits, _STYLES.hit), (marks.rest * (whole - hits), _STYLES.rest))


def _total(statistics: Statistics, marks: _Marks) -> Text:
    share = percent(ratio(statistics.hits, statistics.calls))
    calls = f"{statistics.calls:,} calls"
    if statistics.billed is not None:
        calls += f" ({statistics.billed:,} billed)"
    if statistics.by is Grouping.LABEL:
        found = f"{statistics.hits:,} ({share}) with a finding; one may have several labels"
        return Text(f"of {calls}, {found}")
    hits = (f"{marks.hit} {statistics.hits:,} ({share}) with a finding", _STYLES.hit)
    rest = (f"{marks.rest} {statistics.calls - statistics.hits:,} without", _STYLES.rest)
    return Text.assemble(f"{calls}: ", hits, ", ", rest)
