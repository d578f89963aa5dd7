"""The options that judging commands share, in the groups in which `--help` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from moderate_cli.render import Format
from moderate_cli.settings import SETTINGS, FailOn, Sourced
from moderate_cli.settings.files import CONFIG_VARIABLE
from moderate_cli.settings.resolving import PROFILE_VARIABLE
from moderate_cli.verdicts import RiskLevel

_SERVICE = "Service"
_IMAGES = "Images"
_WAIT = "Waiting"
_GATE = "Gate"
_OUTPUT = "Output"


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def _setting(name: str, *flags: str, panel: str = _SERVICE, **more: Any) -> Any:
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


ProfileName = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--profile",
        metavar="NAME",
        envvar=PROFILE_VARIABLE,
        help="A profile of settings; [bold]local[/bold] needs no account and asks the local engine.",
        rich_help_panel=_SERVICE,
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="The settings file, in place of the nearest moderate.yaml.",
        rich_help_panel=_SERVICE,
    ),
]


def given_settings(ctx: typer.Context) -> dict[str, Sourced]:
    """Return the settings among a command's options, each with the option it came from.

    Their variables are left to `resolve`, which reads those of settings without an option too.
    """
    names = {setting.parameter: setting.name for setting in SETTINGS.values()} | {
        "profile": "profile",
        "config": "config",
    }
    given = {}
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            value = ctx.params[parameter.name]
            flags = parameter.secondary_opts if value is False else parameter.opts
            given[names[parameter.name]] = Sourced(value, max(flags, key=len))
    return given


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Whom to ask, and how."""

    service: Annotated[list[str] | None, _setting("services", "-s", "--service", metavar="NAME,...")] = None
    profile: ProfileName = None
    config: ConfigFile = None
    region: Annotated[str | None, _setting("region", metavar="ID")] = None
    endpoint: Annotated[str | None, _setting("endpoint", metavar="HOST")] = None
    vpc: Annotated[bool | None, _setting("vpc", "--vpc/--no-vpc")] = None
    timeout: Annotated[float | None, _setting("timeout", metavar="SECONDS")] = None
    jobs: Annotated[int | None, _setting("jobs", "-j", "--jobs", metavar="N")] = None
    qps: Annotated[float | None, _setting("qps", metavar="N")] = None
    retries: Annotated[int | None, _setting("retries", metavar="N")] = None


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What is said about each image."""

    info_type: Annotated[str | None, _setting("info_types", panel=_IMAGES, metavar="TYPE,...")] = None
    data_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            envvar="MODERATE_DATA_ID",
            help="Your own id of the image; it comes back in the record.",
            rich_help_panel=_IMAGES,
        ),
    ] = None
    referer: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="MODERATE_REFERER",
            help="The Referer with which the service downloads a URL.",
            rich_help_panel=_IMAGES,
        ),
    ] = None
    no_preflight: Annotated[
        bool,
        typer.Option(
            "--no-preflight",
            envvar="MODERATE_NO_PREFLIGHT",
            help="Send files too that the service would refuse.",
            rich_help_panel=_IMAGES,
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """Whether to wait for the results of queued tasks, and how long."""

    wait: Annotated[
        bool,
        typer.Option("--wait", envvar="MODERATE_WAIT", help="Wait for the results.", rich_help_panel=_WAIT),
    ] = False
    wait_timeout: Annotated[
        float,
        typer.Option(
            min=1,
            metavar="SECONDS",
            envvar="MODERATE_WAIT_TIMEOUT",
            help="How long to wait in all; what is pending then is exit code 5.",
            rich_help_panel=_WAIT,
        ),
    ] = 3600.0
    poll_interval: Annotated[
        float,
        typer.Option(
            min=5,
            metavar="SECONDS",
            envvar="MODERATE_POLL_INTERVAL",
            help="Time before the first question and between two; the local engine is asked more often.",
            rich_help_panel=_WAIT,
        ),
    ] = 30.0
    save_frames: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="MODERATE_SAVE_FRAMES",
            help="Download the frames of animations at once: their addresses live five minutes.",
            rich_help_panel=_WAIT,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What makes a run fail."""

    fail_on: Annotated[FailOn | None, _setting("fail_on", panel=_GATE)] = None
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty",
            envvar="MODERATE_ALLOW_EMPTY",
            help="Exit with 0, not 6, when there is no image.",
            rich_help_panel=_GATE,
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is shown, where and how."""

    format: Annotated[
        Format,
        typer.Option(
            "-f",
            "--format",
            envvar="MODERATE_FORMAT",
            help="auto is a table on a terminal, and jsonl into a pipe or a file.",
            rich_help_panel=_OUTPUT,
        ),
    ] = Format.AUTO
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            envvar="MODERATE_OUTPUT",
            help="Write to a file, in one piece at the end.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="MODERATE_STORE",
            help="Where runs, results and tasks are kept.",
            show_default="store.db in the platform's folder for state",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    min_level: Annotated[RiskLevel | None, _setting("min_level", panel=_OUTPUT)] = None
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            envvar="MODERATE_RAW",
            help="Put the API's own answer into each record.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False
    quiet: Annotated[
        bool,
        typer.Option(
            "-q",
            "--quiet",
            envvar="MODERATE_QUIET",
            help="Neither notes nor the summary; errors only.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False
    verbose: Annotated[
        int,
        typer.Option(
            "-v",
            "--verbose",
            count=True,
            envvar="MODERATE_VERBOSE",
            help="Tell each call on stderr; twice: also what is below it.",
            rich_help_panel=_OUTPUT,
        ),
    ] = 0
    color: Annotated[
        Color,
        typer.Option(
            envvar="MODERATE_COLOR",
            help="Use colour; NO_COLOR is honoured.",
            rich_help_panel=_OUTPUT,
        ),
    ] = Color.AUTO
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            envvar="MODERATE_DEBUG",
            help="Show the traceback of an error.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False
