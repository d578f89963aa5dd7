"""What do people see of a run? A table of images, a tree per post, a summary, and the table of the history."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, zip_longest
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from moderate_cli.common.text import safe_text
from moderate_cli.models import Judged, Outcome, Usage
from moderate_cli.render.blocks import GAP, INDENT, NARROW, RISK, block, heading, row_lines, shown_names
from moderate_cli.render.post import post_tree
from moderate_cli.render.rows import outcome_rows
from moderate_cli.render.styles import harmless, input_word, kind, level_text, plain_console
from moderate_cli.render.wording import (
    CleanInputs,
    SuppressionFilter,
    TopN,
    counts,
    cut_off_words,
    known_post,
    level_word,
    not_checked_lines,
    sort_key,
)
from moderate_cli.results import RunSummary, Suppression, found_nothing, verdict_of

MAX_ROWS = 1_000
"""Inputs that are listed."""

_MAX_LABELS = 20
_MIN_DESCRIPTION = 24  # columns: with less room, findings stand below the name of their image
_CONFIDENCE = len("Confidence")
_HEAD = "Result, newest first; times are in UTC"
_FRAME_NOTE = "frame URLs expire after five minutes"
_CLEAN_NOTE = "clean ones are only counted; --show-clean lists them"


class TableRenderer:
    """Keeps the worst outcomes and shows them at the end, the worst last: images in one table, then a tree a post.

    `names` are the inputs that were named one by one: of the clean ones only these are listed. With None, clean inputs
    are listed where they are few, and with `show_clean` always.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        width: int,
        color: bool,
        show_suppressed: bool = False,
        show_clean: bool = False,
        names: Container[str] | None = None,
    ) -> None:
        self._console = plain_console(stream, width=width, color=color)
        self._suppressed = SuppressionFilter(shown=show_suppressed, summed_up=True)
        self._top: TopN[Outcome] = TopN(MAX_ROWS)
        self._show_clean = show_clean
        self._names = names
        self._clean = CleanInputs()
        self._unnamed = 0
        self._totals = Totals()

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one outcome, if it is among the worst."""
        shown = self._suppressed.shown(outcome, suppressions)
        self._totals.add(shown)
        if not found_nothing(outcome) or self._show_clean:
            self._top.add(sort_key(shown), shown)
        elif self._names is None:
            self._clean.add(shown)
        elif shown.item.source in self._names:
            self._top.add(sort_key(shown), shown)
        else:
            self._unnamed += 1

    def finish(self, summary: RunSummary) -> None:
        """Show the outcomes, the summary, and the notes, with an empty line between them."""
        for number, block_ in enumerate(self._blocks(summary)):
            if number:
                self._console.print()
            self._console.print(block_, crop=False)

    def _blocks(self, summary: RunSummary) -> Iterator[RenderableType]:
        outcomes = sorted([*self._top.in_order(), *self._clean.named(summary)], key=_worst_last)
        in_table = [outcome for outcome in outcomes if known_post(outcome) is None]
        notes = [*self._left_out(summary), *([_FRAME_NOTE] if any(map(_has_frame_address, in_table)) else [])]
        yield from filter(None, [self._totals.engine_note(summary)])
        if notes:
            yield Text("\n".join(notes), style="dim")
        if in_table:
            yield outcome_table(in_table, self._console.width)
        for outcome in outcomes:
            post = known_post(outcome)
            if post is not None and isinstance(outcome, Judged):
                yield post_tree(outcome, post, self._console.width)
        if summary.inputs > 1 or (summary.inputs and not outcomes):
            yield summary_table(summary, f"{self._totals.noun}s", self._console.width)
        yield from filter(None, [self._totals.tokens_line()])
        if words := cut_off_words(summary):
            yield Text(words, style="bold")

    def _left_out(self, summary: RunSummary) -> Iterator[str]:
        if self._top.left_out:
            yield f"and {self._top.left_out:,} more, not listed here; -f jsonl lists all"
        if self._unnamed or self._clean.unnamed(summary) or (summary.unlisted and self._names is not None):
            yield _CLEAN_NOTE
        yield from filter(None, [self._suppressed.note()])


def _worst_last(outcome: Outcome) -> tuple[int, str]:
    return -sort_key(outcome)[0], outcome.item.source


def _has_frame_address(outcome: Outcome) -> bool:
    return isinstance(outcome, Judged) and any(frame.url for frame in outcome.verdict.frames)


def outcome_table(outcomes: Sequence[Outcome], width: int) -> RenderableType:
    """Return the table of outcomes in the order given: a row a finding where there is room, else a block an input."""
    rows = [(outcome, outcome_rows(outcome)) for outcome in outcomes]
    source = _widest(harmless(outcome.item.source) for outcome in outcomes)
    label = _widest(Text(" " * INDENT * row.indent) + row.label for _, found in rows for row in found)
    rest = width - source - RISK - label - _CONFIDENCE - 4 * GAP
    if width < NARROW or rest < _MIN_DESCRIPTION:
        names = shown_names((outcome.item.source for outcome in outcomes), width)
        blocks = (
            block(level_word(outcome), names[outcome.item.source], row_lines(found), width) for outcome, found in rows
        )
        return Group(heading(f"{input_word(map(kind, outcomes))} and findings"), *blocks)
    table = plain_table()
    # The widths are set here, since Rich cuts text off where it has to find them.
    table.add_column("Source", width=source)
    table.add_column("Risk", width=RISK)
    table.add_column("Label", width=label)
    table.add_column("Confidence", justify="right", width=_CONFIDENCE)
    table.add_column("Description", overflow="fold", width=rest)
    for outcome, found in rows:
        name, level = harmless(outcome.item.source), level_text(level_word(outcome))
        for row in found:
            table.add_row(name, level or row.level, _indented(row.label, row.indent), row.confidence, row.description)
            name = level = Text()
    return table


def _indented(text: Text, steps: int) -> Text | Padding:
    """Return text of which every line is indented, also those that it is folded into."""
    return Padding(text, (0, 0, 0, INDENT * steps)) if steps else text


def _widest(texts: Iterable[Text]) -> int:
    return max((text.cell_len for text in texts), default=0)


def plain_table() -> Table:
    """Return an empty table in the style of all of them."""
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)


def summary_table(summary: RunSummary, noun: str, width: int) -> RenderableType:
    """Return the counts by level, and by label beside or below them; `noun` is what is counted."""
    levels = [(level_text(word), Text(str(count))) for word, count in counts(summary)]
    labels = [(harmless(name), Text(str(count))) for name, count in summary.labels.most_common(_MAX_LABELS)]
    if len(summary.labels) > _MAX_LABELS:
        labels.append((Text(f"and {len(summary.labels) - _MAX_LABELS} more", style="dim"), Text()))
    room = width - max(len("Level"), _widest(word for word, _ in levels)) - 2 * len(noun) - 3 * GAP
    if not labels:
        return _counts_table([("Level", levels)], noun)
    if _widest(name for name, _ in labels) > room:
        return Group(_counts_table([("Level", levels)], noun), Text(), _counts_table([("Label", labels)], noun))
    return _counts_table([("Level", levels), ("Label", labels)], noun)


def _counts_table(columns: Sequence[tuple[str, Sequence[tuple[Text, Text]]]], noun: str) -> Table:
    """Return lists of words with their counts side by side, each below its title."""
    table = plain_table()
    for title, _ in columns:
        table.add_column(title, overflow="fold")
        table.add_column(noun, justify="right")
    blank = (Text(), Text())
    for cells in zip_longest(*(rows for _, rows in columns), fillvalue=blank):
        table.add_row(*chain.from_iterable(cells))
    return table


class Totals:
    """What is shown once for all outcomes of a run; memory does not grow with their number."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._tokens: list[int] | None = None
        self._checks: dict[str, None] = {}

    def add(self, outcome: Outcome) -> None:
        """Count one outcome in."""
        self._kinds.add(kind(outcome))
        if not isinstance(outcome, Judged):
            return
        if (usage := outcome.verdict.usage) and not outcome.reused:
            before = self._tokens or (0, 0, 0)
            self._tokens = [sum(counts) for counts in zip(before, _tokens(usage), strict=True)]
        checks = outcome.verdict.local_checks
        self._checks |= dict.fromkeys(f"{check.get('name')} ({check.get('package')})" for check in checks)

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

    def engine_note(self, summary: RunSummary) -> Text | None:
        """Return what the local engine checked and what it did not, or None where it was not used."""
        if not self._checks and not summary.not_checked:
            return None
        head = Text.assemble(("Local engine", "bold"), f" checked: {safe_text(', '.join(self._checks))}")
        return Text("\n").join([head, *(harmless(f"  {line}", "dim") for line in not_checked_lines(summary))])


def _tokens(usage: Usage) -> tuple[int, int, int]:
    incoming, outgoing = usage.input_tokens or 0, usage.output_tokens or 0
    return incoming, outgoing, incoming + outgoing if usage.total_tokens is None else usage.total_tokens


class HistoryTable:
    """One block a result, which waits for none that comes later: a name is shortened without regard to the others."""

    def __init__(self, stream: TextIO, *, width: int, color: bool) -> None:
        self._console = plain_console(stream, width=width, color=color)
        self._is_empty = True

    def add(self, outcome: Outcome, *, at: float, request_id: str | None, remarks: Sequence[str]) -> None:
        """Write the block of an outcome that was stored at a time (Unix seconds), and what people remarked on it."""
        if self._is_empty:
            self._console.print(heading(_HEAD))
            self._is_empty = False
        width, source = self._console.width, outcome.item.source
        lines = [
            *row_lines(outcome_rows(outcome)),
            *_known(outcome, at, request_id),
            *(harmless(text, "bold yellow") for text in remarks),
        ]
        name = shown_names([source], width)[source]
        self._console.print(block(level_word(outcome), name, lines, width), crop=False)

    def finish(self, note: str | None) -> None:
        """Write the final note."""
        if note:
            self._console.print()
            self._console.print(Text(note, style="bold"))


def _known(outcome: Outcome, at: float, request_id: str | None) -> Iterator[Text]:
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    verdict = verdict_of(outcome)
    engine = ["local engine"] if verdict and verdict.engine == "local" else []
    yield harmless("  ".join([moment, ", ".join(outcome.call.services), *engine]), "dim")
    if request_id:
        yield harmless(request_id, "dim", "request ")
