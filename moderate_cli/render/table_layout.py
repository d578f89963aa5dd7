"""How outcomes are laid out: columns where there is room for them, else a block each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from moderate_cli.render.table_rows import outcome_rows
from moderate_cli.render.table_words import harmless, input_word, kind, level_text
from moderate_cli.render.words import level_word
from moderate_cli.verdicts import Outcome

_NARROW = 100  # columns: below, findings stand under the name of their image instead of beside it
_RISK = len("unknown")
_CONFIDENCE = len("Confidence")
_GAP = 3
_INDENT = 2


def outcome_table(outcomes: Sequence[Outcome], width: int) -> Table:
    """Return the table of outcomes in the order given."""
    return _narrow_table(outcomes) if width < _NARROW else _wide_table(outcomes, width)


def plain_table() -> Table:
    """Return an empty table in the style of all of them."""
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)


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
