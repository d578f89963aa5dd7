"""How does a listing look on a terminal? As columns where there is room, else as one block per row."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from moderate_cli.common.text import safe_text
from moderate_cli.render.listing import Listing, Row
from moderate_cli.render.styles import plain_console

_GAP = 3  # columns between columns
_MIN_ROOM = 28  # columns: with less left for the last cell, rows are shown as blocks
_INDENT = "  "


def write_table(listing: Listing, stream: TextIO, *, width: int, color: bool) -> None:
    """Write the rows, the notes, and the source with its date."""
    console = plain_console(stream, width=width, color=color)
    widths = _widths(listing, width)
    if widths:
        console.print(_table(listing, widths))
    else:
        has_lines = _have_lines(listing)
        for row in listing.rows:
            console.print(_block(row, listing, width, has_lines))
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
    return [*widths[:-1], room] if room >= min(_MIN_ROOM, widths[-1]) else None


def _table(listing: Listing, widths: Sequence[int]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title, width in zip(listing.columns, widths, strict=True):
        table.add_column(title, width=width, overflow="fold")
    has_lines = _have_lines(listing)
    for row in listing.rows:
        cells = []
        for column, (cell, width) in enumerate(zip(row.cells, widths, strict=True)):
            lines = _wrapped(cell, width, hanging=has_lines[column])
            cells.append(_styled("\n".join(lines), listing.marks, "" if column else "bold"))
        table.add_row(*cells)
    return table


def _block(row: Row, listing: Listing, width: int, has_lines: Sequence[bool]) -> Text:
    """Return a row as a block: its first cell, and below it the others, columns of single lines side by side."""
    lines: list[str] = []
    for is_list, columns in groupby(range(1, len(row.cells)), has_lines.__getitem__):
        cells = filter(None, (row.cells[column] for column in columns))
        text = ("\n" if is_list else _INDENT).join(cells)
        lines += [_INDENT + line for line in _wrapped(text, width - len(_INDENT), hanging=is_list)]
    below = _styled("\n".join(lines), listing.marks)
    return Text("\n").join([_styled(row.cells[0], listing.marks, "bold"), *([below] if lines else [])])


def _have_lines(listing: Listing) -> list[bool]:
    """Tell of each column whether its cells are lists of lines."""
    return [any("\n" in row.cells[column] for row in listing.rows) for column in range(len(listing.columns))]


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
