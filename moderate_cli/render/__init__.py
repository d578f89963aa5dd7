"""Outcomes to a stream: one module a format, imported when it is chosen."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, TextIO

from moderate_cli.environment import Environment
from moderate_cli.records import Tally
from moderate_cli.verdicts import Outcome


class Format(StrEnum):
    """The formats by the name that `--format` takes."""

    AUTO = "auto"
    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"


class Renderer(Protocol):
    """Shows the outcomes of one run."""

    def add(self, outcome: Outcome) -> None:
        """Take one outcome, and show it now if the format can."""

    def finish(self, tally: Tally) -> None:
        """Show what is left once the run is over."""


def choose_format(choice: Format, *, to_terminal: bool) -> Format:
    """Return the format that `auto` means where the output goes."""
    if choice is not Format.AUTO:
        return choice
    return Format.TABLE if to_terminal else Format.JSONL


def renderer(choice: Format, stream: TextIO, environment: Environment, *, color: str, raw: bool) -> Renderer:
    """Return the renderer of a format, which must not be `auto`; `color` is auto, always or never."""
    if choice is Format.TABLE:
        from moderate_cli.render.table import TableRenderer

        return TableRenderer(stream, width=environment.width(), color=environment.wants_color(color, stream))
    from moderate_cli.render.json import JsonlRenderer, JsonRenderer

    return JsonRenderer(stream, raw=raw) if choice is Format.JSON else JsonlRenderer(stream, raw=raw)
