"""Listings: cells that a spreadsheet would calculate, and text that wants to be more than text."""

from __future__ import annotations

import csv
import io
import json

import pytest

from moderate_cli.cli.reference import show
from moderate_cli.common.environment import Environment
from moderate_cli.render.listing import ListFormat, Listing, Row, safe_cell

HARMFUL = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\t=1",
    "\r=1",
    "＝1",
    "\x1b[31m",
    "[bold]x[/]",
    ":warning:",
    "\u202egpj.exe",
    'a"b,c',
]


def _shown(choice: ListFormat, *texts: str, width: int = 80) -> str:
    rows = [Row({"name": text, "more": [text, None, True, 7]}, (text, f"{text} {text}")) for text in texts]
    listing = Listing(
        name="things", source="a test", date="2026-01-01", fields=("name", "more"), columns=("Name", "More"), rows=rows
    )
    stdout = io.StringIO()
    show(listing, choice, Environment(stdout=stdout, variables={"COLUMNS": str(width)}), color="never")
    return stdout.getvalue()


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_a_formula_gets_an_apostrophe(start: str) -> None:
    assert safe_cell(f"{start}cmd") == f"'{start}cmd"


@pytest.mark.parametrize("text", ["", "a=b", "violent_gun", "'x", "1-2"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


def test_csv_is_that_of_rfc_4180() -> None:
    shown = _shown(ListFormat.CSV, *HARMFUL)
    assert shown.startswith("name,more\r\n")
    assert shown.count("\r\n") == len(HARMFUL) + 1
    assert '"a""b,c"' in shown
    header, *rows = csv.reader(io.StringIO(shown, newline=""))
    assert header == ["name", "more"]
    assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r＝"))]
    assert rows[0] == ["'=1+1", "'=1+1  true 7"]


@pytest.mark.parametrize("choice", list(ListFormat))
@pytest.mark.parametrize("width", [20, 80])
def test_text_is_only_text(choice: ListFormat, width: int) -> None:
    shown = _shown(choice, *HARMFUL, width=width)
    assert not [c for c in shown if not (c.isprintable() or c in "\r\n")]
    if choice is ListFormat.TABLE:
        assert "[bold]x[/]" in shown
        assert ":warning:" in shown


def test_json_is_one_document_with_its_source() -> None:
    assert json.loads(_shown(ListFormat.AUTO, "a", "b")) == {
        "source": "a test",
        "date": "2026-01-01",
        "things": [{"name": name, "more": [name, None, True, 7]} for name in "ab"],
    }
    assert json.loads(_shown(ListFormat.JSON))["things"] == []


@pytest.mark.parametrize("width", [3, 10, 20, 33, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut_off(width: int) -> None:
    shown = _shown(ListFormat.TABLE, "alpha", "a_rather_long_name_without_spaces", width=width)
    assert max(map(len, shown.splitlines())) <= width
    assert "".join(shown.split()).count("a_rather_long_name_without_spaces") == 3


@pytest.mark.parametrize("width", [20, 80])
def test_the_lines_of_cells_are_looked_for_once(width: int) -> None:
    looked = 0

    class Cell(str):
        __slots__ = ()

        def __contains__(self, part: str) -> bool:  # type: ignore[override]
            nonlocal looked
            looked += part == "\n"
            return super().__contains__(part)

    rows = [Row({"a": "x"}, (Cell("x"), Cell("some words that have no room"))) for _ in range(200)]
    listing = Listing(name="rows", source="here", date="", fields=("a",), columns=("A", "B"), rows=rows)
    stream = io.StringIO()
    show(listing, ListFormat.TABLE, Environment(stdout=stream, variables={"COLUMNS": str(width)}), color="never")
    assert 0 < looked <= 2 * len(rows)
