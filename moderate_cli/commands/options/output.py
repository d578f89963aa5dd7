"""Options about what is shown, where and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from moderate_cli.commands.options.setting import option, setting_option
from moderate_cli.render import Format

_PANEL = "Output"
_REPORTS = "Further reports"


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


FormatChoice = Annotated[
    Format,
    option(_PANEL, "FORMAT", "auto is a table on a terminal, and jsonl into a pipe or a file.", "-f", "--format"),
]
OutputFile = Annotated[
    Path | None,
    option(_PANEL, "OUTPUT", "Write to a file, in one piece at the end.", "-o", "--output", metavar="FILE"),
]
StoreFile = Annotated[
    Path | None,
    setting_option("store", panel=_PANEL, metavar="FILE"),
]
ColorChoice = Annotated[Color, option(_PANEL, "COLOR", "Use colour; NO_COLOR is honoured.")]
Debug = Annotated[bool, option(_PANEL, "DEBUG", "Show the traceback of an error.", "--debug")]


def _report(name: str) -> Any:
    text = f"Write a report of this run as {name} too."
    return option(_REPORTS, f"{name.upper()}_OUTPUT", text, f"--{name}-output", metavar="FILE")


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is shown, where and how."""

    format: FormatChoice = Format.AUTO
    output: OutputFile = None
    store: StoreFile = None
    min_level: Annotated[str | None, setting_option("min_level", panel=_PANEL)] = None
    raw: Annotated[bool, option(_PANEL, "RAW", "Put the API's own answer into each record.", "--raw")] = False
    quiet: Annotated[
        bool,
        option(_PANEL, "QUIET", "Neither notes nor the summary; errors only.", "-q", "--quiet"),
    ] = False
    no_progress: Annotated[bool, option(_PANEL, "NO_PROGRESS", "Show no progress on stderr.", "--no-progress")] = False
    verbose: Annotated[
        int,
        option(
            _PANEL,
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
