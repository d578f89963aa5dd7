"""How does all that is known of one result look? A heading, and below it each fact beside its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from moderate_cli.models import Judged, Outcome
from moderate_cli.render.post import post_tree
from moderate_cli.render.rows import outcome_rows
from moderate_cli.render.styles import harmless, level_text, plain_console
from moderate_cli.render.wording import known_meaning, known_post, level_word
from moderate_cli.results import all_labels, verdict_of

_NAME = 11  # columns of the names, the longest of which has ten letters
_NARROW = 50  # columns; below, a fact stands under its name
_INDENT = 2


class Fact(Struct, frozen=True):
    """A name, and what is known by it, one line or more."""

    name: str
    lines: tuple[str, ...]


def write_facts(outcome: Outcome, facts: Sequence[Fact], stream: TextIO, *, width: int, color: bool) -> None:
    """Write the findings of an outcome as a table of a run shows them, what its labels mean, and the facts."""
    console = plain_console(stream, width=width, color=color)
    console.print(Text("  ").join([level_text(level_word(outcome)), harmless(outcome.item.source, "bold")]))
    console.print(_findings(outcome, width))
    console.print()
    for fact in (*_meanings(outcome), *facts):
        for part in _shown(fact, width):
            console.print(part)


def _findings(outcome: Outcome, width: int) -> RenderableType:
    post = known_post(outcome)
    if post is not None and isinstance(outcome, Judged):
        return post_tree(outcome, post, width)
    return Group(*(Padding(row.line(), (0, 0, 0, _INDENT * (row.indent + 1))) for row in outcome_rows(outcome)))


def _meanings(outcome: Outcome) -> Iterator[Fact]:
    """Yield what the catalog says of the labels; the service's own words stand beside them already."""
    verdict = verdict_of(outcome)
    found = {label.label: label for label in all_labels(verdict)} if verdict else {}
    known = ((name, known_meaning(name, label.service)) for name, label in found.items())
    lines = tuple(f"{name}: {meaning}" for name, meaning in known if meaning)
    if lines:
        yield Fact("meaning", lines)


def _shown(fact: Fact, width: int) -> Iterator[RenderableType]:
    lines = Group(*map(harmless, fact.lines))
    if width < _NARROW:
        yield harmless(fact.name, "dim")
        yield Padding(lines, (0, 0, 0, _INDENT))
        return
    row = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    row.add_column(width=_NAME)
    row.add_column(width=width - _NAME - 1, overflow="fold")
    row.add_row(harmless(fact.name, "dim"), lines)
    yield row
