"""The commands, one thin module each; this page lists them so that none is imported before it is chosen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A line of `moderate --help`: the command's name, its module below this room, its help and its panel."""

    name: str
    module: str
    help: str
    panel: str


_JUDGE = "Judge"
_KNOW = "Know"

COMMANDS = (
    CommandEntry("sync", "sync", "Judge images now: files, folders and URLs.", _JUDGE),
    CommandEntry("schema", "schema", "Print the JSON Schema of a record.", _KNOW),
)
