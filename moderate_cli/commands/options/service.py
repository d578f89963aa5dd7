"""Options about whom to ask, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from moderate_cli.commands.options.setting import setting_option
from moderate_cli.settings.files import CONFIG_VARIABLE
from moderate_cli.settings.resolving import PROFILE_VARIABLE

_PANEL = "Service"

ProfileName = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--profile",
        metavar="NAME",
        envvar=PROFILE_VARIABLE,
        help="A profile of settings; [bold]local[/bold] needs no account and asks the local engine.",
        rich_help_panel=_PANEL,
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="The settings file, in place of the nearest moderate.yaml.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Whom to ask, and how."""

    service: Annotated[
        list[str] | None, setting_option("services", "-s", "--service", panel=_PANEL, metavar="NAME,...")
    ] = None
    profile: ProfileName = None
    config: ConfigFile = None
    region: Annotated[str | None, setting_option("region", panel=_PANEL, metavar="ID")] = None
    endpoint: Annotated[str | None, setting_option("endpoint", panel=_PANEL, metavar="HOST")] = None
    vpc: Annotated[bool | None, setting_option("vpc", "--vpc/--no-vpc", panel=_PANEL)] = None
    timeout: Annotated[str | None, setting_option("timeout", panel=_PANEL, metavar="SECONDS")] = None
    jobs: Annotated[str | None, setting_option("jobs", "-j", "--jobs", panel=_PANEL, metavar="N")] = None
    qps: Annotated[str | None, setting_option("qps", panel=_PANEL, metavar="N")] = None
    retries: Annotated[str | None, setting_option("retries", panel=_PANEL, metavar="N")] = None
