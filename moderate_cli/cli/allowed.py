"""Which entries of the suppressions file are meant? Those for images, folders and globs, and for lines of JSON."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import Struct

from moderate_cli.cli.decided import json_lines
from moderate_cli.common.errors import UsageError
from moderate_cli.common.globs import is_glob
from moderate_cli.gate.suppressions import ANY_LABEL, Addition, SuppressionEntry, read_date
from moderate_cli.models import EXEMPT, NO_FINDING, DecisionWord

_NOT_COUNTED = frozenset({DecisionWord.SUPPRESSED, DecisionWord.FALSE_POSITIVE})
_NO_LABELS = frozenset({NO_FINDING, EXEMPT})


class Terms(Struct, frozen=True):
    """What holds for all images: the labels, the reason and the last day; from JSON each may come with its line."""

    labels: tuple[str, ...]
    reason: str | None
    expires: date | None


class Target(Struct, frozen=True):
    """What an entry is about: an image by its content, or others by their path, and how that is named."""

    name: str
    sha256: str | None = None
    path: str | None = None
    comment: str | None = None

    def entries(self, labels: Iterable[str], reason: str, expires: date | None) -> Iterator[Addition]:
        """Yield an entry for each label."""
        for label in labels:
            yield (
                SuppressionEntry(sha256=self.sha256, path=self.path, label=label, reason=reason, expires=expires),
                self.comment,
            )


def target_of(name: str, folder: Path) -> Target:
    """Return what a name on the command line is about, for a suppressions file in a folder; raises UsageError."""
    if "://" in name:
        return Target(name, path=glob.escape(name))
    try:
        kind = Path(name).stat().st_mode if name else None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        if is_glob(name) and isinstance(error, FileNotFoundError):
            return Target(name, path=_path_from(folder, name))
        raise _unreadable(name, error) from error
    if kind is None or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise UsageError(f"{name}: neither a file nor a folder", hint="give an image, a folder or a glob")
    if stat.S_ISDIR(kind):
        below = glob.escape(_path_from(folder, name))
        return Target(f"{name.rstrip(os.sep)}{os.sep}**", path="**" if below == "." else f"{below}/**")
    return Target(name, sha256=_sha256(name), comment=_path_from(folder, name))


def additions_from(lines: Iterable[str], terms: Terms, folder: Path) -> Iterator[Addition]:
    """Yield the entries for lines of JSON: records, or objects with a source or sha256, labels, a reason, a last day.

    A record that was decided in another way than to be suppressed, or to be a false positive, is left alone, and so is
    one without a finding. Raises UsageError, with the line, for what cannot be read or says no reason.
    """
    for number, found in json_lines(lines):
        try:
            yield from _additions(found, terms, folder)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise UsageError(f"stdin:{number}: {error}", hint="a line is a record of `moderate history`") from error


def _additions(found: Mapping[str, Any], terms: Terms, folder: Path) -> Iterator[Addition]:
    said = found.get("decision") or {}
    if said and said.get("value") not in _NOT_COUNTED:
        return
    labels = terms.labels or _labels_of(found)
    reason = terms.reason or " ".join(str(found.get("reason") or said.get("note") or "").split())
    if not labels:
        return
    if not reason:
        raise ValueError("it says no reason, and --reason is not given")
    written = found.get("expires") or said.get("expires")
    expires = terms.expires or (None if written is None else read_date(str(written)))
    if written is not None and expires is None:
        raise ValueError(f"its last day is no date: {written!r}")
    yield from _target_in(found, folder).entries(labels, reason, expires)


def _labels_of(found: Mapping[str, Any]) -> list[str]:
    parts = found.get("labels") or ([found["label"]] if "label" in found else [])
    names = (str(part["label"]) if isinstance(part, Mapping) else checked_label(str(part)) for part in parts)
    return list(dict.fromkeys(name for name in names if name not in _NO_LABELS))


def _target_in(found: Mapping[str, Any], folder: Path) -> Target:
    source, sha256 = str(found.get("source") or ""), found.get("sha256")
    if sha256 is not None:
        return Target(source, sha256=str(sha256).lower(), comment=_path_from(folder, source) if source else None)
    if not source:
        raise ValueError("it has neither a source nor a sha256")
    return Target(source, path=glob.escape(source if "://" in source else _path_from(folder, source)))


def meant_by(name: str, entries: Sequence[SuppressionEntry], folder: Path) -> list[SuppressionEntry]:
    """Return the entries that a name means: the one at its line, or those about an image, a folder or a path."""
    line = name.rpartition(":")[2]
    if line.isascii() and line.isdecimal() and not Path(name).exists():
        return [entry for entry in entries if entry.line == int(line)]
    if any(entry.path == name for entry in entries):
        return [entry for entry in entries if entry.path == name]
    target = target_of(name, folder)
    return [entry for entry in entries if (entry.sha256, entry.path) == (target.sha256, target.path)]


def checked_label(text: str) -> str:
    """Return a label; raises UsageError for what is none."""
    label = text.strip()
    if not label:
        raise UsageError("--label is empty", hint=f"give the label, or {ANY_LABEL!r} for any")
    if label == NO_FINDING:
        raise UsageError(f"{NO_FINDING} says that nothing was found, so there is nothing to suppress")
    if ANY_LABEL in label and label != ANY_LABEL:
        raise UsageError(f"--label must be a whole label, or {ANY_LABEL!r} for any, not {label!r}")
    return label


def _sha256(name: str) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises UsageError where it cannot be read."""
    try:
        with Path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError | ValueError) -> UsageError:
    if isinstance(error, FileNotFoundError):
        return UsageError(f"{name}: no such file", hint="check the name")
    return UsageError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}")


def _path_from(folder: Path, name: str) -> str:
    try:
        return os.path.relpath(name, folder).replace(os.sep, "/")
    except ValueError:  # on another drive
        return name
