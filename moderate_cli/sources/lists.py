"""Lists of sources, read line by line: plain names, JSON Lines with `source`, or names that end with NUL."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO

from moderate_cli.errors import InputError
from moderate_cli.verdicts import BrokenInput, Item

STANDARD_INPUT = "-"
MAX_BYTES = 64 * 1024  # of one source: memory stays flat whatever a file holds
_BLOCK = 64 * 1024
_KEYS = ("source", "data_id", "referer")


@dataclass(frozen=True, slots=True)
class SourceList:
    """A file that names sources, or `-` for standard input; with `nul` each name ends with NUL, else with its line."""

    name: str
    nul: bool = False


class Listed(NamedTuple):
    """One source of a list, and what is to be sent along with it."""

    source: str
    data_id: str | None = None
    referer: str | None = None


def read_list(listing: SourceList, stdin: TextIO) -> Iterator[Listed | Item]:
    """Yield each source of a list as soon as it was read; what cannot be read is an item that names its place.

    A line that starts with `{` is JSON with `source` and, where wanted, `data_id` and `referer`. Blank lines and empty
    names are nothing; every other line is a name as it stands, for a name may have any character.
    """
    entries = _in_parts if listing.nul else _in_lines
    try:
        if listing.name == STANDARD_INPUT:
            # Bytes where there are any: names need not be UTF-8.
            yield from entries(getattr(stdin, "buffer", stdin), "")
        else:
            with Path(listing.name).open("rb") as file:
                yield from entries(file, f"{listing.name}, ")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        yield _broken(listing.name, f"the list cannot be read: {reason}", "unreadable", "check the name")


def _in_lines(stream: IO[Any], place: str) -> Iterator[Listed | Item]:
    for number, line in enumerate(_lines(stream), start=1):
        text = line.rstrip(b"\r\n")
        if number == 1:
            text = text.removeprefix(codecs.BOM_UTF8)
        if len(text) > MAX_BYTES:
            yield _too_long(f"{place}line {number}")
        elif text.startswith(b"{"):
            yield _from_json(text, f"{place}line {number}")
        elif text.strip():
            yield Listed(text.decode("utf-8", "surrogateescape"))


def _in_parts(stream: IO[Any], place: str) -> Iterator[Listed | Item]:
    for number, part in enumerate(_parts(stream), start=1):
        if len(part) > MAX_BYTES:
            yield _too_long(f"{place}name {number}")
        elif part:
            yield Listed(part.decode("utf-8", "surrogateescape"))


def _lines(stream: IO[Any]) -> Iterator[bytes]:
    """Yield each line with its end; of one that is too long only enough to tell."""
    for line in iter(partial(stream.readline, MAX_BYTES + 2), stream.read(0)):
        rest = line
        while len(rest) > MAX_BYTES and rest[-1:] not in {"\n", b"\n"}:
            rest = stream.readline(MAX_BYTES + 2)
        yield _as_bytes(line)


def _parts(stream: IO[Any]) -> Iterator[bytes]:
    """Yield what stands before each NUL, and at the end; of what is too long only enough to tell."""
    # What has come is read, and not waited for until there is a block of it.
    read = getattr(stream, "read1", stream.read)
    pending = b""
    while block := _as_bytes(read(_BLOCK)):
        first, *others = block.split(b"\0")
        pending = (pending + first)[: MAX_BYTES + 1]
        for part in others:
            yield pending
            pending = part[: MAX_BYTES + 1]
    yield pending


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def _from_json(line: bytes, place: str) -> Listed | Item:
    try:
        fields: dict[str, Any] = json.loads(line.decode())
    except (ValueError, RecursionError):
        hint = 'write {"source": ...}, and ./ before a name that starts with {'
        return _broken(place, "not valid JSON", "list_invalid", hint)
    for key, value in fields.items():
        if key not in _KEYS:
            return _broken(place, f"unknown key {key!r}", "list_invalid", f"the keys are {', '.join(_KEYS)}")
        if value is not None and not isinstance(value, str):
            return _broken(place, f"{key} is not text", "list_invalid", "put it in quotes")
    source = fields.get("source")
    if not source:
        return _broken(place, "no source", "list_invalid", 'name the image: {"source": ...}')
    return Listed(source, fields.get("data_id"), fields.get("referer"))


def _too_long(place: str) -> Item:
    return _broken(place, f"longer than {MAX_BYTES // 1024} KB", "list_invalid", "give one source a line")


def _broken(place: str, message: str, code: str, hint: str) -> Item:
    return Item(place, BrokenInput(InputError(message, code=code, hint=hint)))
