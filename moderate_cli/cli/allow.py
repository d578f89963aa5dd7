"""`moderate allow`: suppress findings, and write down why; list, remove and prune what was written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.catalog.labels import label_meaning, labels
from moderate_cli.cli.allowed import Terms, additions_from, checked_label, meant_by, target_of
from moderate_cli.cli.flatten import OUTPUT_PANEL, FormerName, with_default
from moderate_cli.cli.reference import nearest, show
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import counted, echo
from moderate_cli.gate.gate import locate, remarks_on, today
from moderate_cli.gate.removing import remove_suppressions
from moderate_cli.gate.suppressions import (
    ANY_LABEL,
    Addition,
    SuppressionEntry,
    add_suppressions,
    parse_suppressions,
    read_date,
    read_text,
)
from moderate_cli.render.listing import ListFormat, Listing, Row
from moderate_cli.settings.locate import Location

_ENTRIES = ("entry", "entries")
_SHORT = 12  # digits of a hash that a table shows


def allow(
    ctx: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Images, folders or globs, URLs or oss:// addresses as passed to `sync`; - for JSON Lines on stdin;"
            " or `list`, `remove IMAGE|LINE...`, `prune` (what has expired).",
            show_default=False,
        ),
    ],
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL,...", help="The labels to suppress; '*' for any (repeatable).", show_default=False),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why the finding is acceptable.", show_default=False)
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DATE", help="Last day the suppression applies, in UTC: YYYY-MM-DD.")
    ] = None,
    suppressions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="MODERATE_SUPPRESSIONS",
            help=with_default("Write the suppression to FILE.", "the nearest .moderate-suppressions.yaml"),
        ),
        FormerName("--ignore-file"),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        ListFormat,
        typer.Option(
            "-f",
            "--format",
            help="Of list; auto is a table on a terminal, json elsewhere.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = ListFormat.AUTO,
) -> None:
    """Suppress findings in images, so that they no longer fail the run."""
    environment: Environment = ctx.obj
    terms = Terms(_labels(label), _reason(reason), _expires(expires, environment) if expires else None)
    location = locate(suppressions)
    for remark in remarks_on(location):
        echo(environment, remark)
    first, *rest = images
    match first:
        case "list":
            _check_nothing_else(rest, reason, expires)
            show(_listing(location, environment, terms.labels), format, environment, color=Color.AUTO)
        case "remove":
            _check_nothing_else([], reason, expires)
            _remove(location, rest, terms.labels, environment)
        case "prune":
            _check_nothing_else([*rest, *terms.labels], reason, expires)
            _prune(location, environment)
        case "-":
            if rest:
                raise UsageError("- stands alone: each line names its image")
            additions = list(additions_from(environment.stdin, terms, location.path.parent))
            written = add_suppressions(location, additions)
            echo(
                environment, f"{location.name}: {counted(len(written), *_ENTRIES)} added, {_known(additions, written)}"
            )
        case _:
            _add(location, images, terms, environment)


def _add(location: Location, names: Sequence[str], terms: Terms, environment: Environment) -> None:
    """Write an entry for each image and label, and say which."""
    for option, value in (("--label", terms.labels), ("--reason", terms.reason)):
        if not value:
            raise UsageError(f"Missing option '{option}'", hint="see moderate allow --help")
    targets = {(each.sha256, each.path): each for each in (target_of(name, location.path.parent) for name in names)}
    additions: list[Addition] = []
    for target in targets.values():
        additions += target.entries(terms.labels, terms.reason or "", terms.expires)
    written = add_suppressions(location, additions)
    _note_unknown(terms.labels, environment)
    until = f" through {terms.expires}" if terms.expires else ""
    for entry in written:
        what = "every finding" if entry.label == ANY_LABEL else entry.label
        name = targets[entry.sha256, entry.path].name
        echo(environment, f"{location.name}:{entry.line} suppresses {what} in {name}{until}")
    if len(written) < len(additions):
        echo(environment, f"{location.name}: {_known(additions, written)}")


def _known(additions: Sequence[Addition], written: Sequence[SuppressionEntry]) -> str:
    """Return in words how many entries were there before."""
    known = len({entry for entry, _ in additions}) - len(written)
    return f"{counted(known, *_ENTRIES)} there before"


def _remove(location: Location, names: Sequence[str], labels: Sequence[str], environment: Environment) -> None:
    """Take out the entries that the names mean, or of these the ones with some labels."""
    if not names:
        raise UsageError("remove needs an IMAGE, or the LINE of an entry", hint="moderate allow list shows them")
    entries = parse_suppressions(_text(location), location.name)
    lines = set()
    for name in names:
        meant = [
            entry for entry in meant_by(name, entries, location.path.parent) if not labels or entry.label in labels
        ]
        if not meant:
            raise UsageError(f"{location.name} has no such entry about {name}", hint="moderate allow list shows them")
        lines |= {entry.line for entry in meant}
    _take_out(location, lines, environment)


def _prune(location: Location, environment: Environment) -> None:
    """Take out the entries that have expired."""
    now = today(environment.clock)
    entries = parse_suppressions(_text(location), location.name) if location.exists or location.required else ()
    _take_out(location, {entry.line for entry in entries if entry.has_expired(now)}, environment)


def _take_out(location: Location, lines: set[int], environment: Environment) -> None:
    if not lines:
        echo(environment, f"{location.name}: nothing to remove")
        return
    for entry in remove_suppressions(location, lines):
        about = entry.path or f"sha256 {entry.sha256}"
        echo(environment, f"{location.name}:{entry.line} removed: {entry.label} in {about}: {entry.reason}")


def _text(location: Location) -> str:
    if location.is_refused:
        raise UsageError(location.refused[0], hint="remove it, or name another file with --suppressions")
    return read_text(location)


def _listing(location: Location, environment: Environment, labels: Sequence[str]) -> Listing:
    """Return the entries of a suppressions file, or of these the ones with some labels."""
    now = today(environment.clock)
    entries = parse_suppressions(_text(location), location.name) if location.exists or location.required else ()
    return Listing(
        name="suppressions",
        source=location.name,
        date=now.isoformat(),
        fields=("line", "sha256", "path", "label", "reason", "expires", "expired"),
        columns=("Line", "Image", "Label", "Reason", "Expires"),
        rows=[_row(entry, now) for entry in entries if not labels or entry.label in labels],
    )


def _row(entry: SuppressionEntry, now: date) -> Row:
    expires = entry.expires.isoformat() if entry.expires else None
    data = {
        "line": entry.line,
        "sha256": entry.sha256,
        "path": entry.path,
        "label": entry.label,
        "reason": entry.reason,
        "expires": expires,
        "expired": entry.has_expired(now),
    }
    image = entry.path or f"sha256 {(entry.sha256 or '')[:_SHORT]}"
    until = f"{expires or 'never'}{' (expired)' if entry.has_expired(now) else ''}"
    return Row(data, (str(entry.line), image, entry.label, entry.reason, until))


def _check_nothing_else(more: Iterable[str], reason: str | None, expires: str | None) -> None:
    """Raise UsageError for what only entries that are written have."""
    if [*more, *([reason] if reason else []), *([expires] if expires else [])]:
        raise UsageError("list, remove and prune take no --reason and no --expires, and prune takes nothing")


def _labels(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels that are given, each once; raises UsageError for what is none."""
    return tuple(dict.fromkeys(checked_label(part) for value in values or () for part in value.split(",")))


def _reason(text: str | None) -> str | None:
    """Return a reason on one line; raises UsageError where it says nothing."""
    if text is None:
        return None
    reason = " ".join(text.split())
    if not reason:
        raise UsageError("--reason is empty", hint="say why the finding is acceptable")
    return reason


def _expires(text: str, environment: Environment) -> date:
    day = read_date(text.strip())
    if day is None:
        raise UsageError(f"--expires must be a date such as 2027-01-31, not {text!r}")
    if day < today(environment.clock):
        raise UsageError(f"--expires {day} is past", hint=f"today is {today(environment.clock)} in UTC")
    return day


def _note_unknown(names: Sequence[str], environment: Environment) -> None:
    for name in names:
        if name != ANY_LABEL and label_meaning(name) is None:
            hint = nearest(name, "labels", {known.label for known in labels()})
            echo(environment, f"unknown label {name} ({hint}); suppressed anyway")
