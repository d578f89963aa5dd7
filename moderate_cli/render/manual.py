"""Pages of the manual on a terminal: Markdown as Rich reads it, laid out for narrow screens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement, TableElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from moderate_cli.render.styles import plain_console

_MAX_WIDTH = 100  # columns; longer lines are hard to read


# Legible on dark terminals and on light ones: Rich's own styles have a background.
_THEME = Theme(
    {
        "markdown.h1": "bold",
        "markdown.h2": "bold",
        "markdown.code": "cyan",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
    }
)


class _Heading(Heading):
    """A heading on the left; some versions of Rich put the first in the middle of a box."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class _CodeBlock(CodeBlock):
    """A block of commands, indented by two columns, as it can be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(Text(str(self.text).rstrip(), style="cyan"), (0, 0, 0, 2))


class _Table(TableElement):
    """A table that breaks a long word where Rich would cut it off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in super().__rich_console__(console, options):
            for column in getattr(table, "columns", ()):
                column.overflow = "fold"
            yield table


class _Page(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _CodeBlock,
        "code_block": _CodeBlock,
        "table_open": _Table,
    }


def write_page(text: str, stream: TextIO, *, width: int, color: bool) -> None:
    """Write a page of Markdown for people; without `color` it has no escape sequences."""
    console = plain_console(stream, width=min(width, _MAX_WIDTH), color=color)
    with console.use_theme(_THEME):
        console.print(_Page(text, hyperlinks=False))


def write_topics(summaries: Mapping[str, str], stream: TextIO, *, width: int, color: bool) -> None:
    """Write the names of the pages, each with its summary, and how to read one."""
    console = plain_console(stream, width=min(width, _MAX_WIDTH), color=color)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column()
    for name, summary in summaries.items():
        table.add_row(name, summary)
    console.print(table)
    console.print("\n`moderate help TOPIC` shows a page, `moderate COMMAND --help` the options of a command.")
