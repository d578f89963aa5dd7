"""How does a run look in a browser? One self-contained HTML file that needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from msgspec import Struct

from moderate_cli import __version__
from moderate_cli.common.environment import Environment
from moderate_cli.common.installation import install_command
from moderate_cli.models import Outcome, RiskLevel
from moderate_cli.render.html.charts import bars, label_treemap
from moderate_cli.render.html.item import Entry, IndexEntry, card, index_entry, names_of
from moderate_cli.render.html.markup import closing, data, opening, resource, text
from moderate_cli.render.html.thumbnails import Thumbnails, side_for
from moderate_cli.render.originals import Originals
from moderate_cli.render.wording import (
    SuppressionFilter,
    TopN,
    counts,
    coverage_lines,
    cut_off_words,
    not_checked_lines,
    sentence,
    sort_key,
)
from moderate_cli.results import GatePolicy, RunSummary, Suppression, verdict_of

MAX_CARDS = 5_000
"""Inputs that the gallery shows."""

BATCH = 60
"""Cards that are laid out together, and only when they come near the window; a multiple of all numbers of columns."""

# A browser that runs scripts reads what is in `noscript` as text, which takes it a tenth of the time of elements; the
# script makes elements of it where somebody looks.
_BATCH_BEGIN, _BATCH_END = '<div class="batch"><noscript>\n', "</noscript></div>\n"

_TITLE = "Content moderation"


class HtmlRenderer:
    """Keeps the worst outcomes and writes the page at the end; all outcomes are in its counts.

    The pictures of flagged images are blurred until they are asked for, since looking at them harms people.
    """

    def __init__(
        self,
        stream: TextIO,
        environment: Environment,
        *,
        policy: GatePolicy,
        show_suppressed: bool = False,
        originals: Originals | None = None,
    ) -> None:
        self._stream = stream
        self._environment = environment
        self._policy = policy
        self._originals = originals
        self._suppressed = SuppressionFilter(shown=show_suppressed)
        self._top: TopN[Entry] = TopN(MAX_CARDS)

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one outcome, if it is among the worst."""
        shown = self._suppressed.shown(outcome, suppressions)
        verdict = verdict_of(outcome)
        flagged = verdict is not None and verdict.gate_level is not RiskLevel.NONE
        self._top.add(sort_key(shown), Entry(shown, flagged))

    def finish(self, summary: RunSummary) -> None:
        """Write the page."""
        entries = self._top.in_order()
        names = Counter(name for entry in entries for name in names_of(entry.outcome))
        facts = Facts(
            written_at=self._environment.clock(),
            policy=self._policy,
            labels=[name for name, _ in names.most_common()],
            cards=len(entries),
        )
        thumbnails = Thumbnails(
            self._environment.monotonic,
            side=side_for(len(entries)),
            originals=self._originals,
            digests={entry.outcome.sha256 for entry in entries if entry.outcome.sha256},
        )
        self._stream.write(top(summary, facts))
        index: list[IndexEntry] = []
        for start in range(0, len(entries), BATCH):
            self._stream.write(_BATCH_BEGIN)
            for number, entry in enumerate(entries[start : start + BATCH], start=start + 1):
                media = thumbnails.media(entry.outcome)
                index.append(index_entry(entry, media))
                self._stream.write(card(number, entry, media, self._policy))
            self._stream.write(_BATCH_END)
        self._stream.write(bottom(list(self._notes(thumbnails)), index))
        self._stream.flush()

    def _notes(self, thumbnails: Thumbnails) -> Iterator[str]:
        if self._top.left_out:
            yield f"and {self._top.left_out:,} more, not shown here; -f jsonl lists all"
        if note := self._suppressed.note():
            yield note
        if thumbnails.stopped:
            yield "only the first previews are included, to keep this page small"
        if thumbnails.needs_pillow:
            yield f"no previews: Pillow is not installed; {install_command('local')}"


class Facts(Struct, frozen=True, kw_only=True):
    """What a page says beside the counts: when (Unix seconds), the gate, the labels to filter by, how many cards."""

    written_at: float
    policy: GatePolicy
    labels: Sequence[str]
    cards: int


_ADVICE = """\
<p class="quiet"><span class="level high">high</span>: act on it. <span class="level medium">medium</span>: let a person
look. <span class="level low">low</span>: only where nothing may be missed, else as none. So the vendor advises; its
thresholds are set in the console. <span class="level none">none</span> may also mean that all checks are off there.</p>
"""


def top(summary: RunSummary, facts: Facts) -> str:
    """Return everything before the cards."""
    levels, labels = bars(summary), label_treemap(summary.labels, noun="Inputs", chooses=True)
    style = resource("colors.css") + resource("page.css") + resource("item.css") + levels.rules + labels.rules
    charts = f"<section><h2>Risk levels</h2>\n{levels.html}{_ADVICE}</section>\n" if summary.inputs else ""
    if summary.labels:
        charts += f"<section><h2>Labels</h2>\n{labels.html}</section>\n"
    return (
        f"{opening(_TITLE, style, _script())}"
        f"<header>\n<h1>{_TITLE}</h1>\n{''.join(_summary(summary, facts))}</header>\n<main>\n"
        f'<div class="charts">\n{charts}</div>\n'
        f"<section>\n<h2>Gallery</h2>\n{_filters(summary, facts)}"
        f'<div class="gallery" id="gallery" data-batch="{BATCH}">\n'
    )


def bottom(notes: Sequence[str], index: Sequence[IndexEntry]) -> str:
    """Return everything after the cards, whose index is data of the script."""
    said = "".join(f'<p class="note">{text(note)}</p>\n' for note in notes)
    return f"</div>\n{said}</section>\n</main>\n{_VIEWER}{data('index', index)}{closing(_script())}"


_VIEWER = """\
<dialog id="viewer" aria-label="Enlarged input">
<div class="tools"><p id="place" class="quiet" role="status"></p>
<button type="button" id="show" aria-pressed="false">Show pictures</button>
<button type="button" id="previous">Previous</button> <button type="button" id="next">Next</button>
<button type="button" id="close">Close</button></div>
<div id="enlarged" class="enlarged"></div>
</dialog>
"""


def _script() -> str:
    return resource("page.js")


def _summary(summary: RunSummary, facts: Facts) -> Iterator[str]:
    day = datetime.fromtimestamp(facts.written_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f'<p class="quiet">{day}, moderate {__version__}</p>\n'
    found = "".join(
        f'<li><b>{count:,}</b> <span class="level {word}">{word}</span></li>' for word, count in counts(summary)
    )
    yield f'<ul class="totals"><li><b>{summary.inputs:,}</b> inputs</li>{found}</ul>\n'
    if (fail_on := facts.policy.fail_on) is not None:
        yield f"<p>The gate is at {fail_on}: <b>{summary.at_or_above(fail_on):,}</b> at or above it.</p>\n"
    if cut_off := cut_off_words(summary):
        yield f"<p><b>{text(sentence(cut_off))}</b></p>\n"
    yield from (f"<p>{text(sentence(line))}</p>\n" for line in coverage_lines(summary))
    if summary.local:
        yield "<p>The local engine judged these; there is no cloud verdict.</p>\n"
        yield from (f"<p>{text(sentence(line))}</p>\n" for line in not_checked_lines(summary))


_SORTS = {"": "worst first", "newest": "newest", "name": "name", "label": "label", "confidence": "confidence"}
_BLURS = {"": "strong", "soft": "soft", "off": "off"}


def _filters(summary: RunSummary, facts: Facts) -> str:
    """Return the filters, which are hidden unless the script runs that makes them work."""
    levels = {"": "all", **{word: word for word, _ in counts(summary)}}
    labels = {"": "all", **{label: label for label in facts.labels}}
    return (
        '<form class="filters" id="filters" hidden>\n'
        '<label>Name, label or text <input type="search" id="words" autocomplete="off"></label>\n'
        f"{_select('Level', 'level', levels)}{_select('Label', 'label', labels)}{_select('Sort', 'sort', _SORTS)}"
        '<button type="reset">Clear</button>\n'
        f'<p class="quiet" role="status"><output id="shown">{facts.cards}</output> of {facts.cards:,} shown</p>\n'
        '</form>\n<div class="filters" id="looks" hidden>\n'
        f"{_select('Blur', 'blur', _BLURS)}"
        '<label class="tick"><input type="checkbox" id="gray"> Grayscale</label>\n'
        '<p class="quiet keys"><kbd>j</kbd> <kbd>k</kbd> or arrows: next, previous; <kbd>Enter</kbd> enlarges,'
        " <kbd>Esc</kbd> closes, <kbd>/</kbd> searches. The address holds what is chosen.</p>\n"
        "</div>\n"
    )


def _select(title: str, name: str, options: Mapping[str, str]) -> str:
    """Return a labelled list to choose from, by value and words."""
    listed = "".join(f'<option value="{text(value)}">{text(words)}</option>' for value, words in options.items())
    return f'<label>{title} <select id="{name}">{listed}</select></label>\n'
