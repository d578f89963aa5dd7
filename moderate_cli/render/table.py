"""What do people see of a run? A table of images, a tree per post, a summary, and the table of the history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from moderate_cli.common.text import safe_text
from moderate_cli.models import Json, Judged, Outcome, Pending, Usage, Verdict
from moderate_cli.render.post import known_post, post_tree
from moderate_cli.render.rows import outcome_rows
from moderate_cli.render.styles import harmless, input_word, kind, level_text, plain_console
from moderate_cli.render.wording import (
    CleanInputs,
    SuppressionFilter,
    TopN,
    counts,
    cut_off_words,
    level_word,
    sort_key,
)
from moderate_cli.results import RunSummary, Suppression, is_clean, verdict_of

MAX_ROWS = 1_000
"""Inputs that are listed."""

_MAX_LABELS = 20
_NARROW = 100  # columns: below, findings stand under the name of their image instead of beside it
_RISK = len("unknown")
_CONFIDENCE = len("Confidence")
_GAP = 3
_INDENT = 2
_HEAD = "Result, newest first; times are in UTC"
_FRAME_NOTE = "frame URLs expire after five minutes"


class TableRenderer:
    """Keeps the worst outcomes and shows them at the end, the worst first: images in one table, then a tree a post.

    Clean inputs are listed where they are few.
    """

    def __init__(self, stream: TextIO, *, width: int, color: bool, show_suppressed: bool = False) -> None:
        self._console = plain_console(stream, width=width, color=color)
        self._suppressed = SuppressionFilter(shown=show_suppressed)
        self._top: TopN[Outcome] = TopN(MAX_ROWS)
        self._clean = CleanInputs()
        self._totals = Totals()

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one outcome, if it is among the worst."""
        shown = self._suppressed.shown(outcome, suppressions)
        self._totals.add(shown)
        if is_clean(outcome):
            self._clean.add(shown)
        else:
            self._top.add(sort_key(shown), shown)

    def finish(self, summary: RunSummary) -> None:
        """Show the outcomes, the summary, and the notes, with an empty line between them."""
        for number, block in enumerate(self._blocks(summary)):
            if number:
                self._console.print()
            self._console.print(block)

    def _blocks(self, summary: RunSummary) -> Iterator[RenderableType]:
        outcomes = sorted([*self._top.in_order(), *self._clean.named(summary)], key=_worst_first)
        in_table = [outcome for outcome in outcomes if known_post(outcome) is None]
        if in_table:
            yield outcome_table(in_table, self._console.width)
        if any(map(_has_frame_address, in_table)):
            yield Text(_FRAME_NOTE, style="dim")
        for outcome in outcomes:
            post = known_post(outcome)
            if post is not None and isinstance(outcome, Judged):
                yield post_tree(outcome, post, self._console.width)
        yield from (Text(note, style="bold") for note in self._left_out(summary))
        yield from filter(None, [self._totals.engine_note()])
        if summary.inputs > 1:
            yield summary_table(summary, f"{self._totals.noun}s")
        yield from filter(None, [self._totals.tokens_line()])

    def _left_out(self, summary: RunSummary) -> Iterator[str]:
        yield from filter(None, [cut_off_words(summary)])
        if self._top.left_out:
            yield f"and {self._top.left_out:,} more, not listed here; -f jsonl lists all"
        if count := self._clean.unnamed(summary):
            yield f"{count:,} clean, not listed here; -f jsonl lists all"
        yield from filter(None, [self._suppressed.note()])


def _worst_first(outcome: Outcome) -> tuple[int, str]:
    if isinstance(outcome, Judged):
        return -outcome.verdict.gate_level.rank, outcome.item.source
    return 1 if isinstance(outcome, Pending) else 2, outcome.item.source


def _has_frame_address(outcome: Outcome) -> bool:
    return isinstance(outcome, Judged) and any(frame.url for frame in outcome.verdict.frames)


def outcome_table(outcomes: Sequence[Outcome], width: int) -> Table:
    """Return the table of outcomes in the order given."""
    return _narrow_table(outcomes) if width < _NARROW else _wide_table(outcomes, width)


def _wide_table(outcomes: Sequence[Outcome], width: int) -> Table:
    """Return one row a finding; the widths are set here, since Rich cuts text off where it has to find them."""
    rows = [(outcome, outcome_rows(outcome)) for outcome in outcomes]
    source = _widest((harmless(outcome.item.source) for outcome in outcomes), at_most=width // 4)
    labels = (Text(" " * _INDENT * row.indent) + row.label for _, found in rows for row in found)
    label = _widest(labels, at_most=width * 2 // 7)
    table = plain_table()
    table.add_column("Source", overflow="fold", width=source)
    table.add_column("Risk", width=_RISK)
    table.add_column("Label", overflow="fold", width=label)
    table.add_column("Confidence", justify="right", width=_CONFIDENCE)
    rest = width - source - _RISK - label - _CONFIDENCE - 4 * _GAP
    table.add_column("Description", overflow="fold", width=rest)
    for outcome, found in rows:
        name, level = harmless(outcome.item.source), level_text(level_word(outcome))
        for row in found:
            table.add_row(name, level or row.level, _indented(row.label, row.indent), row.confidence, row.description)
            name = level = Text()
    return table


def _narrow_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one block an input, whose findings stand under its name."""
    table = plain_table()
    table.add_column("Risk", no_wrap=True)
    table.add_column(f"{input_word(map(kind, outcomes))} and findings", overflow="fold")
    for outcome in outcomes:
        lines = [_indented(row.line(), row.indent) for row in outcome_rows(outcome)]
        table.add_row(level_text(level_word(outcome)), Group(harmless(outcome.item.source, "bold"), *lines))
    return table


def _indented(text: Text, steps: int) -> Text | Padding:
    """Return text of which every line is indented, also those that it is folded into."""
    return Padding(text, (0, 0, 0, _INDENT * steps)) if steps else text


def _widest(texts: Iterable[Text], *, at_most: int) -> int:
    return min(max((text.cell_len for text in texts), default=0), at_most)


def plain_table() -> Table:
    """Return an empty table in the style of all of them."""
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)


def summary_table(summary: RunSummary, noun: str) -> Table:
    """Return the counts by level beside those by label; `noun` is what is counted."""
    table = plain_table()
    table.add_column("Level")
    table.add_column(noun, justify="right")
    table.add_column("Label", overflow="fold")
    table.add_column(noun, justify="right")
    left = [(level_text(word), Text(str(count))) for word, count in counts(summary)]
    right = [(harmless(name), Text(str(count))) for name, count in summary.labels.most_common(_MAX_LABELS)]
    if len(summary.labels) > _MAX_LABELS:
        right.append((Text(f"and {len(summary.labels) - _MAX_LABELS} more", style="dim"), Text()))
    blank = (Text(), Text())
    for row in range(max(len(left), len(right))):
        table.add_row(*(left[row] if row < len(left) else blank), *(right[row] if row < len(right) else blank))
    return table


class Totals:
    """What is shown once for all outcomes of a run; memory does not grow with their number."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._tokens: list[int] | None = None
        self._checks: dict[str, None] = {}
        self._missing: dict[str, None] = {}

    def add(self, outcome: Outcome) -> None:
        """Count one outcome in."""
        self._kinds.add(kind(outcome))
        if not isinstance(outcome, Judged):
            return
        if (usage := outcome.verdict.usage) and not outcome.reused:
            before = self._tokens or (0, 0, 0)
            self._tokens = [sum(counts) for counts in zip(before, _tokens(usage), strict=True)]
        for engine in _local_engines(outcome.verdict):
            names = (f"{check.get('name')} ({check.get('package')})" for check in _listed(engine, "checks"))
            self._checks |= dict.fromkeys(names)
            self._missing |= dict.fromkeys(map(_not_checked, _listed(engine, "not_checked")))

    @property
    def noun(self) -> str:
        """What the inputs are."""
        return input_word(self._kinds)

    def tokens_line(self) -> Text | None:
        """Return the tokens of all calls together, or None where the service counted none."""
        if self._tokens is None:
            return None
        incoming, outgoing, total = self._tokens
        parts = f" ({incoming:,} in, {outgoing:,} out)" if incoming or outgoing else ""
        return Text.assemble(("tokens:", "bold"), f" {total:,}{parts}")

    def engine_note(self) -> Text | None:
        """Return what the local engine checked and what it did not, or None where it was not used."""
        if not self._checks and not self._missing:
            return None
        head = Text.assemble(("Local engine", "bold"), f" checked: {safe_text(', '.join(self._checks))}")
        return Text("\n").join([head, *(harmless(line, "dim") for line in self._missing)])


def _tokens(usage: Usage) -> tuple[int, int, int]:
    incoming, outgoing = usage.input_tokens or 0, usage.output_tokens or 0
    return incoming, outgoing, incoming + outgoing if usage.total_tokens is None else usage.total_tokens


def _not_checked(part: Json) -> str:
    install = f"; {part['install']}" if part.get("install") else ""
    return f"  not checked: {part.get('name')}: {part.get('reason')}{install}"


def _local_engines(verdict: Verdict) -> Iterator[Json]:
    for ext in (verdict.ext, *(part.ext for part in verdict.per_service), *(frame.ext for frame in verdict.frames)):
        engine = ext.get("local_engine")
        if isinstance(engine, Mapping):
            yield engine


def _listed(engine: Json, name: str) -> Iterator[Json]:
    parts = engine.get(name)
    return (part for part in (parts if isinstance(parts, list) else []) if isinstance(part, Mapping))


class HistoryTable:
    """One block a result. The widths depend on the terminal alone, so that nothing waits for what comes later."""

    def __init__(self, stream: TextIO, *, width: int, color: bool) -> None:
        self._console = plain_console(stream, width=width, color=color)
        self._is_empty = True

    def add(self, outcome: Outcome, *, at: float, request_id: str | None, remarks: Sequence[str]) -> None:
        """Write the block of an outcome that was stored at a time (Unix seconds), and what people remarked on it."""
        if self._is_empty:
            self._write(Text("Risk", style="bold"), Text(_HEAD, style="bold"))
            self._console.print(Rule(style=""))
            self._is_empty = False
        lines = [
            *_found(outcome),
            *_known(outcome, at, request_id),
            *(harmless(text, "bold yellow") for text in remarks),
        ]
        self._write(level_text(level_word(outcome)), Group(*lines))

    def finish(self, note: str | None) -> None:
        """Write the final note."""
        if note:
            self._console.print()
            self._console.print(Text(note, style="bold"))

    def _write(self, risk: Text, rest: RenderableType) -> None:
        row = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        row.add_column(width=_RISK)
        row.add_column(width=max(1, self._console.width - _RISK - _GAP), overflow="fold")
        row.add_row(risk, rest)
        self._console.print(row)


def _found(outcome: Outcome) -> Iterator[Text | Padding]:
    yield harmless(outcome.item.source, "bold")
    for row in outcome_rows(outcome):
        yield Padding(row.line(), (0, 0, 0, _INDENT * row.indent))


def _known(outcome: Outcome, at: float, request_id: str | None) -> Iterator[Text]:
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    verdict = verdict_of(outcome)
    engine = ["local engine"] if verdict and verdict.engine == "local" else []
    yield harmless("  ".join([moment, ", ".join(outcome.call.services), *engine]), "dim")
    if request_id:
        yield harmless(request_id, "dim", "request ")
