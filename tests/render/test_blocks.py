"""Names in blocks: whole where there is room, shortened in their folder where there is none, and never ambiguous."""

from __future__ import annotations

import pytest
from builders import judged
from samples import shown_table

from moderate_cli.render.blocks import shortened_name, shown_names

LONG = "assets/campaigns/2026/summer/europe/landing-page-with-a-long-name/variant-b/picture-0001.png"


@pytest.mark.parametrize("room", [100, len(LONG), 60, 50, 40, 30, 24])
def test_what_is_left_out_is_of_the_folder(room: int) -> None:
    name = shortened_name(LONG, room)
    assert len(name) == min(room, len(LONG))
    assert name.endswith("/picture-0001.png")
    assert name.startswith("as")
    assert name.count("…") == (room < len(LONG))


@pytest.mark.parametrize("name", ["x" * 80 + ".png", "a/" + "x" * 80 + ".png"])
def test_a_file_name_is_never_shortened(name: str) -> None:
    assert shortened_name(name, 50) == name


def test_wide_characters_have_two_columns() -> None:
    assert shortened_name("图片" * 20 + "/图.png", 30) == "图片图片图…片图片图片/图.png"


def test_two_names_are_never_one() -> None:
    names = [f"assets/{'a' * 30}{number}{'b' * 30}/picture.png" for number in range(3)]
    shown = shown_names([*names, "assets/short.png"], 60)
    assert len(set(shown.values())) == 4
    assert [shown[name] for name in names] == names
    trap = shortened_name(LONG, 50)
    assert shown_names([LONG, trap], 60) == {LONG: LONG, trap: trap}


@pytest.mark.parametrize("length", [20, 60, 89, 90, 95, 150])
@pytest.mark.parametrize("width", [100, 120, 200])
def test_a_name_is_never_broken_where_there_are_100_columns(length: int, width: int) -> None:
    name = f"{'folder/' * 30}"[: length - 5] + "x.png"
    text = shown_table(
        judged("high", "violent_explosion", source=name), judged("low", "b", source="b.png"), width=width
    )
    assert name in text


def test_the_worst_is_last() -> None:
    outcomes = [judged(level, "smoke", source=f"{level}.png") for level in ("high", "low", "medium")]
    text = shown_table(*outcomes, judged("none", source="clean.png"), width=100)
    places = [text.index(f"{level}.png") for level in ("clean", "low", "medium", "high")]
    assert places == sorted(places)
    assert text.index("high.png") < text.index("Level ")
