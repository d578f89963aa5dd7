"""How does a plan look? A line for each step with + ~ or -, what it adds or takes away, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TextIO

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from moderate_cli.common.text import counted
from moderate_cli.render.styles import harmless, plain_console

_STYLES = {"+": "green", "~": "yellow", "-": "red"}
_NAMED = 5  # parts of a step that are named
_INDENT = "    "


class PlanLine(Struct, frozen=True):
    """A step: its sign, what it is about, and its parts."""

    sign: str
    words: str
    parts: Sequence[str] = ()


class PlanNote(Struct, frozen=True):
    """What is left alone; `title` is why, and `place` is FILE:LINE or empty."""

    title: str
    text: str
    place: str = ""


def write_plan(
    lines: Sequence[PlanLine], notes: Sequence[PlanNote], stream: TextIO, *, width: int, color: bool
) -> None:
    """Write the steps, what is left alone by its reason, and how many there are of each."""
    console = plain_console(stream, width=width, color=color)
    for line in lines:
        _print(console, Text(f"{line.sign} ", _STYLES[line.sign]), harmless(line.words))
        if line.parts:
            _print(console, Text(_INDENT), harmless(_named(line.parts), "dim"))
    if lines and notes:
        console.print()
    for title, group in groupby(notes, lambda note: note.title):
        _print(console, Text(), Text(title, "bold"))
        for note in group:
            where = harmless(f"{note.place}: " if note.place else "", "dim")
            _print(console, Text("! ", "yellow"), Text.assemble(where, harmless(note.text)))
    if lines or notes:
        console.print()
    _print(console, Text(), Text(", ".join(_counts(lines, notes)), "bold"))


def _print(console: Console, head: Text, words: Text) -> None:
    """Print words behind a head, and what goes on from there below the words."""
    room = max(1, console.width - head.cell_len)
    for number, line in enumerate(words.wrap(console, room, overflow="fold")):
        line.rstrip()
        console.print(Text.assemble(" " * head.cell_len if number else head, line))


def _named(parts: Sequence[str]) -> str:
    named = ", ".join(parts[:_NAMED])
    return f"{named} and {len(parts) - _NAMED:,} more" if len(parts) > _NAMED else named


def _counts(lines: Sequence[PlanLine], notes: Sequence[PlanNote]) -> Iterator[str]:
    if not lines:
        yield "nothing to change"
    for sign, word in (("+", "to add"), ("~", "to change"), ("-", "to remove")):
        number = sum(line.sign == sign for line in lines)
        if number:
            yield f"{number:,} {word}"
    if notes:
        yield f"{counted(len(notes), 'thing')} left alone"
