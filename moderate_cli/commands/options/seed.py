"""The seed of callbacks, which is a secret: it is read from a variable or a file, and may stand on a command line."""

from __future__ import annotations

from pathlib import Path

import typer

from moderate_cli.common.files import FileError, read_text
from moderate_cli.errors import UsageError
from moderate_cli.render.notes import say

_MAX_BYTES = 4_096


def seed_of(given: str | None) -> str | None:
    """Return the seed: `@FILE` is what a file holds, and any other text is the seed itself; raises UsageError."""
    return _read(Path(given[1:])) if given is not None and given.startswith("@") else given


def tell_of_open_seed(ctx: typer.Context) -> None:
    """Tell of a seed that stands on the command line: all on this machine can read the list of processes."""
    source, environment = ctx.get_parameter_source("seed"), ctx.obj
    if source is not None and source.name == "COMMANDLINE" and not str(ctx.params["seed"]).startswith("@"):
        say(environment, "others can read --seed in the list of processes: use MODERATE_SEED, or --seed @FILE")


def _read(path: Path) -> str:
    try:
        return read_text(path, _MAX_BYTES).strip()
    except FileError as error:
        raise UsageError(f"--seed @{path}: {error.reason}") from error
