"""The usage by service and day or month as a file for spreadsheets, with the columns of the vendor console's export."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, TextIO

from moderate_cli.errors import UsageError
from moderate_cli.installation import install_command
from moderate_cli.render.listing import safe_cell
from moderate_cli.render.output import open_output
from moderate_cli.render.safe import safe_text

COLUMNS = ("Account UID", "Service", "Usage", "Date", "Billed")
"""The header (vendor's console guide, "View statistics on recent image detections"), and what is billed beside it."""

_WIDTHS = (20, 32, 10, 12, 10)  # of the columns of a sheet, in characters


class UsageRow(NamedTuple):
    """The calls of a service on a day (2026-11-01) or in a month (2026-11), and for how many of them it is billed.

    `uid` is empty where it is unknown.
    """

    uid: str
    service: str
    calls: int
    date: str
    billed: int


class ExportFormat(StrEnum):
    """What a file of usage may be, by the end of its name."""

    CSV = ".csv"
    XLSX = ".xlsx"


def export_format(path: Path) -> ExportFormat:
    """Return the format that a file's name asks for; raises UsageError for others, and where a library is missing."""
    try:
        choice = ExportFormat(path.suffix.lower())
    except ValueError:
        message = f"--export must be a name that ends with .csv or .xlsx, not {str(path)!r}"
        raise UsageError(message, code="unknown_export") from None
    if choice is ExportFormat.XLSX and find_spec("xlsxwriter") is None:
        raise UsageError(
            "a file .xlsx needs the extra 'xlsx'",
            code="no_xlsx_writer",
            hint=f"{install_command('xlsx')}, or export to a .csv file",
        )
    return choice


def write_usage(path: Path, choice: ExportFormat, rows: Sequence[UsageRow], stdout: TextIO) -> None:
    """Write a file in one piece; raises UsageError where it cannot be written."""
    with open_output(path, stdout) as stream:
        if choice is ExportFormat.XLSX:
            stream.buffer.write(_workbook(rows))
        else:
            _write_csv(rows, stream)


def _write_csv(rows: Sequence[UsageRow], stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)  # RFC 4180
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(safe_cell(safe_text(cell)) if isinstance(cell, str) else cell for cell in row)


def _workbook(rows: Sequence[UsageRow]) -> bytes:
    """Return a workbook with one sheet; texts are cells of text there, whatever they begin with."""
    import xlsxwriter  # as long an import as all the rest of the command

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Usage")
        bold = workbook.add_format({"bold": True})
        for column, (title, width) in enumerate(zip(COLUMNS, _WIDTHS, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, title, bold)
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(number, column, safe_text(cell))
                else:
                    sheet.write_number(number, column, cell)
        sheet.freeze_panes(1, 0)
    return content.getvalue()
