"""The commands, one thin module each; this page lists them so that none is imported before it is chosen."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from moderate_cli.cli.help_screen import WIDTH, PlainCommand, PlainGroup, write_sections
from moderate_cli.cli.short_help import SHORT_HELP
from moderate_cli.common.errors import ExitCode


class CommandEntry(NamedTuple):
    """A line of `moderate --help`: the command's name, its module below this room, its help and its panel.

    `function` is its function in that module, where that is not called as the command is; `has_settings` says whether
    some of its options are settings.
    """

    name: str
    module: str
    help: str
    panel: str
    function: str | None = None
    has_settings: bool = False


_JUDGE = "Judge"
_KNOW = "Know"

COMMANDS = (
    CommandEntry("sync", "sync", "Judge images now: files, folders and URLs.", _JUDGE, has_settings=True),
    CommandEntry(
        "batch", "sync", "Judge images with several services (-s A,B) in one call each.", _JUDGE, has_settings=True
    ),
    CommandEntry("async-submit", "tasks", "Queue images, long images and animations.", _JUDGE, has_settings=True),
    CommandEntry("poll", "tasks", "Collect the results of queued tasks.", _JUDGE, has_settings=True),
    CommandEntry(
        "multimodal",
        "multimodal",
        "Judge posts and profiles: title, text, images, comments.",
        _JUDGE,
        has_settings=True,
    ),
    CommandEntry(
        "listen",
        "listen",
        "Receive callbacks, verify their checksums, and store what they bring.",
        _JUDGE,
        has_settings=True,
    ),
    CommandEntry("review", "review", "Look at what was found, one result at a time, and decide.", _JUDGE),
    CommandEntry("allow", "allow", "Suppress a finding in an image, so that it no longer fails the run.", _JUDGE),
    CommandEntry("history", "history", "Find what was judged, newest first, in every format.", _KNOW),
    CommandEntry("show", "show", "Show everything that is known of one result.", _KNOW),
    CommandEntry("stats", "stats", "Count calls and findings by day, month, service or label.", _KNOW),
    CommandEntry(
        "feedback", "feedback", "Note on this machine that a verdict is wrong, or send it.", _KNOW, has_settings=True
    ),
    CommandEntry("console", "console", "See and set what the account has: rules, libraries, results, usage.", _KNOW),
    CommandEntry("labels", "reference", "List the risk labels and what they mean.", _KNOW, function="list_labels"),
    CommandEntry(
        "services",
        "reference",
        "List the moderation services, what each checks, and where.",
        _KNOW,
        function="list_services",
    ),
    CommandEntry(
        "regions",
        "reference",
        "List the regions, their endpoints, and what is offered there.",
        _KNOW,
        function="list_regions",
    ),
    CommandEntry("convert", "convert", "Write the results of earlier runs in another format, several as one.", _KNOW),
    CommandEntry("config", "config", "Show the settings and where each comes from.", _KNOW),
    CommandEntry(
        "doctor", "doctor", "Check credentials, network, clock, signature and permission.", _KNOW, has_settings=True
    ),
    CommandEntry("rules", "rules", "Check a rules file of the local engine.", _KNOW),
    CommandEntry(
        "emulate", "emulate", "Serve a local stand-in for the API, for tests of any program that calls it.", _KNOW
    ),
    CommandEntry("help", "help", "Read the manual: list its topics, or show one.", _KNOW, function="show_help"),
    CommandEntry("schema", "reference", "Print the JSON Schema of a record.", _KNOW),
    CommandEntry(
        "completion", "completion", "Print the script that completes command lines in bash, zsh or fish.", _KNOW
    ),
)


class LazyGroup(PlainGroup):
    """A group whose commands are placeholders until one is run or its options are completed.

    Listing, help and the names in completion read the placeholders; Typer runs and completes through
    `resolve_command`, which puts the module's own command in the placeholder's place.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for entry in COMMANDS:
            self.commands[entry.name] = TyperCommand(entry.name, help=entry.help, rich_help_panel=entry.panel)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what the exit codes mean."""
        write_sections((("Exit codes", (str(code.value), code.meaning)) for code in ExitCode), formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the chosen command's name, the command itself, and its arguments."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        if name is None or placeholder is None:
            return name, placeholder, rest
        return name, load(name), rest


def load(name: str) -> Any:
    """Import the module of a command and return the command that Typer makes of its function, or of its own `app`."""
    entry = next(entry for entry in COMMANDS if entry.name == name)
    module = import_module(f"moderate_cli.cli.{entry.module}")
    command: Any = typer.main.get_command(getattr(module, "app", None) or _app_of(entry, module))
    command.name = entry.name
    command.help = entry.help
    if name in SHORT_HELP:
        command.shorten(SHORT_HELP[name])
    return command


def _app_of(entry: CommandEntry, module: ModuleType) -> typer.Typer:
    from moderate_cli.cli.flatten import flatten_options

    kind = PlainCommand
    if entry.has_settings:
        from moderate_cli.cli.options import SettingsCommand

        kind = SettingsCommand
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    function = getattr(module, entry.function or entry.name.replace("-", "_"))
    app.command(cls=kind, context_settings=WIDTH | getattr(module, "CONTEXT_SETTINGS", {}))(flatten_options(function))
    return app
