"""The page around the gallery: what it may do, how it looks, the counts and the charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from moderate_cli import __version__
from moderate_cli.records import GatePolicy, Tally
from moderate_cli.render.counts import counts
from moderate_cli.render.coverage import coverage_lines, cut_off_words, sentence
from moderate_cli.render.html.charts import bars, label_treemap
from moderate_cli.render.html.document import closing, opening, resource
from moderate_cli.render.html.text import text

_TITLE = "Content moderation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a page says beside the counts: when (Unix seconds), the gate, the labels to filter by, how many cards."""

    written_at: float
    policy: GatePolicy
    labels: Sequence[str]
    cards: int


def top(tally: Tally, facts: Facts) -> str:
    """Return everything before the cards."""
    levels, labels = bars(tally), label_treemap(tally.labels, noun="Inputs", chooses=True)
    style = resource("page.css") + levels.rules + labels.rules
    charts = f"<section><h2>Risk levels</h2>\n{levels.html}</section>\n" if tally.inputs else ""
    if tally.labels:
        charts += f"<section><h2>Labels</h2>\n{labels.html}</section>\n"
    return (
        f"{opening(_TITLE, style, _script())}"
        f"<header>\n<h1>{_TITLE}</h1>\n{''.join(_summary(tally, facts))}</header>\n<main>\n"
        f'<div class="charts">\n{charts}</div>\n'
        f"<section>\n<h2>Gallery</h2>\n{_filters(tally, facts)}"
        '<div class="gallery" id="gallery">\n'
    )


def bottom(notes: Sequence[str]) -> str:
    """Return everything after the cards."""
    said = "".join(f'<p class="note">{text(note)}</p>\n' for note in notes)
    return f"</div>\n{said}</section>\n</main>\n{closing(_script())}"


def _script() -> str:
    return resource("page.js")


def _summary(tally: Tally, facts: Facts) -> Iterator[str]:
    day = datetime.fromtimestamp(facts.written_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f'<p class="quiet">{day}, moderate {__version__}</p>\n'
    found = "".join(
        f'<li><b>{count:,}</b> <span class="level {word}">{word}</span></li>' for word, count in counts(tally)
    )
    yield f'<ul class="totals"><li><b>{tally.inputs:,}</b> inputs</li>{found}</ul>\n'
    if (fail_on := facts.policy.fail_on) is not None:
        yield f"<p>The gate is at {fail_on}: <b>{tally.at_or_above(fail_on):,}</b> at or above it.</p>\n"
    if cut_off := cut_off_words(tally):
        yield f"<p><b>{text(sentence(cut_off))}</b></p>\n"
    yield from (f"<p>{text(sentence(line))}</p>\n" for line in coverage_lines(tally))
    if tally.local:
        yield "<p>The local engine judged these; there is no cloud verdict.</p>\n"


def _filters(tally: Tally, facts: Facts) -> str:
    """Return the filters, which only show where the script runs that makes them work."""
    levels = "".join(f'<option value="{word}">{word}</option>' for word, _ in counts(tally))
    labels = "".join(f'<option value="{text(label)}">{text(label)}</option>' for label in facts.labels)
    return (
        '<form class="filters" id="filters" hidden>\n'
        '<label>Name or label <input type="search" id="words" autocomplete="off"></label>\n'
        f'<label>Level <select id="level"><option value="">all</option>{levels}</select></label>\n'
        f'<label>Label <select id="label"><option value="">all</option>{labels}</select></label>\n'
        '<button type="reset">Clear</button>\n'
        f'<p class="quiet" role="status"><output id="shown">{facts.cards}</output> of {facts.cards:,} shown</p>\n'
        "</form>\n"
    )
