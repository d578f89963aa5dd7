"""How is a list of facts written? As a table for people, and JSON or CSV for programs, with the source and its date."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

from msgspec import Struct, field

from moderate_cli.common.text import visible_text
from moderate_cli.render.json import dump

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), full-width forms included.
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


class ListFormat(StrEnum):
    """The formats of a listing by the name that `--format` takes."""

    AUTO = "auto"
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Row(Struct, frozen=True):
    """One thing: as data for programs, and as the cells of its line in the table; a cell may hold several lines."""

    data: Mapping[str, Any]
    cells: tuple[str, ...]


class Listing(Struct, frozen=True, kw_only=True):
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


def safe_cell(text: str) -> str:
    """Return text for a cell of a CSV file, with an apostrophe before what a spreadsheet would calculate."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def write_json(listing: Listing, stream: TextIO) -> None:
    """Write one document with one row a line."""
    head = {"source": listing.source, "date": listing.date, **listing.facts}
    rows = ",\n".join(dump(row.data) for row in listing.rows)
    stream.write(f'{dump(head)[:-1]},"{listing.name}":[' + (f"\n{rows}\n" if rows else "") + "]}\n")


def write_jsonl(listing: Listing, stream: TextIO) -> None:
    """Write a document a row, and nothing else."""
    stream.writelines(f"{dump(row.data)}\n" for row in listing.rows)


def write_csv(listing: Listing, stream: TextIO) -> None:
    """Write a header and a row a row."""
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
            return safe_cell(visible_text(value))
        case list():
            return " ".join(_cell(part) for part in value)
        case dict():
            return "; ".join(f"{_cell(key)}: {_cell(part)}" for key, part in value.items())
        case _:
            return str(value)
