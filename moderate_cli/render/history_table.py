"""The past for people: each result with its time, its request id and what was said of it, written as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from moderate_cli.records import verdict_of
from moderate_cli.render.console import plain_console
from moderate_cli.render.table_rows import outcome_rows
from moderate_cli.render.table_words import harmless, level_text
from moderate_cli.render.words import level_word
from moderate_cli.verdicts import Outcome

_RISK = len("unknown")
_GAP = 3
_INDENT = 2
_HEAD = "Result, newest first; times are in UTC"


class HistoryTable:
    """One block a result. The widths depend on the terminal alone, so that nothing waits for what comes later."""

    def __init__(self, stream: TextIO, *, width: int, color: bool) -> None:
        self._console = plain_console(stream, width=width, color=color)
        self._is_empty = True

    def add(self, outcome: Outcome, *, at: float, request_id: str | None, remarks: Sequence[str]) -> None:
        """Write the block of an outcome that was stored at a time (Unix seconds), and what people said of it."""
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
        """Write what is left to say."""
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
