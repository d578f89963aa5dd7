"""The entries of a suppressions file: which of them are about an image, which have expired, and which were of use."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from moderate_cli.globs import Matcher, compile_glob, fixed_ends, is_glob
from moderate_cli.records.allowed import Suppression
from moderate_cli.verdicts import LocalFile, Outcome

ANY_LABEL = "*"
_SLASH = re.compile("/")
_MOST_LINES = 10  # that a note names


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionEntry:
    """One entry: a label, or `*` for any, of the images with a content (`sha256`) or a `path`, for a reason.

    `expires` is the last day, in UTC, on which it counts; `line` is where it stands, 0 where that is nowhere yet.
    """

    sha256: str | None = None
    path: str | None = None
    label: str
    reason: str
    expires: date | None = None
    line: int = 0

    def has_expired(self, today: date) -> bool:
        """Tell whether its last day is over."""
        return self.expires is not None and self.expires < today


class Suppressions:
    """The entries of one file, which messages call by its `name`; its paths start at `folder`."""

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
        """Return the entries in force about an image, in the order of the file."""
        found = self._by_sha256.get(outcome.sha256, [])
        if self._by_path or self._by_folder:
            place = self._place(outcome)
            found = sorted([*found, *self._by_path.get(place, []), *self._globbed(place)], key=lambda entry: entry.line)
        return found

    def _globbed(self, place: str) -> Iterator[SuppressionEntry]:
        """Yield the entries whose glob matches; only what may match is compiled, for there may be 100,000 of them."""
        folders = ["", *(place[: slash.end()] for slash in _SLASH.finditer(place))]
        for end, glob, entry in chain.from_iterable(self._by_folder.get(folder, ()) for folder in folders):
            if place.endswith(end):
                if glob not in self._matchers:
                    self._matchers[glob] = compile_glob(glob)
                if self._matchers[glob].matches(place):
                    yield entry

    def match(self, label: str, about: Sequence[SuppressionEntry]) -> Suppression | None:
        """Return what suppresses a label by entries about its image, None where nothing does."""
        matching = [entry for entry in about if entry.label in {label, ANY_LABEL}]
        for entry in matching:
            self._unused.pop(entry, None)
        if not matching:
            return None
        entry = matching[0]
        expires = entry.expires.isoformat() if entry.expires else None
        return Suppression(label, None, entry.reason, f"{self.name}:{entry.line}", expires)

    def notes(self, *, complete: bool) -> Iterator[str]:
        """Yield what is to be said about entries that have expired, and after a complete run about unused ones."""
        if self._expired:
            verb = "has" if len(self._expired) == 1 else "have"
            yield self._note(f"{verb} expired", [f"line {entry.line} ({entry.expires})" for entry in self._expired])
        if complete and self._unused:
            yield self._note("suppressed nothing", [f"line {entry.line}" for entry in self._unused])

    def _note(self, words: str, lines: Sequence[str]) -> str:
        entries = "1 entry" if len(lines) == 1 else f"{len(lines)} entries"
        more = f" and {len(lines) - _MOST_LINES} more" if len(lines) > _MOST_LINES else ""
        return f"{entries} of {self.name} {words}: {', '.join(lines[:_MOST_LINES])}{more}"

    def _place(self, outcome: Outcome) -> str:
        """Return what a path of the file is held against: an address as it is, a file's path from the file's folder."""
        image = outcome.item.image
        name = str(image.path) if isinstance(image, LocalFile) else outcome.item.source
        if not isinstance(image, LocalFile) and "://" in name:
            return name
        try:
            return os.path.relpath(name, self._folder).replace(os.sep, "/")
        except (ValueError, OSError):  # another drive, no path at all, or a working folder that was removed
            return name
