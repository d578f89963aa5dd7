"""The options that judging commands share, in the groups in which `--help` shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from moderate_cli.app.spec import (
    SETTING_FIELDS,
    AccountOptions,
    CostOptions,
    GateOptions,
    ImageOptions,
    OutputOptions,
    Request,
    ReuseOptions,
    ServiceOptions,
    SourceOptions,
    WaitOptions,
)
from moderate_cli.cli.flatten import (
    OUTPUT_PANEL,
    ColorChoice,
    Debug,
    FormerName,
    describe,
    option,
    with_default,
)
from moderate_cli.cli.help_screen import PlainCommand
from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError, read_text
from moderate_cli.common.masking import has_password
from moderate_cli.common.text import echo
from moderate_cli.render import Format
from moderate_cli.settings import SETTINGS, Sourced
from moderate_cli.settings.load import PROFILE_VARIABLE
from moderate_cli.settings.locate import CONFIG_VARIABLE
from moderate_cli.settings.value_types import SettingType

_MAX_BYTES = 4_096


def seed_of(given: str | None) -> str | None:
    """Return the seed: `@FILE` is what a file holds, and any other text is the seed itself; raises UsageError."""
    return _read(Path(given[1:])) if given is not None and given.startswith("@") else given


def _read(path: Path) -> str:
    try:
        return read_text(path, _MAX_BYTES).strip()
    except FileError as error:
        raise UsageError(f"--seed @{path}: {error.reason}") from error


class SettingsCommand(PlainCommand):
    """A command with settings among its options; their variables are read as those without an option are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Check the variables of flags, which Typer would refuse in words of its own, and parse the command line.

        What should not stand there is told. Raises UsageError.
        """
        if not ctx.resilient_parsing and not set(args) & set(ctx.help_option_names):
            names = {option.name for option in self.params if getattr(option, "is_flag", False)}
            for setting in SETTINGS.values():
                text = ctx.obj.variable(setting.variable)
                if text is not None and setting.parameter in names:
                    setting.read(text, subject=setting.variable)
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            _tell_of_open_secrets(ctx)
        return rest


def _tell_of_open_secrets(ctx: typer.Context) -> None:
    """Tell of secrets on the command line: all on this machine can read the list of processes."""
    given = {parameter.name: ctx.params[parameter.name] for parameter in _given(ctx)}
    if not given.get("seed", "@").startswith("@"):
        echo(ctx.obj, "others can read --seed in the list of processes: use MODERATE_SEED, or --seed @FILE")
    for name, flag in (("quota", "--quota"), ("reuse_from", "--reuse-from")):
        if has_password(given.get(name, "")):
            variable = f"MODERATE_{name.upper()}"
            echo(ctx.obj, f"others can read the password in {flag} in the list of processes: use {variable}")


def _given(ctx: typer.Context) -> Iterator[Any]:
    """Yield the parameters that stand on the command line."""
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            yield parameter


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
    given = {}
    for parameter in _given(ctx):
        if parameter.name in SETTING_FIELDS:
            value = ctx.params[parameter.name]
            flags = parameter.secondary_opts if value is False else parameter.opts
            given[SETTING_FIELDS[parameter.name]] = Sourced(value, max(flags, key=len))
    return given


def request_of(ctx: typer.Context) -> Request:
    """Return who asks for a run: this command, with the settings among its options."""
    return Request(str(ctx.info_name), ctx.obj, given_settings(ctx))


_REPORTS = "Further reports"


FormatChoice = Annotated[
    Format,
    option(
        OUTPUT_PANEL,
        "FORMAT",
        "Format of the results; auto is a table on a terminal, jsonl in a pipe or file.",
        "-f",
        "--format",
    ),
]
OutputFile = Annotated[
    Path | None,
    option(OUTPUT_PANEL, "OUTPUT", "Write to FILE (atomically).", "-o", "--output", metavar="FILE"),
]
StoreFile = Annotated[
    Path | None,
    setting_option("store", panel=OUTPUT_PANEL, metavar="FILE"),
]


def _report(name: str) -> Any:
    text = f"Also write the report in {name} to FILE."
    return option(_REPORTS, f"{name.upper()}_OUTPUT", text, f"--{name}-output", metavar="FILE")


Quiet = Annotated[bool, option(OUTPUT_PANEL, "QUIET", "Print errors only.", "-q", "--quiet")]
CsvBom = Annotated[bool, option(OUTPUT_PANEL, "CSV_BOM", "Begin CSV with a byte order mark, for Excel.", "--csv-bom")]
CsvFile = Annotated[Path | None, _report("csv")]
HtmlFile = Annotated[Path | None, _report("html")]
JsonFile = Annotated[Path | None, _report("json")]
JsonlFile = Annotated[Path | None, _report("jsonl")]
JunitFile = Annotated[Path | None, _report("junit")]
MarkdownFile = Annotated[Path | None, _report("markdown")]
SarifFile = Annotated[Path | None, _report("sarif")]


_SERVICE_PANEL = "Service"

ProfileName = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--profile",
        metavar="NAME",
        envvar=PROFILE_VARIABLE,
        help="Profile, or local, which needs no account: the local engine.",
        rich_help_panel=_SERVICE_PANEL,
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="Settings file to use instead of the nearest moderate.yaml.",
        rich_help_panel=_SERVICE_PANEL,
    ),
]


_SOURCES = "Sources"

SourceNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE...]",
        help="Files, folders, globs, http(s) URLs, oss://BUCKET/KEY or oss://BUCKET/PREFIX/; - for stdin.",
        show_default=False,
        rich_help_panel=_SOURCES,
    ),
]

_IMAGES = "Images"
_COST = "Reuse and cost"


_WAITING_PANEL = "Waiting"


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


_VERBOSE = option(
    OUTPUT_PANEL,
    "VERBOSE",
    "Log each call to stderr; twice for debug logging.",
    "-v",
    "--verbose",
    count=True,
)
describe(
    ServiceOptions,
    service=setting_option("services", "-s", "--service", panel=_SERVICE_PANEL, metavar="NAME,..."),
    profile=ProfileName,
    config=ConfigFile,
    region=setting_option("region", panel=_SERVICE_PANEL, metavar="ID"),
    endpoint=setting_option("endpoint", panel=_SERVICE_PANEL, metavar="HOST"),
    vpc=setting_option("vpc", "--vpc/--no-vpc", panel=_SERVICE_PANEL),
    timeout=setting_option("timeout", panel=_SERVICE_PANEL, metavar="SECONDS"),
    jobs=setting_option("jobs", "-j", "--jobs", panel=_SERVICE_PANEL, metavar="N"),
    qps=setting_option("qps", panel=_SERVICE_PANEL, metavar="N"),
    quota=setting_option("quota", panel=_SERVICE_PANEL, metavar="PLACE"),
    retries=setting_option("retries", panel=_SERVICE_PANEL, metavar="N"),
    rules=setting_option("rules", panel=_SERVICE_PANEL, metavar="FILE"),
    fetch_urls=setting_option("fetch_urls", "--fetch-urls/--no-fetch-urls", panel=_SERVICE_PANEL),
)
describe(
    AccountOptions,
    profile=ProfileName,
    config=ConfigFile,
    region=setting_option("region", panel=_SERVICE_PANEL, metavar="ID"),
    endpoint=setting_option("endpoint", panel=_SERVICE_PANEL, metavar="HOST"),
    vpc=setting_option("vpc", "--vpc/--no-vpc", panel=_SERVICE_PANEL),
    timeout=setting_option("timeout", panel=_SERVICE_PANEL, metavar="SECONDS"),
    retries=setting_option("retries", panel=_SERVICE_PANEL, metavar="N"),
    verbose=_VERBOSE,
    debug=Debug,
)
describe(
    SourceOptions,
    files_from=option(
        _SOURCES,
        "FILES_FROM",
        "Read sources from FILE (- for stdin): one per line, or JSON Lines with source, data_id, referer.",
        metavar="FILE",
    ),
    files_from0=option(
        _SOURCES, "FILES_FROM0", "The same, with a NUL after each source.", "--files-from0", metavar="FILE"
    ),
    changed_since=option(
        _SOURCES,
        "CHANGED_SINCE",
        "Only images that git says were added or changed since REF, below each SOURCE or in the whole repository.",
        metavar="REF",
    ),
    include=setting_option("include", panel=_SOURCES, metavar="GLOB"),
    exclude=setting_option("exclude", panel=_SOURCES, metavar="GLOB"),
    no_ignore=option(_SOURCES, "NO_IGNORE", "Do not apply .moderateignore and .gitignore.", "--no-ignore"),
    force_exclude=option(
        _SOURCES,
        "FORCE_EXCLUDE",
        "Apply --exclude and ignore files to named files too.",
        "--force-exclude",
    ),
    follow_links=option(_SOURCES, "FOLLOW_LINKS", "Follow symbolic links that lead out of a folder.", "--follow-links"),
    ordered=option(_SOURCES, "ORDERED", "Report results in input order.", "--ordered"),
    shard=option(
        _SOURCES,
        "SHARD",
        "Only the I-th of N shards of the images; auto asks the scheduler (Kubernetes, Slurm, AWS Batch, GitLab).",
        metavar="I/N",
    ),
)
describe(
    ImageOptions,
    info_type=setting_option("info_types", panel=_IMAGES, metavar="TYPE,..."),
    data_id=option(_IMAGES, "DATA_ID", "Your ID for the image; returned in the record.", metavar="ID"),
    data_id_from=option(_IMAGES, "DATA_ID_FROM", "Derive each image's ID; invalid characters become _."),
    referer=option(_IMAGES, "REFERER", "Referer header for URLs that the service downloads.", metavar="TEXT"),
    oss_region=option(_IMAGES, "OSS_REGION", "Region of oss:// buckets, if not the call's region.", metavar="ID"),
    oss_profile=setting_option("oss_profile", panel=_IMAGES, metavar="NAME"),
    no_preflight=option(
        _IMAGES, "NO_PREFLIGHT", "Skip local checks; send files that the service would reject.", "--no-preflight"
    ),
)
describe(
    ReuseOptions,
    reuse=setting_option("reuse", panel=_COST, metavar="AGE"),
    reuse_addresses=option(
        _COST,
        "REUSE_ADDRESSES",
        "With --reuse, take a URL or an object of the same name for the same image: it is not looked at.",
        "--reuse-addresses",
    ),
    reuse_from=option(
        _COST,
        "REUSE_FROM",
        "With --reuse, share the results with other hosts through Redis (redis://HOST).",
        "--reuse-from",
        metavar="PLACE",
    ),
    retry_failed=option(
        _COST, "RETRY_FAILED", "Retry only what failed in the last run of this command.", "--retry-failed"
    ),
    prescreen=option(
        _COST, "PRESCREEN", "Do not send images that the image libraries of --rules know (sync, batch).", "--prescreen"
    ),
)
describe(
    CostOptions,
    dry_run=option(_COST, "DRY_RUN", "Show what would be sent and its cost; send nothing.", "-n", "--dry-run"),
    max_calls=setting_option("max_calls", panel=_COST, metavar="N"),
    confirm_above=setting_option("confirm_above", panel=_COST, metavar="N"),
    yes=option(_COST, "YES", "Answer yes to the question of --confirm-above.", "-y", "--yes"),
)
AllowEmpty = Annotated[
    bool, option(_GATE_PANEL, "ALLOW_EMPTY", "Exit 0 instead of 6 when no input matches.", "--allow-empty")
]
_SHOW_SUPPRESSED = option(_GATE_PANEL, "SHOW_SUPPRESSED", "Show suppressed findings as well.", "--show-suppressed")
ShowSuppressed = Annotated[bool, _SHOW_SUPPRESSED]
describe(
    GateOptions,
    fail_on=setting_option("fail_on", panel=_GATE_PANEL),
    allow_partial=setting_option("allow_partial", "--allow-partial/--no-allow-partial", panel=_GATE_PANEL),
    require_full=setting_option("require_full", "--require-full/--no-require-full", panel=_GATE_PANEL),
    policy_from=PolicyFrom,
    suppressions=[
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
    ],
    baseline=option(
        _GATE_PANEL,
        "BASELINE",
        "Suppress findings of an earlier run (its jsonl output).",
        metavar="FILE",
    ),
    show_suppressed=[_SHOW_SUPPRESSED, FormerName("--show-ignored")],
    allow_empty=AllowEmpty,
)
describe(
    OutputOptions,
    format=FormatChoice,
    output=OutputFile,
    store=StoreFile,
    min_level=setting_option("min_level", panel=OUTPUT_PANEL),
    show_clean=option(
        OUTPUT_PANEL, "SHOW_CLEAN", "Name clean images in a table too (as --min-level none).", "--show-clean"
    ),
    raw=option(OUTPUT_PANEL, "RAW", "Include the raw API response in each record.", "--raw"),
    quiet=Quiet,
    no_progress=option(OUTPUT_PANEL, "NO_PROGRESS", "No progress bar.", "--no-progress"),
    verbose=_VERBOSE,
    color=ColorChoice,
    debug=Debug,
    csv_bom=CsvBom,
    csv_output=CsvFile,
    html_output=HtmlFile,
    json_output=JsonFile,
    jsonl_output=JsonlFile,
    junit_output=JunitFile,
    markdown_output=MarkdownFile,
    sarif_output=SarifFile,
)
describe(
    WaitOptions,
    wait=option(_WAITING_PANEL, "WAIT", "Wait for the results.", "--wait"),
    wait_timeout=option(
        _WAITING_PANEL,
        "WAIT_TIMEOUT",
        "Maximum time to wait; exit 5 if tasks are still pending.",
        min=1,
        metavar="SECONDS",
    ),
    poll_interval=option(
        _WAITING_PANEL,
        "POLL_INTERVAL",
        "Time between polls (the local engine is polled more often).",
        min=5,
        metavar="SECONDS",
    ),
    save_frames=option(
        _WAITING_PANEL,
        "SAVE_FRAMES",
        "Save frames of animations to FOLDER (their URLs expire after five minutes).",
        metavar="FOLDER",
    ),
)
