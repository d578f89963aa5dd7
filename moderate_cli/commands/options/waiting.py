"""Options about waiting for queued tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from moderate_cli.commands.options.setting import option

_PANEL = "Waiting"


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """Whether to wait for the results of queued tasks, and how long."""

    wait: Annotated[bool, option(_PANEL, "WAIT", "Wait for the results.", "--wait")] = False
    wait_timeout: Annotated[
        float,
        option(
            _PANEL,
            "WAIT_TIMEOUT",
            "How long to wait in all; what is pending then is exit code 5.",
            min=1,
            metavar="SECONDS",
        ),
    ] = 3600.0
    poll_interval: Annotated[
        float,
        option(
            _PANEL,
            "POLL_INTERVAL",
            "Time before the first question and between two; the local engine is asked more often.",
            min=5,
            metavar="SECONDS",
        ),
    ] = 30.0
    save_frames: Annotated[
        Path | None,
        option(
            _PANEL,
            "SAVE_FRAMES",
            "Download the frames of animations at once: their addresses live five minutes.",
            metavar="FOLDER",
        ),
    ] = None
