"""`moderate allow`: suppress a finding, and write down why."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.catalog.labels import label_meaning, labels
from moderate_cli.cli.flatten import FormerName, with_default
from moderate_cli.cli.reference import nearest
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import echo
from moderate_cli.gate.gate import locate, remarks_on, today
from moderate_cli.gate.suppressions import ANY_LABEL, SuppressionEntry, add_suppressions, read_date
from moderate_cli.models import NO_FINDING


def allow(
    ctx: typer.Context,
    image: Annotated[
        str,
        typer.Argument(metavar="IMAGE", help="A file, or a URL or oss:// address as passed to `sync`."),
    ],
    label: Annotated[
        str, typer.Option(metavar="LABEL", help="The label to suppress; '*' for any.", show_default=False)
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why the finding is acceptable.", show_default=False)],
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
) -> None:
    """Suppress a finding in an image, so that it no longer fails the run."""
    environment: Environment = ctx.obj
    is_address = "://" in image
    entry = SuppressionEntry(
        sha256=None if is_address else _sha256(image),
        path=glob.escape(image) if is_address else None,
        label=_label(label),
        reason=_reason(reason),
        expires=_expires(expires, environment) if expires else None,
    )
    location = locate(suppressions)
    for remark in remarks_on(location):
        echo(environment, remark)
    comment = None if is_address else _path_from(location.path.parent, image)
    lines = add_suppressions(location, [(entry, comment)])
    _note_unknown(entry.label, environment)
    until = f" through {entry.expires}" if entry.expires else ""
    what = "every finding" if entry.label == ANY_LABEL else entry.label
    if not lines:
        echo(environment, f"{location.name} suppresses {what} in {image} already{until}")
        return
    echo(environment, f"{location.name}:{lines[0]} suppresses {what} in {image}{until}")


def _sha256(name: str) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises UsageError where it cannot be read."""
    try:
        path = Path(name)
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(
                f"{name}: not a file", hint="give one image; in the file, a glob suppresses many by their path"
            )
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UsageError(f"{name}: no such file", hint="check the name") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise UsageError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _label(text: str) -> str:
    label = text.strip()
    if not label:
        raise UsageError("--label is empty", hint=f"give the label, or {ANY_LABEL!r} for any")
    if label == NO_FINDING:
        raise UsageError(f"{NO_FINDING} says that nothing was found, so there is nothing to suppress")
    if ANY_LABEL in label and label != ANY_LABEL:
        raise UsageError(f"--label must be a whole label, or {ANY_LABEL!r} for any, not {label!r}")
    return label


def _reason(text: str) -> str:
    """Return a reason on one line; raises UsageError where it says nothing."""
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


def _path_from(folder: Path, name: str) -> str:
    try:
        return os.path.relpath(name, folder).replace(os.sep, "/")
    except ValueError:  # on another drive
        return name


def _note_unknown(label: str, environment: Environment) -> None:
    if label != ANY_LABEL and label_meaning(label) is None:
        hint = nearest(label, "labels", {known.label for known in labels()})
        echo(environment, f"unknown label {label} ({hint}); suppressed anyway")
