"""Help screens: plain text, a section a panel; they read well at 60 columns and in a pipe, and need no Rich.

Typer's own screens take 600 million instructions more, most of them to import Rich's Markdown and tracebacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup

WIDTH = {"max_content_width": 100}
"""The context settings of a command whose lines may be as long as a wide terminal allows, up to what reads well."""


class PlainCommand(TyperCommand):
    """A command whose help lists its options by their panels."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section a panel, in the order in which the panels come first."""
        rows = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
                rows.append((getattr(parameter, "rich_help_panel", None) or usual, record))
        write_sections(rows, formatter)


class PlainGroup(TyperGroup):
    """A group whose help lists its commands by their panels."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section a panel, in the order of the commands."""
        known = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        rows = [(getattr(each, "rich_help_panel", None) or "Commands", (name, each.help or "")) for name, each in known]
        write_sections(rows, formatter)


def write_sections(rows: Iterable[tuple[str, tuple[str, str]]], formatter: Any) -> None:
    """Write rows of a term and its meaning, those of one title together."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for title, row in rows:
        sections.setdefault(title, []).append(row)
    for title, found in sections.items():
        with formatter.section(title):
            formatter.write_dl(found)
