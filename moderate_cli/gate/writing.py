"""Adding an entry to a suppressions file: what is there stays as it is, and the file is valid before it appears."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from moderate_cli.errors import UsageError
from moderate_cli.gate.allow_file import parse_suppressions, read_text
from moderate_cli.gate.allowances import SuppressionEntry
from moderate_cli.settings.files import Location
from moderate_cli.settings.starter import write_new

_HEAD = """\
# Suppressed findings, which do not count for --fail-on. Each entry names images by sha256 or path (a glob, from this
# folder), a label (or "*" for any), the reason, and maybe the last day on which it counts (expires, in UTC).
# `moderate allow` adds to this file.
"""
_FIRST_DASH = re.compile(r"^( *)-(?=\s|$)", re.MULTILINE)


def add_suppression(location: Location, entry: SuppressionEntry, comment: str | None = None) -> int:
    """Add an entry at the end of a suppressions file, or begin one, and return its line, whatever the entry says it is.

    `comment` stands behind a sha256. Raises UsageError for a file that is broken, or cannot be added to.
    """
    if location.is_refused:
        raise UsageError(location.refused[0], hint="remove it, or name another file with --suppressions")
    with _alone_in(location.path):
        before = read_text(location) if location.exists else _HEAD
        known = parse_suppressions(before, location.name)
        after = before + _addition(before, entry, comment)
        line = _line_of_the_last(after, known, entry, location.name)
        write_new(location.path, after, force=True)
    return line


def _addition(before: str, entry: SuppressionEntry, comment: str | None) -> str:
    """Return the lines of an entry in the manner of those before it."""
    facts = {name: getattr(entry, name) for name in ("sha256", "path", "label", "reason", "expires")}
    given = {name: fact for name, fact in facts.items() if fact is not None}
    plain = all(str(fact).isprintable() for fact in given.values())  # else odd characters are written as escapes
    lines = yaml.safe_dump([given], allow_unicode=plain, sort_keys=False, width=sys.maxsize).rstrip("\n").split("\n")
    if entry.sha256 and comment:
        lines[0] += f"  # {comment if comment.isprintable() else ascii(comment)}"
    dash = _FIRST_DASH.search(before)
    indent = dash[1] if dash else ""
    newline = "\r\n" if "\r\n" in before else "\n"
    start = newline if before and not before.endswith("\n") else ""
    return start + "".join(f"{indent if line else ''}{line}{newline}" for line in lines)


def _line_of_the_last(text: str, known: tuple[SuppressionEntry, ...], last: SuppressionEntry, name: str) -> int:
    """Return the line of a text's last entry; raises UsageError where its entries are not those that it should have."""
    try:
        found = parse_suppressions(text, name)
    except UsageError:
        found = ()
    if not found or found[:-1] != known or replace(found[-1], line=last.line) != last:
        hint = "write its list as one entry after the other, each with a dash before it"
        raise UsageError(f"cannot add to {name}: an entry at its end would not be read", hint=hint)
    return found[-1].line


@contextmanager
def _alone_in(path: Path) -> Iterator[None]:
    """Keep others who add to a file waiting, by a lock on its folder, which ends with this process at the latest."""
    folder = Path(os.path.realpath(path)).parent  # unlike Path.resolve, it never raises
    try:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # no such locks on this system; writing tells what is wrong with the folder
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
