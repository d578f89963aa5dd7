"""How does a run look in a browser? One self-contained HTML file that needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TextIO

from msgspec import Struct

from moderate_cli import __version__
from moderate_cli.common.environment import Environment
from moderate_cli.common.installation import install_command
from moderate_cli.models import Frame, Judged, Label, Outcome, Pending, RiskLevel, Verdict, highest
from moderate_cli.render.html.charts import bars, label_treemap
from moderate_cli.render.html.markup import closing, name, opening, resource, text
from moderate_cli.render.html.thumbnails import Thumbnails
from moderate_cli.render.wording import (
    EXEMPT_WORD,
    SuppressionFilter,
    TopN,
    confidence,
    counts,
    coverage_lines,
    cut_off_words,
    details,
    exempted,
    label_names,
    level_word,
    meaning,
    not_checked_lines,
    pending_words,
    problem,
    problem_words,
    read_part,
    remarks,
    sentence,
    sort_key,
    where_words,
)
from moderate_cli.results import Finding, GatePolicy, RunSummary, Suppression, findings, verdict_of

MAX_CARDS = 2_000
"""Inputs that the gallery shows."""

MAX_FRAMES = 100
"""Frames of one input that are shown."""

_TITLE = "Content moderation"
_SEPARATOR = "\n"  # of the labels in an attribute; no label contains one, since control characters are escaped
_NOTHING = '<span class="quiet">nothing found</span>'


class HtmlRenderer:
    """Keeps the worst outcomes and writes the page at the end; all outcomes are in its counts.

    The pictures of flagged images are blurred until they are asked for, since looking at them harms people.
    """

    def __init__(
        self, stream: TextIO, environment: Environment, *, policy: GatePolicy, show_suppressed: bool = False
    ) -> None:
        self._stream = stream
        self._environment = environment
        self._policy = policy
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
        thumbnails = Thumbnails(self._environment.monotonic)
        self._stream.write(top(summary, facts))
        self._stream.writelines(card(entry, thumbnails.of(entry.outcome), self._policy) for entry in entries)
        self._stream.write(bottom(list(self._notes(thumbnails))))
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
    style = resource("page.css") + levels.rules + labels.rules
    charts = f"<section><h2>Risk levels</h2>\n{levels.html}{_ADVICE}</section>\n" if summary.inputs else ""
    if summary.labels:
        charts += f"<section><h2>Labels</h2>\n{labels.html}</section>\n"
    return (
        f"{opening(_TITLE, style, _script())}"
        f"<header>\n<h1>{_TITLE}</h1>\n{''.join(_summary(summary, facts))}</header>\n<main>\n"
        f'<div class="charts">\n{charts}</div>\n'
        f"<section>\n<h2>Gallery</h2>\n{_filters(summary, facts)}"
        '<div class="gallery" id="gallery">\n'
    )


def bottom(notes: Sequence[str]) -> str:
    """Return everything after the cards."""
    said = "".join(f'<p class="note">{text(note)}</p>\n' for note in notes)
    return f"</div>\n{said}</section>\n</main>\n{closing(_script())}"


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


def _filters(summary: RunSummary, facts: Facts) -> str:
    """Return the filters, which are hidden unless the script runs that makes them work."""
    levels = "".join(f'<option value="{word}">{word}</option>' for word, _ in counts(summary))
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


class Entry(Struct, frozen=True):
    """An outcome as it is shown; the picture of one that was `flagged` is blurred, also where all is suppressed."""

    outcome: Outcome
    flagged: bool


def card(entry: Entry, picture: str | None, policy: GatePolicy) -> str:
    """Return the card of an outcome; `picture` is the address of a small picture, if there is one."""
    outcome = entry.outcome
    word = level_word(outcome)
    labels = names_of(outcome)
    said = "".join(f'<p class="remark">{name(each)}</p>\n' for each in remarks(outcome, policy))
    words = [safe.lower() for safe in map(text, [outcome.item.source, *labels])]
    return (
        f'<article class="card" data-level="{word}" data-labels="{_SEPARATOR.join(map(text, labels))}"'
        f' data-words="{_SEPARATOR.join(words)}">\n'
        f"{_picture(entry, picture, word)}\n"
        f"<h3>{name(outcome.item.source)}</h3>\n"
        f'<p class="level {word}">{word}</p>\n'
        f"{''.join(_findings(outcome))}{said}</article>\n"
    )


def names_of(outcome: Outcome) -> list[str]:
    """Return the names of the labels of an outcome, each once, also of one that failed and could be read in part."""
    verdict = outcome.verdict if isinstance(outcome, Judged) else read_part(outcome)
    return label_names(verdict) if verdict else []


def _picture(entry: Entry, picture: str | None, word: str) -> str:
    if picture is None:
        return '<div class="picture empty">no preview</div>'
    image = f'<img src="{picture}" alt="" loading="lazy">'
    if not entry.flagged:
        return f'<div class="picture">{image}</div>'
    label = text(f"Show the picture {entry.outcome.item.source}, {word}")
    return (
        f'<button type="button" class="picture flagged" aria-pressed="false" aria-label="{label}">'
        f"{image}<span>Show</span></button>"
    )


def _findings(outcome: Outcome) -> Iterator[str]:
    if isinstance(outcome, Pending):
        yield f"<p>{text(pending_words(outcome))}</p>\n"
    elif error := problem(outcome):
        yield f"<p><code>{text(error.code)}</code> {text(problem_words(error))}</p>\n"
        if verdict := read_part(outcome):
            level = verdict.gate_level
            yield f'<p>could be read: <span class="level {level}">{level}</span></p>\n'
            yield from _found(verdict)
    elif isinstance(outcome, Judged):
        yield from _verdict(outcome.verdict)


def _verdict(verdict: Verdict) -> Iterator[str]:
    yield from _found(verdict) or [f"<p>{_NOTHING}</p>\n"]
    known = list(details(verdict.ext)) + [pair for part in verdict.per_service for pair in details(part.ext)]
    if known:
        rows = "".join(f"<dt>{text(what)}</dt><dd>{name(value)}</dd>" for what, value in known)
        yield f"<details><summary>Details</summary><dl>{rows}</dl></details>\n"
    yield from _frames(verdict)


def _found(verdict: Verdict) -> list[str]:
    """Return the list of what was found, and of exemptions; nothing where there are none."""
    found = [*map(_finding, findings(verdict, with_none=True)), *map(_exemption, exempted(verdict))]
    return [f'<ul class="findings">{"".join(found)}</ul>\n'] if found else []


def _finding(finding: Finding) -> str:
    words = meaning(finding.label) + where_words(finding)
    return f"<li>{_code(finding.label)}{_number(finding.label)} {name(words) if words else ''}</li>"


def _exemption(label: Label) -> str:
    head = f'<span class="level none">{EXEMPT_WORD}</span>{_number(label)}'
    return f"<li>{head} {_code(label)} {name(meaning(label)) if meaning(label) else ''}</li>"


def _code(label: Label) -> str:
    return f"<code>{name(label.label)}</code>"


def _number(label: Label) -> str:
    return f" <b>{text(confidence(label.confidence))}</b>" if label.confidence is not None else ""


def _frames(verdict: Verdict) -> Iterator[str]:
    if not verdict.frames:
        return
    frames = "".join(map(_frame, verdict.frames[:MAX_FRAMES]))
    left_out = len(verdict.frames) - MAX_FRAMES
    more = f"<li>and {left_out:,} more</li>" if left_out > 0 else ""
    # A strip that scrolls takes the focus, so that the arrow keys reach all of it.
    yield f'<ol class="frames" tabindex="0" aria-label="Frames">{frames}{more}</ol>\n'


def _frame(frame: Frame) -> str:
    word = highest([frame.risk_level, *(label.risk_level for label in frame.labels)])
    head = f'<span class="level {word or ""}">{frame.index + 1} {word or ""}</span>'
    labels = "".join(_code(each) if each.is_finding else f"{EXEMPT_WORD}{_number(each)}" for each in frame.labels)
    return f"<li>{head}{labels or _NOTHING}</li>"
