"""Which sources does a list name? Lines with names, JSON Lines with `source`, or names that end with NUL."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.common.errors import InputError, UsageError
from moderate_cli.common.text import repeated_key, well_formed
from moderate_cli.models import BrokenInput, InlineImage, Item, OssObject
from moderate_cli.preflight import HEAD_SIZE, may_begin_image, sniff, too_large
from moderate_cli.preflight import MAX_BYTES as MAX_IMAGE_BYTES
from moderate_cli.sources.addresses import region_id
from moderate_cli.sources.inventories import StoredObject, find_inventory, rows

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD_INPUT = "-"
MAX_BYTES = 64 * 1024  # bytes of one source, so that memory stays constant
_BLOCK = 64 * 1024  # bytes that are read at once
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Git quotes names as C does: `core.quotePath`, in the page of git-config.
_QUOTED = re.compile(rb'"((?:[^"\\]|\\(?:[abtnvfr"\\]|[0-3][0-7]{2}))*+)"')
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_GZIP = b"\x1f\x8b"
# The first row of an inventory's data file: the name of a bucket, and a key.
_ROW = re.compile(rb'"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]","')
_LETTERS = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}

Listed = tuple[str, str | None, str | None]
"""One source of a list, and the `data_id` and `referer` that it is to be sent with."""


class SourceList(Struct, frozen=True):
    """A file that names sources, or `-` for standard input; with `nul` each name ends with NUL, else with its line.

    Where it `may_be_image`, what starts like one is one.
    """

    name: str
    nul: bool = False
    may_be_image: bool = False


def check_list(listing: SourceList) -> None:
    """Refuse a list that cannot be read, before anything is sent; raises UsageError.

    Standard input shows what it is only when it is read.
    """
    if listing.name == STANDARD_INPUT:
        return
    try:
        if not (S_ISREG(mode := Path(listing.name).stat().st_mode) or S_ISDIR(mode)):
            return  # what is read from a pipe cannot be read again
        if find_inventory(listing.name) is not None:
            return
        with Path(listing.name).open("rb") as file:
            head = file.read(HEAD_SIZE)
        if not head.startswith(_GZIP):
            _check_head(head, listing)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read the list {listing.name!r}: {reason}", hint="check its name") from error
    except InputError as error:
        message = f"cannot read the list {listing.name!r}: {error.message}"
        raise UsageError(message, code=error.code, hint=error.hint) from error


def read_list(listing: SourceList, stdin: TextIO) -> Iterator[Listed | StoredObject | Item]:
    """Yield each source of a list as soon as it was read; what cannot be read is an item that names its place.

    A list may be the manifest of an inventory, or one of the data files of one of OSS, and each may be packed by gzip.

    A line that starts with `{` is JSON with `source` and, where wanted, `data_id`, `referer` and the `region` of an
    object in OSS. One in quotes is a name as Git quotes it, unless a file has that very name. Blank lines and empty
    names are skipped; every other line is a name, taken literally. Lines are UTF-8, or UTF-16 with a byte order mark.
    """
    try:
        if listing.name == STANDARD_INPUT:
            # Bytes where there are any: names need not be UTF-8.
            yield from _entries(getattr(stdin, "buffer", stdin), listing, "")
        elif (inventory := find_inventory(listing.name)) is not None:
            yield from inventory.objects()
        else:
            with Path(listing.name).open("rb") as file:
                yield from _entries(file, listing, f"{listing.name}, ")
    except (OSError, ValueError, EOFError, zlib.error) as error:  # ValueError: a NUL in the name, or wrong UTF-16
        reason = getattr(error, "strerror", None) or error
        problem = InputError(f"cannot read the list: {reason}", code="unreadable", hint="check its name")
        yield Item(listing.name, BrokenInput(problem))
    except InputError as error:
        yield Item(listing.name, BrokenInput(error))


def _entries(stream: IO[Any], listing: SourceList, place: str) -> Iterator[Listed | StoredObject | Item]:
    """Yield what a stream holds; raises InputError for what is no list."""
    if isinstance(empty := stream.read(0), bytes):
        head = _head(stream)
        if listing.may_be_image and _is_image(head, listing):
            yield Item(listing.name, _image(head, stream))
            return
        if head.startswith(_GZIP):
            with gzip.open(io.BufferedReader(_Rejoined(head, stream))) as unpacked:
                yield from _entries(cast(IO[Any], unpacked), replace(listing, may_be_image=False), place)
            return
        _check_head(head, listing)
        stream = io.BufferedReader(_Rejoined(head, stream))
        if not listing.nul and _ROW.match(head):
            yield from rows(io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline=""), "oss")
            return
        if not listing.nul and head.startswith(_UTF_16):
            stream, empty = io.TextIOWrapper(stream, "utf-16", newline="\n"), ""
    yield from _in_parts(stream, place) if listing.nul else _in_lines(stream, empty, place)


def _head(stream: IO[bytes]) -> bytes:
    """Read the beginning of a stream: what has arrived, and more only where that may be the start of an image."""
    read = getattr(stream, "read1", stream.read)
    head = b""
    while len(head) < HEAD_SIZE and may_begin_image(head) and (more := read(HEAD_SIZE - len(head))):
        head += more
    return head


def _is_image(head: bytes, listing: SourceList) -> bool:
    """Tell whether a stream that starts so is an image, and no list of names such as GIF89a.gif."""
    is_name = head[:1].isalnum() and (listing.nul or b"\0" not in head)
    return not is_name and sniff(head) is not None


def _image(head: bytes, stream: IO[bytes]) -> InlineImage | BrokenInput:
    """Return the image that a stream is; more than the service accepts is not read."""
    content = head + stream.read(MAX_IMAGE_BYTES + 1 - len(head))
    return InlineImage(content) if len(content) <= MAX_IMAGE_BYTES else BrokenInput(too_large())


def _check_head(head: bytes, listing: SourceList) -> None:
    """Raise InputError for what starts like an image, or like names that end with NUL where lines are expected."""
    if _is_image(head, listing):
        raise _invalid("this is an image, not a list of sources", "name it as a SOURCE; give one from a pipe as -")
    if b"\0" in head and not listing.nul and not head.startswith(_UTF_16):
        raise _invalid(
            "there is a NUL byte, which no line of text has",
            "read names that end with NUL by --files-from0; save text as UTF-8",
        )


class _Rejoined(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._read = getattr(rest, "read1", rest.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._head:
            self._head = self._read(len(view))
        data, self._head = self._head[: len(view)], self._head[len(view) :]
        view[: len(data)] = data
        return len(data)


def _in_lines(stream: IO[Any], empty: str | bytes, place: str) -> Iterator[Listed | Item]:
    for number, line in enumerate(_lines(stream, empty), start=1):
        name = line.rstrip(b"\r\n")
        if number == 1:
            name = name.removeprefix(codecs.BOM_UTF8)
        if len(name) > MAX_BYTES:
            yield _too_long(f"{place}line {number}")
        elif b"\0" in name:
            problem = _invalid(f"line {number} has a NUL byte", "read names that end with NUL by --files-from0")
            yield Item(f"{place}line {number}", BrokenInput(problem))
            return
        elif name[:1] == b"{":
            try:
                yield _from_json(name)
            except InputError as error:
                yield Item(f"{place}line {number}", BrokenInput(error))
        elif name and not name.isspace():
            yield _unquoted(name).decode("utf-8", "surrogateescape"), None, None


def _unquoted(name: bytes) -> bytes:
    quoted = _QUOTED.fullmatch(name)
    if quoted is None or os.path.lexists(name):
        return name
    return _ESCAPE.sub(lambda found: _LETTERS.get(found[1]) or _by_number(found[1]), quoted[1])


def _by_number(escaped: bytes) -> bytes:
    return bytes([int(escaped, 8)]) if len(escaped) == 3 else escaped


def _in_parts(stream: IO[Any], place: str) -> Iterator[Listed | Item]:
    for number, part in enumerate(_parts(stream), start=1):
        if len(part) > MAX_BYTES:
            yield _too_long(f"{place}name {number}")
        elif part:
            yield part.decode("utf-8", "surrogateescape"), None, None


def _lines(stream: IO[Any], end: str | bytes) -> Iterator[bytes]:
    """Yield each line with its end; of one that is too long only enough to tell."""
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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (key := repeated_key(pairs)) is not None:
        raise _invalid(f"duplicate key {key!r}", "remove one of them")
    return dict(pairs)


_decode = json.JSONDecoder(object_pairs_hook=_object).raw_decode


def _from_json(line: bytes) -> Listed:
    """Return the source of a line of JSON; raises InputError.

    Of a key that comes twice nobody knows which value is meant, and one image of two would have no verdict.
    """
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
        if value is not None and value != well_formed(value):
            raise _invalid(f"{value!r:.40} has a lone surrogate", "surrogates stand for a character in pairs only")
    if not source:
        raise _invalid("no source", 'name the image: {"source": ...}')
    return _in_region(source, region) if region else source, data_id, referer


def _in_region(source: str, region: str) -> str:
    """Return the address of an object with its region; raises InputError for other sources, and for two regions."""
    found = OssObject.named(source)
    if found is None:
        raise _invalid("a region, which only objects in OSS have", "leave it out, or name oss://BUCKET/KEY")
    region = region_id(region)
    if found.region is None:
        return f"{source}?region={region}"
    if found.region != region:
        raise _invalid(f"two regions, {found.region} and {region}", "leave one of them out")
    return source


def _too_long(place: str) -> Item:
    return Item(place, BrokenInput(_invalid(f"longer than {MAX_BYTES // 1024} KB", "write one source per line")))


def _invalid(message: str, hint: str) -> InputError:
    return InputError(message, code="list_invalid", hint=hint)
