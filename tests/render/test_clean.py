"""Which formats name clean inputs, and how many."""

from __future__ import annotations

import pytest
from builders import call, judged
from msgspec.structs import replace
from render_builders import shown

from moderate_cli.render import Format, clean_wanted
from moderate_cli.results import MAX_CLEAN, RunSummary

NAMES_NONE = (Format.SARIF, Format.GITHUB, Format.MARKDOWN)
NAMES_FEW = (Format.TABLE, Format.JUNIT)
NAMES_ALL = (Format.JSONL, Format.JSON, Format.CSV, Format.HTML)


@pytest.mark.parametrize(
    ("formats", "wanted"),
    [
        *(([choice], 0) for choice in NAMES_NONE),
        *(([choice], MAX_CLEAN) for choice in NAMES_FEW),
        *(([choice], None) for choice in NAMES_ALL),
        (NAMES_NONE, 0),
        ([*NAMES_NONE, Format.JUNIT], MAX_CLEAN),
        ([*NAMES_NONE, *NAMES_FEW, Format.HTML], None),
    ],
)
def test_the_most_demanding_format_decides(formats: list[Format], wanted: int | None) -> None:
    assert clean_wanted(formats) == wanted


@pytest.mark.parametrize("choice", [*NAMES_NONE, *NAMES_FEW])
def test_a_report_is_the_same_whether_clean_inputs_were_shown_to_it_or_only_counted(choice: Format) -> None:
    outcomes = [replace(judged(source=f"{number:02}.png"), call=call(), reused=True) for number in range(50)]
    found = judged("high", "smoke", source="found.png")
    counted = RunSummary()
    wanted = clean_wanted([choice]) or 0
    counted.add_clean(50 - wanted, local=False)
    assert shown(choice, [*outcomes[:wanted], found], summary=counted) == shown(choice, [*outcomes, found])
