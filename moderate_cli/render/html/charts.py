"""How are levels and labels drawn? As bars and as a treemap, whose sizes are rules of the style sheet.

A strict Content-Security-Policy has no room for style attributes, so each bar and tile has an id and a rule of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from moderate_cli.render.html.markup import name, text
from moderate_cli.render.wording import counts
from moderate_cli.results import RunSummary

MAX_TILES = 40


class Rectangle(NamedTuple):
    """A rectangle, in the unit of the area that is divided."""

    left: float
    top: float
    width: float
    height: float


class Chart(NamedTuple):
    """A chart as HTML, and the rules that it needs."""

    html: str
    rules: str


_AREA = Rectangle(0, 0, 220, 100)  # the shape of the chart on a desk; narrower screens stretch it
_FIRST_HUE, _NEXT_HUE = 212.0, 137.508  # degrees; the golden angle keeps the hues of any number of prefixes apart


def bars(summary: RunSummary) -> Chart:
    """Return the bar chart of the risk levels."""
    found = counts(summary)
    most = max((count for _, count in found), default=1)
    rows = "".join(_bar_row(word, count, summary.inputs) for word, count in found)
    rules = "".join(f"#bar-{word}{{width:{100 * count / most:.2f}%}}\n" for word, count in found)
    return Chart(f'<table class="bars"><tbody>{rows}</tbody></table>\n', rules)


def _bar_row(word: str, count: int, inputs: int) -> str:
    return (
        f'<tr><th scope="row"><button type="button" class="level {word}" data-level="{word}">{word}</button></th>'
        f'<td class="number">{count:,}</td><td class="number quiet">{100 * count / inputs:.1f} %</td>'
        f'<td class="track"><div id="bar-{word}" class="bar {word}"></div></td></tr>'
    )


def label_treemap(labels: Counter[str], *, noun: str, chooses: bool) -> Chart:
    """Return the treemap of the labels: the largest first, and one colour for all that begin alike.

    `noun` is what is counted, and `chooses` makes each tile a button, for a page with something to choose from.
    """
    found = labels.most_common(MAX_TILES)
    rest = labels.total() - sum(count for _, count in found)
    prefixes = list(dict.fromkeys(_prefix(label) for label, _ in found))
    values = [count for _, count in found] + ([rest] if rest else [])
    order = sorted(range(len(values)), key=lambda index: -values[index])
    places = dict(zip(order, treemap([values[index] for index in order], _AREA), strict=True))
    tiles = "".join(_tile(number, label, count, prefixes, chooses) for number, (label, count) in enumerate(found))
    if rest:
        tiles += f'<div id="tile-{len(found)}" class="tile">other labels<b>{rest:,}</b></div>'
    rules = "".join(_rules(places, prefixes))
    return Chart(f'<div class="treemap">{tiles}</div>\n{_legend(prefixes)}{_table(found, rest, noun)}', rules)


def _tile(number: int, label: str, count: int, prefixes: Sequence[str], is_button: bool) -> str:
    attributes = {
        "id": f"tile-{number}",
        "class": f"tile prefix-{prefixes.index(_prefix(label))}",
        "data-label": text(label),
        "title": text(f"{label}: {count:,}"),
    }
    written = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    shown = name(label).replace("_", "_<wbr>")  # a long name is folded where its parts end
    opened, closed = ('button type="button"', "button") if is_button else ("div", "div")
    return f"<{opened} {written}>{shown}<b>{count:,}</b></{closed}>"


def _rules(places: dict[int, Rectangle], prefixes: Sequence[str]) -> Iterator[str]:
    for number, place in places.items():
        left, width = (100 * value / _AREA.width for value in (place.left, place.width))
        top, height = (100 * value / _AREA.height for value in (place.top, place.height))
        yield f"#tile-{number}{{left:{left:.3f}%;top:{top:.3f}%;width:{width:.3f}%;height:{height:.3f}%}}\n"
    for number in range(len(prefixes)):
        yield f".prefix-{number}{{background:hsl({(_FIRST_HUE + number * _NEXT_HUE) % 360:.0f} 42% 32%)}}\n"


def _legend(prefixes: Sequence[str]) -> str:
    entries = "".join(f'<li><i class="prefix-{number}"></i>{name(word)}</li>' for number, word in enumerate(prefixes))
    return f'<ul class="legend" aria-label="Colours by prefix">{entries}</ul>\n'


def _table(found: Sequence[tuple[str, int]], rest: int, noun: str) -> str:
    rows = "".join(f'<tr><td>{name(label)}</td><td class="number">{count:,}</td></tr>' for label, count in found)
    if rest:
        rows += f'<tr><td>other labels</td><td class="number">{rest:,}</td></tr>'
    head = f'<thead><tr><th scope="col">Label</th><th scope="col" class="number">{noun}</th></tr></thead>'
    return f"<details><summary>As a table</summary><table>{head}<tbody>{rows}</tbody></table></details>\n"


def _prefix(label: str) -> str:
    """Return what labels of one kind begin with: `violent` of `violent_explosion`."""
    return label.split("_", 1)[0]


def treemap(values: Sequence[float], area: Rectangle) -> Iterator[Rectangle]:
    """Yield a rectangle for each value, close to a square; the values are positive, the largest first.

    The algorithm is that of Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
    """
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
