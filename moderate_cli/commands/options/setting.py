"""How options are declared: those of settings, those of their own, and which settings were given by options."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from moderate_cli.settings import SETTINGS, Sourced
from moderate_cli.settings.kinds import Kind


class SettingsCommand(TyperCommand):
    """A command with settings among its options; their variables are read as those without an option are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Check the variables of flags, which Typer would refuse in words of its own, and parse the command line.

        Raises UsageError.
        """
        if not ctx.resilient_parsing and not set(args) & set(ctx.help_option_names):
            names = {option.name for option in self.params if getattr(option, "is_flag", False)}
            for setting in SETTINGS.values():
                text = ctx.obj.variable(setting.variable)
                if text is not None and setting.parameter in names:
                    setting.read(text, subject=setting.variable)
        return super().parse_args(ctx, args)


def setting_option(name: str, *flags: str, panel: str, metavar: str | None = None) -> Any:
    """Return the option of a setting, as the table of settings describes it; `resolve` checks what it is given."""
    setting = SETTINGS[name]
    return typer.Option(
        *flags,
        envvar=setting.variable,
        help=with_default(setting.help, setting.shown_default),
        show_default=False,
        metavar=_metavar(setting.kind, metavar),
        rich_help_panel=panel,
    )


def option(panel: str, variable: str, text: str, *flags: str, **more: Any) -> Any:
    """Return an option that is no setting, with its panel in `--help`, its environment variable, and its help."""
    return typer.Option(*flags, envvar=f"MODERATE_{variable}", help=text, rich_help_panel=panel, **more)


def with_default(text: str, default: str) -> str:
    """Return a help text, in Rich's markup, with a default in words, which Typer would put in parentheses."""
    return f"{text} [dim]\\[default: {default}][/dim]"


def _metavar(kind: Kind, name: str | None) -> str | None:
    if kind.choices:
        return f"[{'|'.join(kind.choices)}]"
    if kind.low is None:
        return name
    return f"{name} [x>={kind.low:g}]" if kind.high is None else f"{name} [{kind.low:g}<=x<={kind.high:g}]"


def given_settings(ctx: typer.Context) -> dict[str, Sourced]:
    """Return the settings among a command's options, and what says where others are, each with its option.

    Their variables are left to `resolve`, which reads those of settings without an option too.
    """
    names = {setting.parameter: setting.name for setting in SETTINGS.values()} | {
        "profile": "profile",
        "config": "config",
        "policy_from": "policy_from",
    }
    given = {}
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            value = ctx.params[parameter.name]
            flags = parameter.secondary_opts if value is False else parameter.opts
            given[names[parameter.name]] = Sourced(value, max(flags, key=len))
    return given
