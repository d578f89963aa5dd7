"""The options that judging commands share, in the groups in which `--help` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from moderate_cli.render import Format
from moderate_cli.verdicts import RiskLevel

_SERVICE = "Service"
_GATE = "Gate"
_OUTPUT = "Output"


class FailOn(StrEnum):
    """The level from which the exit code says that something was found."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NEVER = "never"

    @property
    def level(self) -> RiskLevel | None:
        """The risk level, or None for never."""
        return None if self is FailOn.NEVER else RiskLevel(self.value)


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Whom to ask, and what."""

    service: Annotated[
        str | None,
        typer.Option(
            "-s",
            "--service",
            metavar="NAME",
            envvar="MODERATE_SERVICE",
            help="The moderation service.",
            show_default="baselineCheck_global or baselineCheck in cn- regions",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    info_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE,...",
            envvar="MODERATE_INFO_TYPE",
            help="Details to ask for: customImage, textInImage, publicFigure, logoData.",
            show_default="customImage,textInImage",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    data_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            envvar="MODERATE_DATA_ID",
            help="Your own id of the image; it comes back in the record.",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    referer: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="MODERATE_REFERER",
            help="The Referer with which the service downloads a URL.",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(
            "-p",
            "--profile",
            metavar="NAME",
            envvar="MODERATE_PROFILE",
            help="A profile of settings; [bold]local[/bold] needs no account and asks the local engine.",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    region: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            envvar="MODERATE_REGION",
            help="The region to ask; ALIBABA_CLOUD_REGION_ID is read too.",
            show_default="ap-southeast-1",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="HOST",
            envvar="MODERATE_ENDPOINT",
            help="Another endpoint than the region's.",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    vpc: Annotated[
        bool | None,
        typer.Option(
            "--vpc",
            envvar="MODERATE_VPC",
            help="Use the endpoints inside the vendor's network.",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            envvar="MODERATE_TIMEOUT",
            help="How long to wait for the answer to one call.",
            show_default="10",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j",
            "--jobs",
            min=1,
            max=64,
            metavar="N",
            envvar="MODERATE_JOBS",
            help="Images judged at the same time.",
            show_default="8",
            rich_help_panel=_SERVICE,
        ),
    ] = None
    no_preflight: Annotated[
        bool,
        typer.Option(
            "--no-preflight",
            envvar="MODERATE_NO_PREFLIGHT",
            help="Send files too that the service would refuse.",
            rich_help_panel=_SERVICE,
        ),
    ] = False

    def given(self) -> dict[str, Any]:
        """Return the settings among these options, None for those not given."""
        info_types = (
            None if self.info_type is None else [part.strip() for part in self.info_type.split(",") if part.strip()]
        )
        return {
            "service": self.service,
            "info_types": info_types,
            "profile": self.profile,
            "region": self.region,
            "endpoint": self.endpoint,
            "vpc": self.vpc,
            "timeout": self.timeout,
            "jobs": self.jobs,
        }


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What makes a run fail."""

    fail_on: Annotated[
        FailOn,
        typer.Option(
            envvar="MODERATE_FAIL_ON",
            help="Exit with 1 when an image is at this level or above.",
            rich_help_panel=_GATE,
        ),
    ] = FailOn.NEVER
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
    min_level: Annotated[
        RiskLevel,
        typer.Option(
            envvar="MODERATE_MIN_LEVEL",
            help="Show images at this level or above; those without a verdict are always shown.",
            rich_help_panel=_OUTPUT,
        ),
    ] = RiskLevel.NONE
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
