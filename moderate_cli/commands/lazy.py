"""Commands that are imported when they are chosen, and not when they are listed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from moderate_cli.commands import COMMANDS


class LazyGroup(TyperGroup):
    """A group whose commands are placeholders until one is run or its options are completed.

    Listing, help and the names in completion read the placeholders; Typer runs and completes through
    `resolve_command`, which puts the module's own command in the placeholder's place.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for entry in COMMANDS:
            self.commands[entry.name] = TyperCommand(entry.name, help=entry.help, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the chosen command's name, the command itself, and its arguments."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        if name is None or placeholder is None:
            return name, placeholder, rest
        return name, load(name), rest


def load(name: str) -> Any:
    """Import the module of a command and return the command that Typer makes of its `app`."""
    entry = next(entry for entry in COMMANDS if entry.name == name)
    module = import_module(f"moderate_cli.commands.{entry.module}")
    command = typer.main.get_command(module.app)
    command.name = entry.name
    command.help = entry.help
    return command
