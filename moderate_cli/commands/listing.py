"""What the commands that list the catalogue share: their options, and what they say when nothing matches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import typer

from moderate_cli.catalogue.services import copied_service
from moderate_cli.commands.options import Color
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode, ModerateError
from moderate_cli.render.listing import ListFormat, Listing, show
from moderate_cli.render.safe import safe_text


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Which rows are shown, and how."""

    match: Annotated[
        str | None,
        typer.Option(
            "--match",
            metavar="TEXT",
            help="Only rows with this text in their name or their meaning, in upper or lower case.",
        ),
    ] = None
    format: Annotated[
        ListFormat,
        typer.Option("-f", "--format", help="auto is a table on a terminal, and json into a pipe or a file."),
    ] = ListFormat.AUTO
    color: Annotated[
        Color,
        typer.Option(envvar="MODERATE_COLOR", help="Use colour; NO_COLOR is honoured."),
    ] = Color.AUTO
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="MODERATE_DEBUG", help="Show the traceback of an error."),
    ] = False

    def matches(self, *texts: str | None) -> bool:
        """Tell whether one of a row's texts holds the text asked for."""
        wanted = (self.match or "").casefold()
        return any(wanted in text.casefold() for text in texts if text is not None)


class NothingMatchedError(ModerateError):
    """No row of the catalogue is what was asked for."""

    exit_code = ExitCode.NO_INPUT

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, code="nothing_matched", hint=hint)


def show_or_refuse(
    listing: Listing, options: ListOptions, environment: Environment, *, hint: str | None = None, **filters: str | None
) -> None:
    """Show a listing; one without rows, too, is a valid document.

    Raises NothingMatchedError where it has no rows, with the filters that left none and the hint.
    """
    show(listing, options.format, environment, color=options.color)
    if listing.rows:
        return
    environment.stdout.flush()
    given = {**filters, "match": options.match}
    words = " ".join(f"--{name} {value}" for name, value in given.items() if value is not None)
    raise NothingMatchedError(f"none of the known {listing.name} match {words}", hint=hint)


def nearest(name: str, kind: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that looks most like another, or at the command that lists them all."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), by_folded, n=1)
    return f"did you mean {by_folded[found[0]]}?" if found else f"moderate {kind} lists the known ones"


def note_copy(service: str | None, environment: Environment) -> None:
    """Say on standard error for which service a custom copy is taken."""
    copied = copied_service(service) if service else None
    if copied:
        environment.stderr.write(f"moderate: {safe_text(f'{service} is taken for a copy of {copied}')}\n")
