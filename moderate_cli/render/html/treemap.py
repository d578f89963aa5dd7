"""A treemap: rectangles whose areas are as their values, close to squares (Bruls, Huizing and van Wijk, 2000)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Rectangle(NamedTuple):
    """A rectangle, in the unit of the area that is divided."""

    left: float
    top: float
    width: float
    height: float


def treemap(values: Sequence[float], area: Rectangle) -> Iterator[Rectangle]:
    """Yield a rectangle for each value; the values are positive, the largest first."""
    if not values:
        return
    scale = area.width * area.height / sum(values)
    left = [value * scale for value in values]
    while left:
        side = min(area.width, area.height)
        count = _row(left, side)
        row, left = left[:count], left[count:]
        thickness = sum(row) / side
        yield from _laid(row, area, thickness)
        area = _rest(area, thickness)


def _row(areas: Sequence[float], side: float) -> int:
    """Return how many of the areas stand best in one row along a side: as long as that makes the worst one squarer."""
    count = 1
    while count < len(areas) and _worst(areas[: count + 1], side) <= _worst(areas[:count], side):
        count += 1
    return count


def _worst(areas: Sequence[float], side: float) -> float:
    """Return the ratio of the sides of the least square rectangle in a row; the areas fall."""
    total = sum(areas)
    return max(side**2 * areas[0] / total**2, total**2 / (side**2 * areas[-1]))


def _laid(row: Sequence[float], area: Rectangle, thickness: float) -> Iterator[Rectangle]:
    left, top = area.left, area.top
    for value in row:
        length = value / thickness
        if area.width >= area.height:
            yield Rectangle(left, top, thickness, length)
            top += length
        else:
            yield Rectangle(left, top, length, thickness)
            left += length


def _rest(area: Rectangle, thickness: float) -> Rectangle:
    if area.width >= area.height:
        return Rectangle(area.left + thickness, area.top, area.width - thickness, area.height)
    return Rectangle(area.left, area.top + thickness, area.width, area.height - thickness)
