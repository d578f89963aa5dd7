"""How do statistics look in a browser? The calls over time, a bar per service, and a treemap of labels.

The charts are drawn with attributes of SVG, which need no style, and so no rule in the page's policy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from msgspec import Struct

from moderate_cli import __version__
from moderate_cli.render.html.charts import Chart, label_treemap
from moderate_cli.render.html.markup import closing, name, opening, resource, text
from moderate_cli.render.usage import Count, Grouping, percent, ratio

LEGEND = '<ul class="legend"><li><i class="hits"></i>with a finding</li><li><i class="rest"></i>without</li></ul>\n'
"""What the colours mean."""

_TITLE = "Content moderation: usage"
_HEIGHT = 100.0  # of the chart, in its own unit
_FILLED = 0.8  # of the width of a day or month


class UsagePage(Struct, frozen=True, kw_only=True):
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
    style = resource("colors.css") + resource("page.css") + resource("stats.css") + labels.rules
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
        billed = [count.billed for count in page.services if count.billed is not None]
        paid = f"<li><b>{sum(billed):,}</b> billed</li>" if billed else ""
        found = f"<li><b>{hits:,}</b> with a finding, {percent(ratio(hits, calls))}</li>"
        yield f'<ul class="totals"><li><b>{calls:,}</b> calls</li>{found}{paid}</ul>\n'


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


def _place(period: str) -> int:
    """Return the number of a day, or of a month, among all of the calendar."""
    if len(period) == len("2026-11"):
        year, month = period.split("-")
        return int(year) * 12 + int(month)
    return date.fromisoformat(period).toordinal()


def _usage_table(counts: Sequence[Count], title: str) -> str:
    cells = ((count, "".join(f'<td class="number">{cell}</td>' for cell in _cells(count))) for count in counts)
    rows = "".join(f"<tr><td>{text(count.title)}</td>{numbers}</tr>" for count, numbers in cells)
    titles = ("Calls", "Hits", "Share", "Billed")[: len(_cells(counts[0]))]
    heads = "".join(f'<th scope="col" class="number">{word}</th>' for word in titles)
    head = f'<thead><tr><th scope="col">{title}</th>{heads}</tr></thead>'
    return f"<details><summary>As a table</summary><table>{head}<tbody>{rows}</tbody></table></details>\n"


def _cells(count: Count) -> tuple[str, ...]:
    """Return the numbers of a row, what is billed as the last where that is known."""
    numbers = (f"{count.calls:,}", f"{count.hits or 0:,}", percent(_share(count)))
    return numbers if count.billed is None else (*numbers, f"{count.billed:,}")


def service_bars(counts: Sequence[Count]) -> str:
    """Return a bar for each service, with its numbers."""
    most = max(count.calls for count in counts)
    rows = "".join(
        f'<li><b>{name(count.title)}</b> {count.calls:,} calls, <span class="quiet">{_facts(count)}</span>'
        f"{_bar(count, most)}</li>\n"
        for count in counts
    )
    return f'<ul class="services">{rows}</ul>\n{LEGEND}'


def _bar(count: Count, most: int) -> str:
    whole = 100 * ratio(count.calls, most)
    hits = whole * _share(count)
    return (
        '<svg class="parts" aria-hidden="true" preserveAspectRatio="none" viewBox="0 0 100 1">'
        f'<rect class="rest" width="{whole:.3f}" height="1"/><rect class="hits" width="{hits:.3f}" height="1"/></svg>'
    )


def _facts(count: Count) -> str:
    facts = f"{count.hits or 0:,} hits, {percent(_share(count))}"
    return facts if count.billed is None else f"{facts}; {count.billed:,} billed"


def _share(count: Count) -> float:
    return ratio(count.hits or 0, count.calls)
