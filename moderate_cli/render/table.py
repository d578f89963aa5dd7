"""A table for people: what was found in each image, posts as trees, and a summary by level and by label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from moderate_cli.records import Suppression, Tally, is_clean
from moderate_cli.render.clean import CleanInputs
from moderate_cli.render.console import plain_console
from moderate_cli.render.coverage import cut_off_words
from moderate_cli.render.ignored import SuppressionFilter
from moderate_cli.render.post import known_post, post_tree
from moderate_cli.render.table_layout import outcome_table
from moderate_cli.render.table_summary import Totals, summary_table
from moderate_cli.render.worst import Worst, place_of
from moderate_cli.verdicts import Judged, Outcome, Pending

MOST = 1_000
"""How many inputs are listed."""

_FRAME_NOTE = "frame addresses live five minutes"


class TableRenderer:
    """Keeps the worst outcomes and shows them at the end, the worst first: images in one table, then a tree a post.

    Clean inputs are listed where they are few.
    """

    def __init__(self, stream: TextIO, *, width: int, color: bool, show_suppressed: bool = False) -> None:
        self._console = plain_console(stream, width=width, color=color)
        self._suppressed = SuppressionFilter(shown=show_suppressed)
        self._worst: Worst[Outcome] = Worst(MOST)
        self._clean = CleanInputs()
        self._totals = Totals()

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one outcome, if it is among the worst."""
        shown = self._suppressed.shown(outcome, suppressions)
        self._totals.add(shown)
        if is_clean(outcome):
            self._clean.add(shown)
        else:
            self._worst.add(place_of(shown), shown)

    def finish(self, tally: Tally) -> None:
        """Show the outcomes, the summary, and the notes, with an empty line between them."""
        for number, block in enumerate(self._blocks(tally)):
            if number:
                self._console.print()
            self._console.print(block)

    def _blocks(self, tally: Tally) -> Iterator[RenderableType]:
        outcomes = sorted([*self._worst.in_order(), *self._clean.named(tally)], key=_worst_first)
        in_table = [outcome for outcome in outcomes if known_post(outcome) is None]
        if in_table:
            yield outcome_table(in_table, self._console.width)
        if any(map(_has_frame_address, in_table)):
            yield Text(_FRAME_NOTE, style="dim")
        for outcome in outcomes:
            post = known_post(outcome)
            if post is not None and isinstance(outcome, Judged):
                yield post_tree(outcome, post, self._console.width)
        yield from (Text(note, style="bold") for note in self._left_out(tally))
        yield from filter(None, [self._totals.engine_note()])
        if tally.inputs > 1:
            yield summary_table(tally, f"{self._totals.noun}s")
        yield from filter(None, [self._totals.tokens_line()])

    def _left_out(self, tally: Tally) -> Iterator[str]:
        yield from filter(None, [cut_off_words(tally)])
        if self._worst.left_out:
            yield f"and {self._worst.left_out:,} more, not listed here; -f jsonl lists all"
        if count := self._clean.unnamed(tally):
            yield f"{count:,} clean, not listed here; -f jsonl lists all"
        yield from filter(None, [self._suppressed.note()])


def _worst_first(outcome: Outcome) -> tuple[int, str]:
    if isinstance(outcome, Judged):
        return -outcome.verdict.gate_level.rank, outcome.item.source
    return 1 if isinstance(outcome, Pending) else 2, outcome.item.source


def _has_frame_address(outcome: Outcome) -> bool:
    return isinstance(outcome, Judged) and any(frame.url for frame in outcome.verdict.frames)
