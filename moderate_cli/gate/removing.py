"""How are entries taken out of a suppressions file? So that all else stays as a person wrote it, comments too."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import yaml
from msgspec.structs import replace

from moderate_cli.common.errors import UsageError
from moderate_cli.gate.suppressions import (
    SuppressionEntry,
    alone_in,
    parse_suppressions,
    read_text,
)
from moderate_cli.settings.edit import write_new
from moderate_cli.settings.locate import Location

_HINT = "edit it by hand"


def remove_suppressions(location: Location, lines: Collection[int]) -> list[SuppressionEntry]:
    """Take the entries that begin at some lines out of a suppressions file, and return them.

    Comments between entries stay. Raises UsageError if the file is invalid, no entry begins at a line, or an entry
    cannot be taken out by itself; nothing is written then.
    """
    with alone_in(location.path):
        before = read_text(location)
        known = parse_suppressions(before, location.name)
        gone = [entry for entry in known if entry.line in lines]
        if missing := set(lines) - {entry.line for entry in gone}:
            raise UsageError(f"{location.name}:{min(missing)}: no entry begins here", hint="moderate allow list")
        if len(gone) > len(set(lines)):
            raise UsageError(f"{location.name}: several entries begin at one line", hint=_HINT)
        left = [replace(entry, line=0) for entry in known if entry.line not in lines]
        after = _without(before, lines)
        if [replace(entry, line=0) for entry in _read(after, location.name)] != left:
            raise UsageError(f"{location.name}: an entry cannot be taken out by itself", hint=_HINT)
        write_new(location.path, after, force=True)
    return gone


def _read(text: str, name: str) -> tuple[SuppressionEntry, ...] | list[SuppressionEntry]:
    try:
        return parse_suppressions(text, name)
    except UsageError as error:
        raise UsageError(f"{name}: an entry cannot be taken out by itself", hint=_HINT) from error


def _without(text: str, first_lines: Collection[int]) -> str:
    """Return a text without the lines of the entries that begin at some lines."""
    lines = text.splitlines(keepends=True)
    for first, last in sorted(_spans(text, lines), reverse=True):
        if first + 1 in first_lines:
            del lines[first : last + 1]
    return "".join(lines)


def _spans(text: str, lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last line of each entry, counted from 0."""
    root = yaml.compose(text.removeprefix("\ufeff"), yaml.SafeLoader)
    if not isinstance(root, yaml.SequenceNode):
        return
    begins = [node.start_mark.line for node in root.value]
    for index, node in enumerate(root.value):
        first = begins[index]
        beyond = begins[index + 1] if index + 1 < len(begins) else len(lines)
        end = node.end_mark
        last = max(first, min(end.line - (end.column == 0), beyond - 1))
        margin = _indent(lines[first])
        while last > first and _is_between(lines[last], margin):
            last -= 1
        yield first, last


def _is_between(line: str, margin: int) -> bool:
    """Return whether a line stands between entries: a blank one, or a comment that is not indented as their content."""
    content = line.strip()
    return not content or (content.startswith("#") and _indent(line) <= margin) or content in {"...", "---"}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
