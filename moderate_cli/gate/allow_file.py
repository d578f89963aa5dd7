"""What a suppressions file says; whatever is wrong with it is an error with its line."""

from __future__ import annotations

import re
from datetime import date

from moderate_cli.common.files import FileError, decode
from moderate_cli.errors import UsageError
from moderate_cli.gate.allowances import ANY_LABEL, SuppressionEntry, Suppressions
from moderate_cli.globs import compile_glob
from moderate_cli.settings.document import Entry, Part, Scalar, describe, no_collections, parse, unknown_key
from moderate_cli.settings.files import Location

_KEYS = ("sha256", "path", "label", "reason", "expires")
_HINT = "each entry has sha256 or path, label, reason, and maybe expires; `moderate allow` writes them"
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MAX_BYTES = 10_000_000


def read_suppressions(location: Location, today: date) -> Suppressions:
    """Return what a suppressions file suppresses on a day; raises UsageError."""
    entries = parse_suppressions(read_text(location), location.name)
    return Suppressions(entries, name=location.name, folder=location.path.parent, today=today)


def read_text(location: Location) -> str:
    """Return the text of a suppressions file; raises UsageError for what cannot be read, or is no text in UTF-8."""
    hint = "`moderate allow` begins one"
    try:
        data = location.read_bytes(_MAX_BYTES, what="suppressions file", hint=hint, regular_only=True)
    except FileError as error:
        if error.code != "too_large":
            raise
        raise UsageError(error.message, hint="--baseline takes an earlier jsonl output of any size") from error
    return decode(data, location.name, keep_mark=True)  # which stays, when entries are added


def parse_suppressions(text: str, name: str) -> tuple[SuppressionEntry, ...]:
    """Return the entries of a suppressions file's text; `name` is how errors call it. Raises UsageError."""
    with no_collections():
        return _entries(parse(text, name), name)


def _entries(root: Part | None, name: str) -> tuple[SuppressionEntry, ...]:
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return ()
    if not isinstance(root, tuple):
        raise UsageError(f"{name}:1: the file must be a list of entries, not {describe(root)}", hint=_HINT)
    return tuple(_entry(item, name) for item in root)


def read_date(text: str) -> date | None:
    """Return a date as YYYY-MM-DD writes it, None for any other text."""
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
    """Return the text behind a key as it is written, whatever YAML makes of it; None where there is none."""
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
    """Return what a value must be, None where it is that."""
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
