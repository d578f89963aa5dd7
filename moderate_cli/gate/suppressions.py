"""The suppressions file: read with the line of each error, matched, and extended."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import chain
from pathlib import Path

import yaml
from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError, decode
from moderate_cli.common.globs import Matcher, compile_glob, fixed_ends, is_glob
from moderate_cli.common.yaml_doc import (
    Entry,
    Part,
    Scalar,
    describe,
    no_collections,
    parse,
    unknown_key,
)
from moderate_cli.models import LocalFile, Outcome
from moderate_cli.results import Suppression
from moderate_cli.settings.edit import write_new
from moderate_cli.settings.locate import Location

ANY_LABEL = "*"
_SLASH = re.compile("/")
_MAX_LINES = 10  # that a note names


class SuppressionEntry(Struct, frozen=True, kw_only=True):
    """One entry: a label, or `*` for any, of the images with a content (`sha256`) or a `path`, and the reason.

    `expires` is its last valid day in UTC; `line` is its line in the file, 0 if it is not written yet.
    """

    sha256: str | None = None
    path: str | None = None
    label: str
    reason: str
    expires: date | None = None
    line: int = 0

    def has_expired(self, today: date) -> bool:
        """Return whether its last valid day is over."""
        return self.expires is not None and self.expires < today


class Suppressions:
    """The entries of one file; messages use its `name`, and its paths are relative to `folder`."""

    def __init__(self, entries: Sequence[SuppressionEntry], *, name: str, folder: Path, today: date) -> None:
        self.name = name
        self._folder = folder
        self._expired = [entry for entry in entries if entry.has_expired(today)]
        self._unused = dict.fromkeys(entry for entry in entries if not entry.has_expired(today))
        self._by_sha256: defaultdict[str | None, list[SuppressionEntry]] = defaultdict(list)
        self._by_path: defaultdict[str, list[SuppressionEntry]] = defaultdict(list)
        self._by_folder: defaultdict[str, list[tuple[str, str, SuppressionEntry]]] = defaultdict(list)
        self._matchers: dict[str, Matcher] = {}
        for entry in self._unused:
            if entry.path is None:
                self._by_sha256[entry.sha256].append(entry)
            elif is_glob(entry.path):
                start, end = fixed_ends(entry.path)
                self._by_folder[start].append((end, entry.path, entry))
            else:
                self._by_path[entry.path].append(entry)

    def about(self, outcome: Outcome) -> list[SuppressionEntry]:
        """Return the valid entries about an image, in the order of the file."""
        found = self._by_sha256.get(outcome.sha256, [])
        if self._by_path or self._by_folder:
            place = self._place(outcome)
            found = sorted([*found, *self._by_path.get(place, []), *self._globbed(place)], key=lambda entry: entry.line)
        return found

    def _globbed(self, place: str) -> Iterator[SuppressionEntry]:
        """Yield the entries whose glob matches; of up to 100,000 only those that may match are compiled."""
        folders = ["", *(place[: slash.end()] for slash in _SLASH.finditer(place))]
        for end, glob, entry in chain.from_iterable(self._by_folder.get(folder, ()) for folder in folders):
            if place.endswith(end):
                if glob not in self._matchers:
                    self._matchers[glob] = compile_glob(glob)
                if self._matchers[glob].matches(place):
                    yield entry

    def match(self, label: str, about: Sequence[SuppressionEntry]) -> Suppression | None:
        """Return the suppression of a label by the entries about its image, or None; the first entry wins."""
        matching = [entry for entry in about if entry.label in {label, ANY_LABEL}]
        for entry in matching:
            self._unused.pop(entry, None)
        if not matching:
            return None
        entry = matching[0]
        expires = entry.expires.isoformat() if entry.expires else None
        return Suppression(label, None, entry.reason, f"{self.name}:{entry.line}", expires)

    def notes(self, *, complete: bool) -> Iterator[str]:
        """Yield the notes on expired entries, and after a complete run on unused ones."""
        if self._expired:
            verb = "has" if len(self._expired) == 1 else "have"
            yield self._note(f"{verb} expired", [f"line {entry.line} ({entry.expires})" for entry in self._expired])
        if complete and self._unused:
            yield self._note("suppressed nothing", [f"line {entry.line}" for entry in self._unused])

    def _note(self, words: str, lines: Sequence[str]) -> str:
        entries = "1 entry" if len(lines) == 1 else f"{len(lines)} entries"
        more = f" and {len(lines) - _MAX_LINES} more" if len(lines) > _MAX_LINES else ""
        return f"{entries} of {self.name} {words}: {', '.join(lines[:_MAX_LINES])}{more}"

    def _place(self, outcome: Outcome) -> str:
        """Return what paths of the file are compared with: a URL as it is, a path relative to the file's folder."""
        image = outcome.item.image
        name = str(image.path) if isinstance(image, LocalFile) else outcome.item.source
        if not isinstance(image, LocalFile) and "://" in name:
            return name
        try:
            return os.path.relpath(name, self._folder).replace(os.sep, "/")
        except (ValueError, OSError):  # another drive, not a path, or a removed working folder
            return name


_KEYS = ("sha256", "path", "label", "reason", "expires")
_HINT = "each entry has sha256 or path, label, reason, and maybe expires; `moderate allow` writes them"
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MAX_BYTES = 10_000_000


def read_suppressions(location: Location, today: date) -> Suppressions:
    """Return the entries of a suppressions file for a day; raises UsageError for an unreadable or invalid file."""
    entries = parse_suppressions(read_text(location), location.name)
    return Suppressions(entries, name=location.name, folder=location.path.parent, today=today)


def read_text(location: Location) -> str:
    """Return the text of a suppressions file; raises UsageError if it is unreadable, too large or not UTF-8."""
    hint = "`moderate allow` begins one"
    try:
        data = location.read_bytes(_MAX_BYTES, what="suppressions file", hint=hint, regular_only=True)
    except FileError as error:
        if error.code != "too_large":
            raise
        raise UsageError(error.message, hint="--baseline takes an earlier jsonl output of any size") from error
    return decode(data, location.name, keep_mark=True)  # adding an entry keeps it


def parse_suppressions(text: str, name: str) -> tuple[SuppressionEntry, ...]:
    """Return the entries in the text of a suppressions file; errors use `name`. Raises UsageError."""
    with no_collections():
        return _entries(parse(text, name), name)


def _entries(root: Part | None, name: str) -> tuple[SuppressionEntry, ...]:
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return ()
    if not isinstance(root, tuple):
        raise UsageError(f"{name}:1: the file must be a list of entries, not {describe(root)}", hint=_HINT)
    return tuple(_entry(item, name) for item in root)


def read_date(text: str) -> date | None:
    """Return the date that a text in the form YYYY-MM-DD means, or None."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _entry(item: Entry, name: str) -> SuppressionEntry:
    if not isinstance(item.part, dict):
        raise UsageError(f"{name}:{item.line}: an entry must be a mapping, not {describe(item.part)}", hint=_HINT)
    texts = {key: text for key, entry in item.part.items() if (text := _text(key, entry, name)) is not None}
    missing = [key for key in ("label", "reason") if key not in texts]
    if missing:
        raise UsageError(f"{name}:{item.line}: the entry has no {missing[0]}", hint=_HINT)
    if ("sha256" in texts) == ("path" in texts):
        number = "both sha256 and path" if "path" in texts else "neither sha256 nor path"
        raise UsageError(f"{name}:{item.line}: the entry has {number}, and one is needed", hint=_HINT)
    expires = texts.get("expires")
    return SuppressionEntry(
        sha256=texts["sha256"].lower() if "sha256" in texts else None,
        path=texts["path"].removeprefix("./") if "path" in texts else None,
        label=texts["label"],
        reason=texts["reason"],
        expires=read_date(expires) if expires else None,
        line=item.line,
    )


def _text(key: str, entry: Entry, name: str) -> str | None:
    """Return the text of a value as written, whatever its YAML type, or None for an empty one; raises UsageError."""
    if key not in _KEYS:
        raise unknown_key(f"{name}:{entry.line}", key, _KEYS)
    if not isinstance(entry.part, Scalar):
        raise UsageError(f"{name}:{entry.line}: {key} must be a text, not {describe(entry.part)}")
    text = entry.part.text.strip()
    if entry.part.value is None or not text:
        return None
    wrong = _wrong(key, text)
    if wrong:
        raise UsageError(f"{name}:{entry.line}: {key} must be {wrong}, not {describe(entry.part)}")
    return text


def _wrong(key: str, text: str) -> str | None:
    """Return what an invalid value must be, or None for a valid one."""
    match key:
        case "sha256" if not _SHA256.fullmatch(text):
            return "64 hexadecimal digits"
        case "path" if text.startswith("/"):
            return "relative to the folder of this file"
        case "path" if text.endswith("/") and "://" not in text:
            return "one of files, such as folder/** for all that is below it"
        case "path" if "[" in text and compile_glob(text).is_hopeless:
            return "a path or a glob"
        case "label" if ANY_LABEL in text and text != ANY_LABEL:
            return f"a whole label, or {ANY_LABEL!r} for each"
        case "expires" if read_date(text) is None:
            return "a date such as 2027-01-31"
        case _:
            return None


_HEAD = """\
# Suppressed findings, which do not count for --fail-on. Each entry names images by sha256 or path (a glob, from this
# folder), a label (or "*" for any), the reason, and maybe the last day on which it counts (expires, in UTC).
# `moderate allow` adds to this file.
"""
_FIRST_DASH = re.compile(r"^( *)-(?=\s|$)", re.MULTILINE)


Addition = tuple[SuppressionEntry, str | None]
"""An entry to add, and the comment behind its sha256."""


def add_suppressions(location: Location, additions: Sequence[Addition]) -> tuple[SuppressionEntry, ...]:
    """Append entries to a suppressions file, which is created if missing, and return them with their lines.

    Entries that are there already, word by word, are not added again. Raises UsageError if the file is invalid, or
    cannot be extended or written.
    """
    if location.is_refused:
        raise UsageError(location.refused[0], hint="remove it, or name another file with --suppressions")
    with alone_in(location.path):
        before = read_text(location) if location.exists else _HEAD
        known = parse_suppressions(before, location.name)
        there = {replace(entry, line=0) for entry in known}
        new = {entry: comment for entry, comment in additions if entry not in there}
        if not new:
            return ()
        after = before
        for entry, comment in new.items():
            after += _addition(after, entry, comment)
        added = _the_last(after, known, list(new), location.name)
        write_new(location.path, after, force=True)
    return added


def _addition(before: str, entry: SuppressionEntry, comment: str | None) -> str:
    """Return the lines of an entry, with the indentation and newlines of those before it."""
    facts = {name: getattr(entry, name) for name in ("sha256", "path", "label", "reason", "expires")}
    given = {name: fact for name, fact in facts.items() if fact is not None}
    plain = all(str(fact).isprintable() for fact in given.values())  # else special characters are escaped
    lines = yaml.safe_dump([given], allow_unicode=plain, sort_keys=False, width=sys.maxsize).rstrip("\n").split("\n")
    if entry.sha256 and comment:
        lines[0] += f"  # {comment if comment.isprintable() else ascii(comment)}"
    dash = _FIRST_DASH.search(before)
    indent = dash[1] if dash else ""
    newline = "\r\n" if "\r\n" in before else "\n"
    start = newline if before and not before.endswith("\n") else ""
    return start + "".join(f"{indent if line else ''}{line}{newline}" for line in lines)


def _the_last(
    text: str, known: tuple[SuppressionEntry, ...], last: Sequence[SuppressionEntry], name: str
) -> tuple[SuppressionEntry, ...]:
    """Return the last entries of a text; raises UsageError if its entries are not the expected ones."""
    try:
        found = parse_suppressions(text, name)
    except UsageError:
        found = ()
    added = found[len(known) :]
    if found[: len(known)] != known or [replace(entry, line=0) for entry in added] != list(last):
        hint = "write its list as one entry after the other, each with a dash before it"
        raise UsageError(f"cannot add to {name}: an entry at its end would not be read", hint=hint)
    return added


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Lock the folder of a file against other processes that append to it, at most until this process ends."""
    folder = Path(os.path.realpath(path)).parent  # unlike Path.resolve, it never raises
    try:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # no locks on this system, or a bad folder, which writing reports
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
