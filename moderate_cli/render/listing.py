"""Rows of facts to a stream: a table for people, JSON and CSV for programs; where the facts come from goes along."""

from __future__ import annotations

import csv
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from moderate_cli.common.environment import Environment
from moderate_cli.common.text import safe_text
from moderate_cli.render.json import dump
from moderate_cli.render.styles import plain_console

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), full-width forms included.
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


class ListFormat(StrEnum):
    """The formats of a listing by the name that `--format` takes."""

    AUTO = "auto"
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing: as data for programs, and as the cells of its line in the table; a cell may hold several lines."""

    data: Mapping[str, Any]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Things of one kind, and where the knowledge of them comes from.

    `name` is the key of the rows in JSON, `fields` are the keys of each row's data, and the header of CSV. `facts` is
    what JSON says beside them, and `notes` what the table says below itself; `marks` are words that it sets off.
    """

    name: str
    source: str
    date: str
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Sequence[Row]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    marks: tuple[str, ...] = ()


def show(listing: Listing, choice: ListFormat, environment: Environment, *, color: str) -> None:
    """Write a listing to standard output; `auto` is a table on a terminal, and JSON elsewhere."""
    stream = environment.stdout
    if choice is ListFormat.AUTO:
        choice = ListFormat.TABLE if stream.isatty() else ListFormat.JSON
    if choice is ListFormat.JSON:
        _write_json(listing, stream)
    elif choice is ListFormat.CSV:
        _write_csv(listing, stream)
    elif listing.rows:
        write_table(listing, stream, width=environment.width(), color=environment.wants_color(color, stream))


def safe_cell(text: str) -> str:
    """Return text for a cell of a CSV file, with an apostrophe before what a spreadsheet would calculate."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _write_json(listing: Listing, stream: TextIO) -> None:
    """Write one document with one row a line."""
    head = {"source": listing.source, "date": listing.date, **listing.facts}
    rows = ",\n".join(dump(row.data) for row in listing.rows)
    stream.write(f'{dump(head)[:-1]},"{listing.name}":[' + (f"\n{rows}\n" if rows else "") + "]}\n")


def _write_csv(listing: Listing, stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\r\n")  # RFC 4180
    writer.writerow(listing.fields)
    writer.writerows([_cell(row.data[name]) for name in listing.fields] for row in listing.rows)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return safe_cell(safe_text(value))
        case list():
            return " ".join(_cell(part) for part in value)
        case dict():
            return "; ".join(f"{_cell(key)}: {_cell(part)}" for key, part in value.items())
        case _:
            return str(value)


_GAP = 3
_LEAST_ROOM = 28  # columns: with less left for the last cell, rows are shown as blocks
_INDENT = "  "


def write_table(listing: Listing, stream: TextIO, *, width: int, color: bool) -> None:
    """Write the rows, the notes, and the source with its date."""
    console = plain_console(stream, width=width, color=color)
    widths = _widths(listing, width)
    if widths:
        console.print(_table(listing, widths))
    else:
        for row in listing.rows:
            console.print(_block(row, listing, width))
    console.print()
    for note in (*listing.notes, f"Source ({listing.date}): {listing.source}."):
        console.print(_styled(note, listing.marks, "dim"))


def _widths(listing: Listing, width: int) -> list[int] | None:
    """Return how wide each column is, or None where the last one would be too narrow to read.

    A column is as wide as its widest line, or a third of the table where that is more; a word is never broken.
    """
    widths = []
    for title, *cells in zip(listing.columns, *(row.cells for row in listing.rows), strict=True):
        lines = [Text(line).cell_len for cell in (title, *cells) for line in cell.splitlines()]
        longest_word = max(Text(word).cell_len for cell in (title, *cells) for word in cell.split())
        widths.append(max(min(max(lines), width // 3), longest_word))
    room = width - sum(widths[:-1]) - _GAP * (len(widths) - 1)
    return [*widths[:-1], room] if room >= min(_LEAST_ROOM, widths[-1]) else None


def _table(listing: Listing, widths: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title, width in zip(listing.columns, widths, strict=True):
        table.add_column(title, width=width, overflow="fold")
    for row in listing.rows:
        cells = []
        for column, (cell, width) in enumerate(zip(row.cells, widths, strict=True)):
            lines = _wrapped(cell, width, hanging=_has_lines(listing, column))
            cells.append(_styled("\n".join(lines), listing.marks, "" if column else "bold"))
        table.add_row(*cells)
    return table


def _block(row: Row, listing: Listing, width: int) -> Text:
    """Return a row as a block: its first cell, and below it the others, columns of single lines side by side."""
    lines: list[str] = []
    for has_lines, columns in groupby(range(1, len(row.cells)), lambda column: _has_lines(listing, column)):
        cells = filter(None, (row.cells[column] for column in columns))
        text = ("\n" if has_lines else _INDENT).join(cells)
        lines += [_INDENT + line for line in _wrapped(text, width - len(_INDENT), hanging=has_lines)]
    below = _styled("\n".join(lines), listing.marks)
    return Text("\n").join([_styled(row.cells[0], listing.marks, "bold"), *([below] if lines else [])])


def _has_lines(listing: Listing, column: int) -> bool:
    """Tell whether the cells of a column are lists of lines."""
    return any("\n" in row.cells[column] for row in listing.rows)


def _wrapped(cell: str, width: int, *, hanging: bool) -> Iterator[str]:
    """Yield the lines of a cell; with `hanging`, what goes on from the line before is indented."""
    indent = _INDENT if hanging else ""
    for line in cell.splitlines():
        yield from textwrap.wrap(line, max(width, len(_INDENT) + 1), subsequent_indent=indent, break_on_hyphens=False)


def _styled(text: str, marks: Sequence[str], style: str = "") -> Text:
    styled = Text("\n").join(Text(safe_text(line)) for line in text.splitlines())
    styled.stylize(style)
    if marks:
        styled.highlight_regex(rf"\b({'|'.join(map(re.escape, marks))})\b", "yellow")
    return styled
