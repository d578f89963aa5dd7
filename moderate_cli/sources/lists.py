"""Which sources does a list name? Lines with names, JSON Lines with `source`, or names that end with NUL."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO

from msgspec import Struct

from moderate_cli.common.errors import InputError
from moderate_cli.models import BrokenInput, Item

STANDARD_INPUT = "-"
MAX_BYTES = 64 * 1024  # of one source, so that memory stays constant
_BLOCK = 64 * 1024  # bytes that are read at once
_decode = json.JSONDecoder().raw_decode

Listed = tuple[str, str | None, str | None]
"""One source of a list, and the `data_id` and `referer` that it is to be sent with."""


class SourceList(Struct, frozen=True):
    """A file that names sources, or `-` for standard input; with `nul` each name ends with NUL, else with its line."""

    name: str
    nul: bool = False


def read_list(listing: SourceList, stdin: TextIO) -> Iterator[Listed | Item]:
    """Yield each source of a list as soon as it was read; what cannot be read is an item that names its place.

    A line that starts with `{` is JSON with `source` and, where wanted, `data_id`, `referer` and the `region` of an
    object in OSS. Blank lines and empty names are skipped; every other line is a name, taken literally.
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
        problem = InputError(f"cannot read the list: {reason}", code="unreadable", hint="check its name")
        yield Item(listing.name, BrokenInput(problem))


def _in_lines(stream: IO[Any], place: str) -> Iterator[Listed | Item]:
    for number, line in enumerate(_lines(stream), start=1):
        name = line.rstrip(b"\r\n")
        if number == 1:
            name = name.removeprefix(codecs.BOM_UTF8)
        if len(name) > MAX_BYTES:
            yield _too_long(f"{place}line {number}")
        elif name[:1] == b"{":
            try:
                yield _from_json(name)
            except InputError as error:
                yield Item(f"{place}line {number}", BrokenInput(error))
        elif name and not name.isspace():
            yield name.decode("utf-8", "surrogateescape"), None, None


def _in_parts(stream: IO[Any], place: str) -> Iterator[Listed | Item]:
    for number, part in enumerate(_parts(stream), start=1):
        if len(part) > MAX_BYTES:
            yield _too_long(f"{place}name {number}")
        elif part:
            yield part.decode("utf-8", "surrogateescape"), None, None


def _lines(stream: IO[Any]) -> Iterator[bytes]:
    """Yield each line with its end; of one that is too long only enough to tell."""
    end = stream.read(0)
    is_text = isinstance(end, str)
    for line in iter(partial(stream.readline, MAX_BYTES + 2), end):
        rest = line
        while len(rest) > MAX_BYTES and rest[-1:] not in {"\n", b"\n"}:
            rest = stream.readline(MAX_BYTES + 2)
        yield _as_bytes(line) if is_text else line


def _parts(stream: IO[Any]) -> Iterator[bytes]:
    """Yield the part before each NUL, and the last one; of a part that is too long only enough to tell."""
    # Not `read`, which would wait for a whole block where names come one at a time.
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


def _from_json(line: bytes) -> Listed:
    """Return the source of a line of JSON; raises InputError."""
    try:
        text = line.decode().rstrip()
        fields, end = _decode(text)
    except (ValueError, RecursionError):
        fields, text, end = {}, "", -1
    if end != len(text):
        raise _invalid("not valid JSON", 'write {"source": ...}, and ./ before a name that starts with {')
    source, data_id, referer, region = (fields.pop(key, None) for key in ("source", "data_id", "referer", "region"))
    if fields:
        raise _invalid(f"unknown key {next(iter(fields))!r}", "the keys are source, data_id, referer and region")
    for value in (source, data_id, referer, region):
        if value is not None and not isinstance(value, str):
            raise _invalid(f"{value!r:.40} is not text", "put it in quotes")
    if not source:
        raise _invalid("no source", 'name the image: {"source": ...}')
    return f"{source}?region={region}" if region else source, data_id, referer


def _too_long(place: str) -> Item:
    return Item(place, BrokenInput(_invalid(f"longer than {MAX_BYTES // 1024} KB", "write one source per line")))


def _invalid(message: str, hint: str) -> InputError:
    return InputError(message, code="list_invalid", hint=hint)
