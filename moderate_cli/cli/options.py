"""The options that judging commands share, in the groups in which `--help` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from moderate_cli.cli.flatten import FormerName
from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError, read_text
from moderate_cli.common.text import echo
from moderate_cli.render import Format
from moderate_cli.settings import SETTINGS, Sourced
from moderate_cli.settings.load import PROFILE_VARIABLE
from moderate_cli.settings.locate import CONFIG_VARIABLE
from moderate_cli.settings.value_types import SettingType
from moderate_cli.sources import Selection, SourceList

__all__ = [
    "Color",
    "ColorChoice",
    "ConfigFile",
    "CostOptions",
    "DataIdFrom",
    "Debug",
    "FormatChoice",
    "GateOptions",
    "ImageCommandOptions",
    "ImageOptions",
    "OutputFile",
    "OutputOptions",
    "PolicyFrom",
    "ProfileName",
    "ReuseOptions",
    "ServiceOptions",
    "SettingsCommand",
    "SourceOptions",
    "StoreFile",
    "WaitOptions",
    "given_settings",
    "option",
    "with_default",
]

_MAX_BYTES = 4_096


def seed_of(given: str | None) -> str | None:
    """Return the seed: `@FILE` is what a file holds, and any other text is the seed itself; raises UsageError."""
    return _read(Path(given[1:])) if given is not None and given.startswith("@") else given


def tell_of_open_seed(ctx: typer.Context) -> None:
    """Tell of a seed that stands on the command line: all on this machine can read the list of processes."""
    source, environment = ctx.get_parameter_source("seed"), ctx.obj
    if source is not None and source.name == "COMMANDLINE" and not str(ctx.params["seed"]).startswith("@"):
        echo(environment, "others can read --seed in the list of processes: use MODERATE_SEED, or --seed @FILE")


def _read(path: Path) -> str:
    try:
        return read_text(path, _MAX_BYTES).strip()
    except FileError as error:
        raise UsageError(f"--seed @{path}: {error.reason}") from error


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
        metavar=_metavar(setting.type, metavar),
        rich_help_panel=panel,
    )


def option(panel: str, variable: str, text: str, *flags: str, **more: Any) -> Any:
    """Return an option that is no setting, with its panel in `--help`, its environment variable, and its help."""
    return typer.Option(*flags, envvar=f"MODERATE_{variable}", help=text, rich_help_panel=panel, **more)


def with_default(text: str, default: str) -> str:
    """Return a help text, in Rich's markup, with a default in words, which Typer would put in parentheses."""
    return f"{text} [dim]\\[default: {default}][/dim]"


def _metavar(kind: SettingType, name: str | None) -> str | None:
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


_OUTPUT_PANEL = "Output"
_REPORTS = "Further reports"


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


FormatChoice = Annotated[
    Format,
    option(
        _OUTPUT_PANEL, "FORMAT", "auto is a table on a terminal, and jsonl into a pipe or a file.", "-f", "--format"
    ),
]
OutputFile = Annotated[
    Path | None,
    option(_OUTPUT_PANEL, "OUTPUT", "Write to a file, in one piece at the end.", "-o", "--output", metavar="FILE"),
]
StoreFile = Annotated[
    Path | None,
    setting_option("store", panel=_OUTPUT_PANEL, metavar="FILE"),
]
ColorChoice = Annotated[Color, option(_OUTPUT_PANEL, "COLOR", "Use colour; NO_COLOR is honoured.")]
Debug = Annotated[bool, option(_OUTPUT_PANEL, "DEBUG", "Show the traceback of an error.", "--debug")]


def _report(name: str) -> Any:
    text = f"Write a report of this run as {name} too."
    return option(_REPORTS, f"{name.upper()}_OUTPUT", text, f"--{name}-output", metavar="FILE")


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is shown, where and how."""

    format: FormatChoice = Format.AUTO
    output: OutputFile = None
    store: StoreFile = None
    min_level: Annotated[str | None, setting_option("min_level", panel=_OUTPUT_PANEL)] = None
    raw: Annotated[bool, option(_OUTPUT_PANEL, "RAW", "Put the API's own answer into each record.", "--raw")] = False
    quiet: Annotated[
        bool,
        option(_OUTPUT_PANEL, "QUIET", "Neither notes nor the summary; errors only.", "-q", "--quiet"),
    ] = False
    no_progress: Annotated[
        bool, option(_OUTPUT_PANEL, "NO_PROGRESS", "Show no progress on stderr.", "--no-progress")
    ] = False
    verbose: Annotated[
        int,
        option(
            _OUTPUT_PANEL,
            "VERBOSE",
            "Tell each call on stderr; twice: also what is below it.",
            "-v",
            "--verbose",
            count=True,
        ),
    ] = 0
    color: ColorChoice = Color.AUTO
    debug: Debug = False
    csv_output: Annotated[Path | None, _report("csv")] = None
    html_output: Annotated[Path | None, _report("html")] = None
    json_output: Annotated[Path | None, _report("json")] = None
    jsonl_output: Annotated[Path | None, _report("jsonl")] = None
    junit_output: Annotated[Path | None, _report("junit")] = None
    markdown_output: Annotated[Path | None, _report("markdown")] = None
    sarif_output: Annotated[Path | None, _report("sarif")] = None


_SERVICE_PANEL = "Service"

ProfileName = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--profile",
        metavar="NAME",
        envvar=PROFILE_VARIABLE,
        help="A profile of settings; [bold]local[/bold] needs no account and asks the local engine.",
        rich_help_panel=_SERVICE_PANEL,
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="The settings file, in place of the nearest moderate.yaml.",
        rich_help_panel=_SERVICE_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Whom to ask, and how."""

    service: Annotated[
        list[str] | None, setting_option("services", "-s", "--service", panel=_SERVICE_PANEL, metavar="NAME,...")
    ] = None
    profile: ProfileName = None
    config: ConfigFile = None
    region: Annotated[str | None, setting_option("region", panel=_SERVICE_PANEL, metavar="ID")] = None
    endpoint: Annotated[str | None, setting_option("endpoint", panel=_SERVICE_PANEL, metavar="HOST")] = None
    vpc: Annotated[bool | None, setting_option("vpc", "--vpc/--no-vpc", panel=_SERVICE_PANEL)] = None
    timeout: Annotated[str | None, setting_option("timeout", panel=_SERVICE_PANEL, metavar="SECONDS")] = None
    jobs: Annotated[str | None, setting_option("jobs", "-j", "--jobs", panel=_SERVICE_PANEL, metavar="N")] = None
    qps: Annotated[str | None, setting_option("qps", panel=_SERVICE_PANEL, metavar="N")] = None
    retries: Annotated[str | None, setting_option("retries", panel=_SERVICE_PANEL, metavar="N")] = None


_SOURCES = "Sources"
_IMAGES = "Images"
_COST = "Reuse and cost"


class DataIdFrom(StrEnum):
    """What the id of an image is made of, where it has none of its own."""

    PATH = "path"
    NAME = "name"
    SHA256 = "sha256"


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Which images."""

    files_from: Annotated[
        str | None,
        option(
            _SOURCES,
            "FILES_FROM",
            "Read sources from FILE, or - for standard input: one a line, or JSON Lines with source, data_id, referer.",
            metavar="FILE",
        ),
    ] = None
    files_from0: Annotated[
        str | None,
        option(_SOURCES, "FILES_FROM0", "The same, with a NUL after each source.", "--files-from0", metavar="FILE"),
    ] = None
    include: Annotated[
        list[str] | None,
        setting_option("include", panel=_SOURCES, metavar="GLOB"),
    ] = None
    exclude: Annotated[
        list[str] | None,
        setting_option("exclude", panel=_SOURCES, metavar="GLOB"),
    ] = None
    no_ignore: Annotated[
        bool,
        option(_SOURCES, "NO_IGNORE", "Look at what .moderateignore and .gitignore leave out too.", "--no-ignore"),
    ] = False
    force_exclude: Annotated[
        bool,
        option(
            _SOURCES,
            "FORCE_EXCLUDE",
            "Leave out named files too that --exclude or an ignore file matches.",
            "--force-exclude",
        ),
    ] = False
    follow_links: Annotated[
        bool,
        option(_SOURCES, "FOLLOW_LINKS", "Follow links that lead out of a folder.", "--follow-links"),
    ] = False
    ordered: Annotated[
        bool,
        option(_SOURCES, "ORDERED", "Tell of images in the order in which they were given.", "--ordered"),
    ] = False

    @property
    def lists(self) -> tuple[SourceList, ...]:
        """The lists of further sources."""
        lists = []
        if self.files_from:
            lists.append(SourceList(self.files_from))
        if self.files_from0:
            lists.append(SourceList(self.files_from0, nul=True))
        return tuple(lists)

    @property
    def selection(self) -> Selection:
        """What is wanted of folders."""
        return Selection(
            tuple(self.include or ()),
            tuple(self.exclude or ()),
            ignore_files=not self.no_ignore,
            follow_links=self.follow_links,
            force_exclude=self.force_exclude,
        )


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What is said about each image."""

    info_type: Annotated[str | None, setting_option("info_types", panel=_IMAGES, metavar="TYPE,...")] = None
    data_id: Annotated[
        str | None, option(_IMAGES, "DATA_ID", "Your own id of the image; it comes back in the record.", metavar="ID")
    ] = None
    data_id_from: Annotated[
        DataIdFrom | None,
        option(_IMAGES, "DATA_ID_FROM", "Make the id of each image; what an id may not hold becomes _."),
    ] = None
    referer: Annotated[
        str | None,
        option(_IMAGES, "REFERER", "The Referer with which the service downloads a URL.", metavar="TEXT"),
    ] = None
    oss_region: Annotated[
        str | None,
        option(_IMAGES, "OSS_REGION", "Region of the buckets of oss:// sources, if not the call's.", metavar="ID"),
    ] = None
    no_preflight: Annotated[
        bool,
        option(_IMAGES, "NO_PREFLIGHT", "Send files too that the service would refuse.", "--no-preflight"),
    ] = False


@dataclass(frozen=True, slots=True)
class ReuseOptions:
    """What is not sent again."""

    reuse: Annotated[str | None, setting_option("reuse", panel=_COST, metavar="AGE")] = None
    retry_failed: Annotated[
        bool,
        option(_COST, "RETRY_FAILED", "Take only what failed in the last run of this very command.", "--retry-failed"),
    ] = False


@dataclass(frozen=True, slots=True)
class CostOptions:
    """What may be spent."""

    dry_run: Annotated[
        bool,
        option(_COST, "DRY_RUN", "Say what would be sent and what that costs, and send nothing.", "-n", "--dry-run"),
    ] = False
    max_calls: Annotated[
        str | None,
        setting_option("max_calls", panel=_COST, metavar="N"),
    ] = None


_WAITING_PANEL = "Waiting"


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """Whether to wait for the results of queued tasks, and how long."""

    wait: Annotated[bool, option(_WAITING_PANEL, "WAIT", "Wait for the results.", "--wait")] = False
    wait_timeout: Annotated[
        float,
        option(
            _WAITING_PANEL,
            "WAIT_TIMEOUT",
            "How long to wait in all; what is pending then is exit code 5.",
            min=1,
            metavar="SECONDS",
        ),
    ] = 3600.0
    poll_interval: Annotated[
        float,
        option(
            _WAITING_PANEL,
            "POLL_INTERVAL",
            "Time before the first question and between two; the local engine is asked more often.",
            min=5,
            metavar="SECONDS",
        ),
    ] = 30.0
    save_frames: Annotated[
        Path | None,
        option(
            _WAITING_PANEL,
            "SAVE_FRAMES",
            "Download the frames of animations at once: their addresses live five minutes.",
            metavar="FOLDER",
        ),
    ] = None


_GATE_PANEL = "Gate"

PolicyFrom = Annotated[
    str | None,
    option(
        _GATE_PANEL,
        "POLICY_FROM",
        "Read moderate.yaml, ignore files, suppressions and the baseline at a git revision, such as the base of a pull "
        "request, so that a change cannot suppress its own findings.",
        metavar="REF",
    ),
]


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What makes a run fail."""

    fail_on: Annotated[str | None, setting_option("fail_on", panel=_GATE_PANEL)] = None
    allow_partial: Annotated[
        bool | None, setting_option("allow_partial", "--allow-partial/--no-allow-partial", panel=_GATE_PANEL)
    ] = None
    require_full: Annotated[
        bool | None, setting_option("require_full", "--require-full/--no-require-full", panel=_GATE_PANEL)
    ] = None
    policy_from: PolicyFrom = None
    suppressions: Annotated[
        Path | None,
        option(
            _GATE_PANEL,
            "SUPPRESSIONS",
            with_default(
                "Suppress the findings listed in FILE (written by `moderate allow`).",
                "the nearest .moderate-suppressions.yaml",
            ),
            metavar="FILE",
        ),
        FormerName("--ignore-file"),
    ] = None
    baseline: Annotated[
        Path | None,
        option(
            _GATE_PANEL,
            "BASELINE",
            "Suppress the findings of an earlier run, from its jsonl output.",
            metavar="FILE",
        ),
    ] = None
    show_suppressed: Annotated[
        bool,
        option(_GATE_PANEL, "SHOW_SUPPRESSED", "Show suppressed findings too.", "--show-suppressed"),
        FormerName("--show-ignored"),
    ] = False
    allow_empty: Annotated[
        bool, option(_GATE_PANEL, "ALLOW_EMPTY", "Exit with 0, not 6, when there is no image.", "--allow-empty")
    ] = False


@dataclass(frozen=True, slots=True)
class ImageCommandOptions:
    """All that the commands share which send images."""

    service: ServiceOptions
    sources: SourceOptions
    images: ImageOptions
    reuse: ReuseOptions
    cost: CostOptions
    gate: GateOptions
    output: OutputOptions
