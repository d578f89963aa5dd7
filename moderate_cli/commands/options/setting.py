"""How options are declared: those of settings, those of their own, and which settings were given by options."""

from __future__ import annotations

from typing import Any

import typer

from moderate_cli.settings import SETTINGS, Sourced


def setting_option(name: str, *flags: str, panel: str, **more: Any) -> Any:
    """Return the option of a setting, as the table of settings describes it."""
    setting = SETTINGS[name]
    return typer.Option(
        *flags,
        envvar=setting.variable,
        help=setting.help,
        show_default=setting.shown_default,
        min=setting.kind.low,
        max=setting.kind.high,
        rich_help_panel=panel,
        **more,
    )


def option(panel: str, variable: str, text: str, *flags: str, **more: Any) -> Any:
    """Return an option that is no setting, with its panel in `--help`, its environment variable, and its help."""
    return typer.Option(*flags, envvar=f"MODERATE_{variable}", help=text, rich_help_panel=panel, **more)


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
