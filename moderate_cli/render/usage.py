"""How are statistics written? Calls, hits and billed calls by day, month, service or label, and as a usage file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.installation import install_command
from moderate_cli.common.text import visible_text
from moderate_cli.render.json import dump
from moderate_cli.render.listing import safe_cell
from moderate_cli.render.output import open_output

COLUMNS = ("Account UID", "Service", "Usage", "Date", "Billed")
"""The header (vendor's console guide, "View statistics on recent image detections"), and what is billed beside it."""

UNKNOWN = "unknown"
"""The title of an unknown service."""

_DIGITS = 6  # decimals of a share
_WIDTHS = (20, 32, 10, 12, 10)  # of the columns of a sheet, in characters


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


class Count(Struct, frozen=True):
    """The calls of a day, a month or a service, how many had a finding (`hits`), and for how many it is billed.

    Of a label it is the calls that found it. The name is None for an unknown service.
    """

    name: str | None
    calls: int
    hits: int | None = None
    billed: int | None = None

    @property
    def title(self) -> str:
        """The name in words for people."""
        return UNKNOWN if self.name is None else self.name


class Statistics(Struct, frozen=True, kw_only=True):
    """All calls, those with a finding, those billed, and the same for each part; those of labels are parts of all.

    `billed` is None where nobody says what is billed, and then the parts do not show it either.
    """

    by: Grouping
    calls: int
    hits: int
    billed: int | None
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


def write_stats(statistics: Statistics, choice: StatsFormat, stream: TextIO) -> None:
    """Write statistics for programs: JSON Lines, JSON or CSV. Raises ValueError for the other formats."""
    match choice:
        case StatsFormat.JSONL:
            stream.writelines(dump(row) + "\n" for row in _data(statistics))
        case StatsFormat.JSON:
            _write_json(statistics, stream)
        case StatsFormat.CSV:
            _write_csv(statistics, stream)
        case _:
            raise ValueError(f"{choice} is not written here")


def _data(statistics: Statistics) -> Iterable[dict[str, Any]]:
    for row in statistics.rows:
        more = {} if row.hits is None else {"hits": row.hits, **_if_billed(statistics, row.billed)}
        share = round(statistics.share(row), _DIGITS)
        yield {statistics.by.value: row.name, "calls": row.calls, **more, "share": share}


def _if_billed(statistics: Statistics, billed: int | None) -> dict[str, int | None]:
    return {} if statistics.billed is None else {"billed": billed}


def _write_json(statistics: Statistics, stream: TextIO) -> None:
    """Write one document with one row a line."""
    sums = {"calls": statistics.calls, "hits": statistics.hits, **_if_billed(statistics, statistics.billed)}
    head = {"by": statistics.by.value, **sums}
    rows = ",\n".join(map(dump, _data(statistics)))
    stream.write(f'{dump(head)[:-1]},"rows":[' + (f"\n{rows}\n" if rows else "") + "]}\n")


def _write_csv(statistics: Statistics, stream: TextIO) -> None:
    more = [] if statistics.by is Grouping.LABEL else ["hits", *_if_billed(statistics, 0)]
    columns = [statistics.by.value, "calls", *more, "share"]
    writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)  # RFC 4180
    writer.writerow(columns)
    for row in _data(statistics):
        name, *numbers = (row[column] for column in columns)
        writer.writerow([safe_cell(visible_text(UNKNOWN if name is None else name)), *numbers])


class ExportFormat(StrEnum):
    """The formats of a usage file, by the suffix of its name."""

    CSV = ".csv"
    XLSX = ".xlsx"


class UsageRow(NamedTuple):
    """The calls of a service on a day (2026-11-01) or in a month (2026-11), and for how many of them it is billed.

    `uid` is empty where it is unknown, and `billed` is None where nobody says it: such a file has no such column.
    """

    uid: str
    service: str
    calls: int
    date: str
    billed: int | None


def export_format(path: Path) -> ExportFormat:
    """Return the format that a file's name asks for; raises UsageError for others, and where a library is missing."""
    try:
        choice = ExportFormat(path.suffix.lower())
    except ValueError:
        message = f"--export must end with .csv or .xlsx, not {str(path)!r}"
        raise UsageError(message, code="unknown_export") from None
    if choice is ExportFormat.XLSX and find_spec("xlsxwriter") is None:
        raise UsageError(
            "writing .xlsx needs the extra 'xlsx'",
            code="no_xlsx_writer",
            hint=f"{install_command('xlsx')}, or export to a .csv file",
        )
    return choice


def write_usage(path: Path, choice: ExportFormat, rows: Sequence[UsageRow], stdout: TextIO) -> None:
    """Write a file atomically; raises UsageError or OutputError where it cannot be written."""
    with open_output(path, stdout) as stream:
        if choice is ExportFormat.XLSX:
            stream.buffer.write(_workbook(rows))
        else:
            _export_csv(rows, stream)


def _export_csv(rows: Sequence[UsageRow], stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)  # RFC 4180
    columns = _columns(rows)
    writer.writerow(columns)
    for row in rows:
        cells = row[: len(columns)]
        writer.writerow(safe_cell(visible_text(cell)) if isinstance(cell, str) else cell for cell in cells)


def _columns(rows: Sequence[UsageRow]) -> tuple[str, ...]:
    """Return the columns of a file, the last one only where it is known what is billed."""
    return COLUMNS if not rows or any(row.billed is not None for row in rows) else COLUMNS[:-1]


def _workbook(rows: Sequence[UsageRow]) -> bytes:
    """Return a workbook with one sheet; texts are cells of text there, whatever they begin with."""
    import xlsxwriter  # as long an import as all the rest of the command

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Usage")
        bold = workbook.add_format({"bold": True})
        columns = _columns(rows)
        for column, (title, width) in enumerate(zip(columns, _WIDTHS, strict=False)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, title, bold)
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row[: len(columns)]):
                if isinstance(cell, str):
                    sheet.write_string(number, column, visible_text(cell))
                else:
                    sheet.write_number(number, column, cell)
        sheet.freeze_panes(1, 0)
    return content.getvalue()
