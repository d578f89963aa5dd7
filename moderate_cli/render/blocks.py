"""How is an input shown with what was found below its name? As a block, whose name is never broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from rich.cells import cell_len
from rich.console import Group
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from moderate_cli.common.text import safe_text
from moderate_cli.render.rows import Row
from moderate_cli.render.styles import level_text

RISK = len("unknown")
"""Columns of a risk level."""

GAP = 3
"""Columns between columns."""

INDENT = 2
"""Columns of a finding inside something."""

NARROW = 100
"""Columns: below, a name that does not fit is shortened; from there on a line may be longer than the terminal."""

_BESIDE = RISK + GAP  # columns before a name, and before what is below it
_MIN_FOLDER = 4  # columns of a folder that is shortened


def heading(words: str) -> Group:
    """Return what stands above blocks; `words` are above their names."""
    return Group(Text(f"{'Risk':<{_BESIDE}}{words}", style="bold"), Rule(style=""))


def block(level: str, name: str, rows: Iterable[Text | Padding], width: int) -> Group:
    """Return a level beside a name, which is a safe text, and rows below the name."""
    head = Text.assemble(level_text(level), " " * (_BESIDE - len(level)), (name, "bold"))
    if width >= NARROW:
        head.no_wrap, head.overflow = True, "ignore"
    elif head.cell_len > width:
        head = Text("\n").join(_folded(level, name, width))
    return Group(head, *(Padding(row, (0, 0, 0, _BESIDE), expand=False) for row in rows))


def _folded(level: str, name: str, width: int) -> Iterator[Text]:
    """Yield the lines of a name that could not be shortened."""
    room = max(1, width - _BESIDE)
    lines = Text(name, "bold").divide(range(room, len(name), room))
    yield Text.assemble(level_text(level), " " * (_BESIDE - len(level)), lines[0])
    yield from (Text.assemble(" " * _BESIDE, line) for line in lines[1:])


def row_lines(rows: Iterable[Row]) -> Iterator[Text | Padding]:
    """Yield rows as lines, indented as they are."""
    for row in rows:
        line = row.line()
        yield Padding(line, (0, 0, 0, INDENT * row.indent), expand=False) if row.indent else line


def shown_names(sources: Iterable[str], width: int) -> Mapping[str, str]:
    """Return how to write names in blocks: safe, and where the terminal is narrow with a part of the folder left out.

    A name that would look like another one is written in full.
    """
    full = {source: safe_text(source) for source in sources}
    if width >= NARROW:
        return full
    short = {source: shortened_name(name, width - _BESIDE) for source, name in full.items()}
    times = Counter([*short.values(), *(name for source, name in full.items() if short[source] != name)])
    return {source: name if times[name] == 1 else full[source] for source, name in short.items()}


def shortened_name(name: str, room: int) -> str:
    """Return a name with an ellipsis in the middle of its folder where it does not fit and that helps."""
    folder, slash, last = name.rpartition("/")
    left = room - cell_len(last) - 2
    if cell_len(name) <= room or not slash or left < _MIN_FOLDER:
        return name
    tail = left // 2
    return f"{_begin(folder, left - tail)}…{_begin(folder[::-1], tail)[::-1]}/{last}"


def _begin(text: str, room: int) -> str:
    """Return as much of the beginning of a text as has room."""
    end, used = 0, 0
    for character in text:
        used += cell_len(character)
        if used > room:
            break
        end += 1
    return text[:end]
