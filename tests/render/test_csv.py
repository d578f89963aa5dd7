"""CSV: what a spreadsheet gets, and that it calculates nothing of it."""

from __future__ import annotations

import csv
import io

import pytest
from builders import failed, judged, skipped
from msgspec.structs import replace
from render_builders import HOSTILE_NAMES, LOGO, mixed_run, shown
from samples import async_outcome

from moderate_cli.common.text import visible_text
from moderate_cli.models import Decision, Label, Outcome, ServiceVerdict
from moderate_cli.records import to_record
from moderate_cli.render import Format
from moderate_cli.render.csv import COLUMNS
from moderate_cli.results import Suppression


def _rows(*outcomes: Outcome, suppressions: list[Suppression] | None = None) -> list[dict[str, str]]:
    text = shown(Format.CSV, outcomes, suppressions=suppressions or [])
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_every_row_is_read_back_as_the_record_says() -> None:
    outcomes = mixed_run()
    rows = _rows(*outcomes)
    assert len(rows) == len(outcomes)
    for row, outcome in zip(rows, outcomes, strict=True):
        record = to_record(outcome)
        assert tuple(row) == COLUMNS
        for name in ("source", "status", "operation", "region", "endpoint"):
            assert row[name] == record[name]
        for name in ("risk_level", "reported_level", "request_id", "req_id", "data_id", "bytes", "elapsed_ms"):
            assert row[name] == ("" if record[name] is None else str(record[name]))
        assert row["services"] == "; ".join(record["services"])
        assert row["notes"] == "; ".join(record["notes"])
        labels = {label["label"]: None for label in record["labels"]}
        assert dict.fromkeys(filter(None, row["labels"].split("; "))) == labels
        assert (row["error_code"] or None) == (record["error"] or {}).get("code")


def test_labels_confidences_and_descriptions_stand_in_one_order() -> None:
    [row] = _rows(judged("high", Label("a", 81.2, "first"), Label("b", None, None), Label("c", 7, "third")))
    assert [row[name].split("; ") for name in ("labels", "confidences", "descriptions")] == [
        ["a", "b", "c"],
        ["81.20", "", "7.00"],
        ["first", "", "third"],
    ]


def test_labels_that_only_a_frame_names_are_there() -> None:
    [row] = _rows(async_outcome("risk"))
    assert "contraband_gamble" in row["labels"].split("; ")


def test_what_is_suppressed_stays_and_is_marked() -> None:
    [row] = _rows(judged("high", LOGO.label, "weapon"), suppressions=[LOGO])
    assert (row["risk_level"], row["labels"]) == ("high", f"{LOGO.label}; weapon")
    assert row["suppressed"] == f"{LOGO.label}: our own logo"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_what_a_spreadsheet_would_calculate_is_text(start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    outcome = judged("high", Label(text, 1.0, text), source=text, data_id=text)
    for name in ("source", "labels", "descriptions", "data_id"):
        assert _rows(outcome)[0][name][0] in "'\\"


def test_every_text_stands_in_quotes_so_that_no_other_separator_splits_it() -> None:
    text = shown(Format.CSV, [judged("high", "x", source="a;=1+1")])
    header, row, rest = text.split("\r\n")
    assert rest == ""
    assert header == ",".join(f'"{name}"' for name in COLUMNS)
    assert row.startswith('"a;=1+1","judged","high",')


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_one_cell_of_one_line(name: str) -> None:
    text = shown(Format.CSV, [skipped(name), failed(name)])
    assert text.count("\n") == 3
    assert [row["source"].removeprefix("'") for row in _rows(skipped(name), failed(name))] == [visible_text(name)] * 2


def test_a_run_without_inputs_is_a_header() -> None:
    assert shown(Format.CSV, []).splitlines() == [",".join(f'"{name}"' for name in COLUMNS)]


def test_numbers_are_numbers() -> None:
    assert shown(Format.CSV, [judged("none")]).rstrip().endswith(',"","","",0,1,312')


def test_what_is_behind_the_labels_has_columns_of_its_own() -> None:
    ext = {
        "custom_image": [{"lib_name": "ours", "lib_id": "L1", "image_id": "7"}],
        "text_in_image": {
            "ocr_result": [{"text": "=1+1"}, {"text": "second"}],
            "risk_word": ["gamble"],
            "custom_text": [{"lib_name": "words", "key_words": "casino"}],
        },
        "public_figure": [{"figure_name": "somebody"}],
        "logo_data": [{"logo": [{"name": "brand", "label": "tv", "confidence": 91}]}],
    }
    part = ServiceVerdict("s", None, (), {"public_figure": [{"figure_name": "somebody"}, {"figure_id": "F2"}]})
    [row] = _rows(judged("high", "x", ext=ext, per_service=(part,)))
    assert {name: row[name] for name in ("text", "keywords", "risk_words", "libraries", "figures", "logos")} == {
        "text": "'=1+1 / second",
        "keywords": "casino, in words",
        "risk_words": "gamble",
        "libraries": "ours (L1), image 7",
        "figures": "somebody; F2",
        "logos": "brand, tv, 91.00",
    }


def test_a_decision_is_told_and_calculates_nothing() -> None:
    [row] = _rows(replace(judged("high", "x"), decision=Decision("missed", None, None, "=1+1")))
    assert (row["decision"], row["decision_note"]) == ("missed", "'=1+1")


def test_a_mark_for_excel_comes_once_before_all() -> None:
    text = shown(Format.CSV, [judged(), judged()], csv_bom=True)
    assert text.startswith('\ufeff"source"')
    assert text.count("\ufeff") == 1
    assert shown(Format.CSV, [], csv_bom=True).startswith("\ufeff")
