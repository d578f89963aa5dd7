"""Statistics as a page: the calls over time, a bar a service, and the treemap of labels that the console draws too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from moderate_cli import __version__
from moderate_cli.render.html.charts import Chart, label_treemap
from moderate_cli.render.html.document import closing, opening, resource
from moderate_cli.render.html.text import name
from moderate_cli.render.html.usage_charts import columns, service_bars
from moderate_cli.render.stats import Count, Grouping, percent, ratio

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
