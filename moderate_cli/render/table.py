"""A table for people: what was found in each image, and a summary by level and by label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moderate_cli.records import Tally
from moderate_cli.render.details import confidence, details
from moderate_cli.render.safe import safe_text
from moderate_cli.verdicts import Failed, Json, Judged, Outcome, RiskLevel, Skipped

STYLES = {
    "high": "bold red",
    "medium": "bold yellow",
    "low": "cyan",
    "none": "green",
    "unknown": "bold magenta",
    "skipped": "magenta",
    "failed": "bold magenta",
}
_NARROW = 100  # columns: below, findings stand under the image's name instead of beside it
_RISK = len("unknown")
_CONFIDENCE = len("Confidence")
_GAP = 3
_MOST_LABELS = 20


class TableRenderer:
    """Keeps the outcomes and shows them in one table at the end, the worst first."""

    def __init__(self, stream: TextIO, *, width: int, color: bool) -> None:
        self._console = Console(
            file=stream,
            width=width,
            force_terminal=color,
            color_system="standard" if color else None,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep one outcome."""
        self._outcomes.append(outcome)

    def finish(self, tally: Tally) -> None:
        """Show the table, what the local engine checked, and the summary."""
        if self._outcomes:
            self._console.print(self._table())
        engine = next((part for outcome in self._outcomes if (part := _local_engine(outcome))), None)
        if engine:
            self._console.print(_engine_note(engine))
        if tally.inputs > 1:
            self._console.print()
            self._console.print(_summary(tally))

    def _table(self) -> Table:
        outcomes = sorted(self._outcomes, key=_worst_first)
        return _narrow_table(outcomes) if self._console.width < _NARROW else _wide_table(outcomes, self._console.width)


def _wide_table(outcomes: Sequence[Outcome], width: int) -> Table:
    """Return one row a finding; the widths are set here, since Rich cuts text off where it has to find them."""
    rows = [(outcome, _rows(outcome)) for outcome in outcomes]
    source = _widest((_text(outcome.item.source) for outcome in outcomes), at_most=width // 4)
    label = _widest((row[0] for _, found in rows for row in found), at_most=width * 2 // 7)
    rest = width - source - _RISK - label - _CONFIDENCE - 4 * _GAP
    table = _plain_table()
    table.add_column("Source", overflow="fold", width=source)
    table.add_column("Risk", width=_RISK)
    table.add_column("Label", overflow="fold", width=label)
    table.add_column("Confidence", justify="right", width=_CONFIDENCE)
    table.add_column("Description", overflow="fold", width=rest)
    for outcome, found in rows:
        head = (_text(outcome.item.source), _level(level_word(outcome)))
        for row in found:
            table.add_row(*head, *row)
            head = (Text(), Text())
    return table


def _narrow_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one block an image, whose findings stand under its name."""
    table = _plain_table()
    table.add_column("Risk", no_wrap=True)
    table.add_column("Image and findings", overflow="fold")
    for outcome in outcomes:
        lines = [Text("  ").join(part for part in row if part) for row in _rows(outcome)]
        found = Text("\n").join([_text(outcome.item.source, "bold"), *lines])
        table.add_row(_level(level_word(outcome)), found)
    return table


def _rows(outcome: Outcome) -> list[tuple[Text, Text, Text]]:
    """Return the label, the confidence and the description of each thing to say about an outcome."""
    if isinstance(outcome, Skipped | Failed):
        error = outcome.error
        return [(_text(error.code), Text(), Text.assemble(_text(error.message), _text(error.hint or "", "dim", "; ")))]
    verdict = outcome.verdict if isinstance(outcome, Judged) else None
    rows = [
        (
            _text(label.label, STYLES[label.risk_level] if label.risk_level else "bold"),
            Text(confidence(label.confidence)),
            _text(label.description or ""),
        )
        for label in (verdict.labels if verdict else ())
    ]
    behind = details(verdict.ext) if verdict else ()
    rows += [(_text(name, "dim"), Text(), _text(text, "dim")) for name, text in behind]
    return rows or [(_text("nothing found", "dim"), Text(), Text())]


def _plain_table() -> Table:
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)


def _widest(texts: Iterable[Text], *, at_most: int) -> int:
    return min(max((text.cell_len for text in texts), default=0), at_most)


def level_word(outcome: Outcome) -> str:
    """Return the word in the column of risk levels."""
    match outcome:
        case Judged(verdict=verdict):
            return verdict.risk_level or "unknown"
        case Skipped():
            return "skipped"
        case _:
            return "failed"


def _worst_first(outcome: Outcome) -> tuple[int, str]:
    rank = -outcome.verdict.gate_level.rank if isinstance(outcome, Judged) else 1
    return rank, outcome.item.source


def _text(text: str, style: str = "", before: str = "") -> Text:
    return Text(before + safe_text(text) if text else "", style=style)


def _level(word: str) -> Text:
    return Text(word, style=STYLES[word])


def _local_engine(outcome: Outcome) -> Json | None:
    return outcome.verdict.ext.get("local_engine") if isinstance(outcome, Judged) else None


def _engine_note(engine: Json) -> Text:
    checks = ", ".join(f"{check.get('name')} ({check.get('package')})" for check in engine.get("checks", ()))
    lines = [Text.assemble(("\nLocal engine", "bold"), f" checked: {safe_text(checks)}")]
    for part in engine.get("not_checked", ()):
        install = f"; {part['install']}" if part.get("install") else ""
        lines.append(_text(f"  not checked: {part.get('name')}: {part.get('reason')}{install}", "dim"))
    return Text("\n").join(lines)


def _summary(tally: Tally) -> Table:
    table = _plain_table()
    table.add_column("Level")
    table.add_column("Images", justify="right")
    table.add_column("Label", overflow="fold")
    table.add_column("Images", justify="right")
    levels = [(level.value, tally.levels[level]) for level in reversed(RiskLevel)]
    levels += [("skipped", tally.skipped), ("failed", tally.failed)]
    left = [(_level(word), Text(str(count))) for word, count in levels if count]
    right = [(_text(name), Text(str(count))) for name, count in tally.labels.most_common(_MOST_LABELS)]
    if len(tally.labels) > _MOST_LABELS:
        right.append((Text(f"and {len(tally.labels) - _MOST_LABELS} more", style="dim"), Text()))
    blank = (Text(), Text())
    for row in range(max(len(left), len(right))):
        table.add_row(*(left[row] if row < len(left) else blank), *(right[row] if row < len(right) else blank))
    return table
