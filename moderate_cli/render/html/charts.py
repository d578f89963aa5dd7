"""The charts: bars by risk level, and a treemap of labels. Their sizes are rules of the style sheet.

A strict Content-Security-Policy has no room for style attributes, so each bar and tile has an id and a rule of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from moderate_cli import __version__
from moderate_cli.render.html.markup import closing, name, opening, resource, text
from moderate_cli.render.usage import Count, Grouping, percent, ratio
from moderate_cli.render.wording import counts
from moderate_cli.results import RunSummary


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


_HEIGHT = 100.0
_FILLED = 0.8  # of the width of a day or month

LEGEND = '<ul class="legend"><li><i class="hits"></i>with a finding</li><li><i class="rest"></i>without</li></ul>\n'
"""What the colours mean."""


def columns(counts: Sequence[Count], title: str) -> str:
    """Return the chart of at least one day or month, and its table; a time without calls is a gap."""
    places = [_place(count.title) for count in counts]
    most = max(count.calls for count in counts)
    drawn = "".join(_column(count, place - places[0], most) for count, place in zip(counts, places, strict=True))
    first, last = text(counts[0].title), text(counts[-1].title)
    ends = f"<span>{first}</span>" + (f"<span>{last}</span>" if len(counts) > 1 else "")
    return (
        f'<p class="quiet">{most:,} calls at most</p>\n'
        f'<svg class="period" role="img" aria-label="Calls from {first} to {last}; the table has the numbers"'
        f' preserveAspectRatio="none" viewBox="0 0 {places[-1] - places[0] + 1} {_HEIGHT:g}">{drawn}</svg>\n'
        f'<p class="ends quiet">{ends}</p>\n{LEGEND}{_usage_table(counts, title)}'
    )


def service_bars(counts: Sequence[Count]) -> str:
    """Return a bar for each service, with its numbers."""
    most = max(count.calls for count in counts)
    rows = "".join(
        f'<li><b>{name(count.title)}</b> {count.calls:,} calls, <span class="quiet">{_facts(count)}</span>'
        f"{_bar(count, most)}</li>\n"
        for count in counts
    )
    return f'<ul class="services">{rows}</ul>\n{LEGEND}'


def _facts(count: Count) -> str:
    return f"{count.hits or 0:,} hits, {percent(_share(count))}; {count.billed or 0:,} billed"


def _share(count: Count) -> float:
    return ratio(count.hits or 0, count.calls)


def _place(period: str) -> int:
    """Return the number of a day, or of a month, among all of the calendar."""
    if len(period) == len("2026-11"):
        year, month = period.split("-")
        return int(year) * 12 + int(month)
    return date.fromisoformat(period).toordinal()


def _column(count: Count, left: int, most: int) -> str:
    hits, height = (_HEIGHT * ratio(value, most) for value in (count.hits or 0, count.calls))
    x, width = f"{left + (1 - _FILLED) / 2:g}", f"{_FILLED:g}"
    said = text(f"{count.title}: {count.calls:,} calls, {_facts(count)}")
    parts = [("rest", _HEIGHT - height, height - hits), ("hits", _HEIGHT - hits, hits)]
    rectangles = (
        f'<rect class="{kind}" x="{x}" y="{top:.3f}" width="{width}" height="{size:.3f}"/>'
        for kind, top, size in parts
        if size
    )
    return f"<g><title>{said}</title>{''.join(rectangles)}</g>"


def _bar(count: Count, most: int) -> str:
    whole = 100 * ratio(count.calls, most)
    hits = whole * _share(count)
    return (
        '<svg class="parts" aria-hidden="true" preserveAspectRatio="none" viewBox="0 0 100 1">'
        f'<rect class="rest" width="{whole:.3f}" height="1"/><rect class="hits" width="{hits:.3f}" height="1"/></svg>'
    )


def _usage_table(counts: Sequence[Count], title: str) -> str:
    rows = "".join(
        f'<tr><td>{text(count.title)}</td><td class="number">{count.calls:,}</td>'
        f'<td class="number">{count.hits or 0:,}</td><td class="number">{percent(_share(count))}</td>'
        f'<td class="number">{count.billed or 0:,}</td></tr>'
        for count in counts
    )
    heads = "".join(f'<th scope="col" class="number">{word}</th>' for word in ("Calls", "Hits", "Share", "Billed"))
    head = f'<thead><tr><th scope="col">{title}</th>{heads}</tr></thead>'
    return f"<details><summary>As a table</summary><table>{head}<tbody>{rows}</tbody></table></details>\n"


MAX_TILES = 40

_AREA = Rectangle(0, 0, 220, 100)  # the shape of the chart on a desk; narrower screens stretch it
_FIRST_HUE, _NEXT_HUE = 212.0, 137.508  # degrees; the golden angle keeps the hues of any number of prefixes apart


class Chart(NamedTuple):
    """A chart as HTML, and the rules that it needs."""

    html: str
    rules: str


def bars(summary: RunSummary) -> Chart:
    """Return the bar chart of the risk levels."""
    found = counts(summary)
    most = max((count for _, count in found), default=1)
    rows = "".join(_bar_row(word, count, summary.inputs) for word, count in found)
    rules = "".join(f"#bar-{word}{{width:{100 * count / most:.2f}%}}\n" for word, count in found)
    return Chart(f'<table class="bars"><tbody>{rows}</tbody></table>\n', rules)


def _bar_row(word: str, count: int, inputs: int) -> str:
    return (
        f'<tr><th scope="row"><span class="level {word}">{word}</span></th>'
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


_TITLE = "Content moderation: usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage:
    """What the page shows: calls, hits and billed calls of each day or month and service, and the calls of each label.

    `limits` are words for what was asked for, and `written_at` is in Unix seconds.
    """

    by: Grouping
    periods: Sequence[Count]
    services: Sequence[Count]
    labels: Counter[str]
    limits: Sequence[str]
    written_at: float


def stats_page(page: UsagePage) -> str:
    """Return the document, which needs no script and no network."""
    labels = label_treemap(page.labels, noun="Calls", chooses=False)
    style = resource("page.css") + resource("stats.css") + labels.rules
    return (
        f"{opening(_TITLE, style)}<header>\n<h1>{_TITLE}</h1>\n{''.join(_summary(page))}</header>\n"
        f"<main>\n{''.join(_sections(page, labels))}</main>\n{closing()}"
    )


def _summary(page: UsagePage) -> Iterator[str]:
    written = datetime.fromtimestamp(page.written_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f'<p class="quiet">{written}, moderate {__version__}</p>\n'
    if page.limits:
        yield f"<p>{', '.join(map(name, page.limits))}</p>\n"
    if page.services:
        calls = sum(count.calls for count in page.services)
        hits = sum(count.hits or 0 for count in page.services)
        billed = sum(count.billed or 0 for count in page.services)
        found = f"<li><b>{hits:,}</b> with a finding, {percent(ratio(hits, calls))}</li>"
        yield f'<ul class="totals"><li><b>{calls:,}</b> calls</li>{found}<li><b>{billed:,}</b> billed</li></ul>\n'


def _sections(page: UsagePage, labels: Chart) -> Iterator[str]:
    if not page.services:
        yield "<p>There are no calls.</p>\n"
        return
    over_time = columns(page.periods, page.by.value.title())
    yield f'<div class="charts">\n<section><h2>Calls by {page.by}</h2>\n{over_time}</section>\n</div>\n'
    yield f'<div class="charts">\n<section><h2>Services</h2>\n{service_bars(page.services)}</section>\n'
    if page.labels:
        yield f"<section><h2>Labels</h2>\n{labels.html}</section>\n"
    yield "</div>\n"
