"""Treemaps: the areas are as the values, nothing overlaps, and nothing is left free."""

from __future__ import annotations

import random

import pytest

from moderate_cli.render.html.charts import Rectangle, treemap

AREA = Rectangle(0, 0, 220, 100)


@pytest.mark.parametrize("values", [[1], [6, 6, 4, 3, 2, 2, 1], [1000, 1, 1], [1] * 40, list(range(50, 0, -1))])
def test_areas_are_as_the_values_and_fill_the_whole(values: list[float]) -> None:
    places = list(treemap(values, AREA))
    whole = AREA.width * AREA.height
    for value, place in zip(values, places, strict=True):
        assert place.width * place.height == pytest.approx(whole * value / sum(values))
        assert place.left >= -1e-9
        assert place.left + place.width <= AREA.width + 1e-6
        assert place.top + place.height <= AREA.height + 1e-6


def test_no_two_overlap() -> None:
    random.seed(1)
    places = list(treemap(sorted((random.random() for _ in range(30)), reverse=True), AREA))
    for number, one in enumerate(places):
        for other in places[:number]:
            beside = one.left + one.width <= other.left + 1e-6 or other.left + other.width <= one.left + 1e-6
            apart = one.top + one.height <= other.top + 1e-6 or other.top + other.height <= one.top + 1e-6
            assert beside or apart


def test_rectangles_are_close_to_squares() -> None:
    places = list(treemap([6, 6, 4, 3, 2, 2, 1], Rectangle(0, 0, 6, 4)))
    ratios = [max(place.width / place.height, place.height / place.width) for place in places]
    # The worked example of the paper: the first two are 3 wide and 2 high in a row of their own.
    assert places[0] == pytest.approx((0, 0, 3, 2))
    assert places[1] == pytest.approx((0, 2, 3, 2))
    assert max(ratios) < 3.1


def test_nothing_is_no_rectangle() -> None:
    assert list(treemap([], AREA)) == []
