"""Which formats name clean inputs, and how many."""

from __future__ import annotations

import pytest
from builders import call, judged
from formats import FORMATS, NAMES_ALL, NAMES_FEW, NAMES_NONE
from msgspec.structs import replace
from render_builders import shown

from moderate_cli.render import Format, clean_wanted
from moderate_cli.results import MAX_CLEAN, RunSummary


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


def test_a_table_names_all_where_somebody_asks_for_them() -> None:
    assert clean_wanted([Format.TABLE, Format.SARIF], show_clean=True) is None
    assert clean_wanted([Format.SARIF], show_clean=True) == 0


def test_each_format_is_in_exactly_one_list() -> None:
    assert sorted([*NAMES_NONE, *NAMES_FEW, *NAMES_ALL]) == sorted(FORMATS)


@pytest.mark.parametrize("choice", FORMATS)
@pytest.mark.parametrize("number", [MAX_CLEAN, MAX_CLEAN + 1])
def test_as_many_are_named_as_the_list_says(choice: Format, number: int) -> None:
    names = [f"picture{index:02}.png" for index in range(number)]
    text = shown(choice, [judged("none", source=name) for name in names], names=frozenset())
    wanted = clean_wanted([choice])
    assert sum(name in text for name in names) == (number if wanted is None or number <= wanted else 0)


@pytest.mark.parametrize("choice", [*NAMES_NONE, *NAMES_FEW])
def test_a_report_is_the_same_whether_clean_inputs_were_shown_to_it_or_only_counted(choice: Format) -> None:
    outcomes = [replace(judged(source=f"{number:02}.png"), call=call(), reused=True) for number in range(50)]
    found = judged("high", "smoke", source="found.png")
    counted = RunSummary()
    wanted = clean_wanted([choice]) or 0
    counted.add_clean(50 - wanted)
    assert shown(choice, [*outcomes[:wanted], found], summary=counted, names=()) == shown(
        choice, [*outcomes, found], names=()
    )
