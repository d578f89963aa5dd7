"""A table for people: what was found in each image, posts as trees, and a summary by level and by label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from moderate_cli.records import Tally
from moderate_cli.render.console import plain_console
from moderate_cli.render.post import known_post, post_tree
from moderate_cli.render.table_layout import outcome_table
from moderate_cli.render.table_summary import engine_note, summary_table, tokens_line
from moderate_cli.render.table_words import input_word
from moderate_cli.verdicts import Judged, Outcome, Pending

_FRAME_NOTE = "frame addresses live five minutes"


class TableRenderer:
    """Keeps the outcomes and shows them at the end, the worst first: images in one table, then a tree a post."""

    def __init__(self, stream: TextIO, *, width: int, color: bool) -> None:
        self._console = plain_console(stream, width=width, color=color)
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep one outcome."""
        self._outcomes.append(outcome)

    def finish(self, tally: Tally) -> None:
        """Show the outcomes, the summary, and the notes, with an empty line between them."""
        for number, block in enumerate(self._blocks(tally)):
            if number:
                self._console.print()
            self._console.print(block)

    def _blocks(self, tally: Tally) -> Iterator[RenderableType]:
        outcomes = sorted(self._outcomes, key=_worst_first)
        in_table = [outcome for outcome in outcomes if known_post(outcome) is None]
        if in_table:
            yield outcome_table(in_table, self._console.width)
        if any(map(_has_frame_address, in_table)):
            yield Text(_FRAME_NOTE, style="dim")
        for outcome in outcomes:
            post = known_post(outcome)
            if post is not None and isinstance(outcome, Judged):
                yield post_tree(outcome, post, self._console.width)
        yield from filter(None, [engine_note(self._outcomes)])
        if tally.inputs > 1:
            yield summary_table(tally, f"{input_word(self._outcomes)}s")
        yield from filter(None, [tokens_line(self._outcomes)])


def _worst_first(outcome: Outcome) -> tuple[int, str]:
    if isinstance(outcome, Judged):
        return -outcome.verdict.gate_level.rank, outcome.item.source
    return 1 if isinstance(outcome, Pending) else 2, outcome.item.source


def _has_frame_address(outcome: Outcome) -> bool:
    return isinstance(outcome, Judged) and any(frame.url for frame in outcome.verdict.frames)
