"""Options about what makes a run fail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from moderate_cli.commands.flatten import FormerName
from moderate_cli.commands.options.setting import option, setting_option, with_default

_PANEL = "Gate"

PolicyFrom = Annotated[
    str | None,
    option(
        _PANEL,
        "POLICY_FROM",
        "Read moderate.yaml, ignore files, suppressions and the baseline at a git revision, such as the base of a pull "
        "request, so that a change cannot suppress its own findings.",
        metavar="REF",
    ),
]


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What makes a run fail."""

    fail_on: Annotated[str | None, setting_option("fail_on", panel=_PANEL)] = None
    allow_partial: Annotated[
        bool | None, setting_option("allow_partial", "--allow-partial/--no-allow-partial", panel=_PANEL)
    ] = None
    require_full: Annotated[
        bool | None, setting_option("require_full", "--require-full/--no-require-full", panel=_PANEL)
    ] = None
    policy_from: PolicyFrom = None
    suppressions: Annotated[
        Path | None,
        option(
            _PANEL,
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
            _PANEL,
            "BASELINE",
            "Suppress the findings of an earlier run, from its jsonl output.",
            metavar="FILE",
        ),
    ] = None
    show_suppressed: Annotated[
        bool,
        option(_PANEL, "SHOW_SUPPRESSED", "Show suppressed findings too.", "--show-suppressed"),
        FormerName("--show-ignored"),
    ] = False
    allow_empty: Annotated[
        bool, option(_PANEL, "ALLOW_EMPTY", "Exit with 0, not 6, when there is no image.", "--allow-empty")
    ] = False
