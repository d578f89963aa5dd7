"""Which objects does an inventory list? The CSV files that OSS and S3 write of a bucket, as a stream in any size.

OSS and S3 write the same: a `manifest.json` that names the columns and the data files, and data files without a header,
packed with gzip, whose keys are encoded as in an address (vendors' pages "Bucket inventory" and "Amazon S3 Inventory",
November 2026). An S3 manifest names its bucket by an ARN.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from msgspec import Struct

from moderate_cli.common.errors import InputError

MANIFEST = "manifest.json"

_MAX_MANIFEST = 64_000_000  # bytes: each data file takes some 200
_ORDER = ("Bucket", "Key")  # the columns that all data files begin with
_FOLDERS = ("", "data", "../data")  # where a data file is that was fetched with its manifest
_HINT = "fetch the whole inventory: manifest.json, and the data files below data/ beside or above it"


class StoredObject(Struct, frozen=True):
    """An object that an inventory lists: `oss` or `s3`, its bucket, its key, and what changes with its content."""

    scheme: str
    bucket: str
    key: str
    etag: str | None = None

    @property
    def address(self) -> str:
        """The address of the object."""
        return f"{self.scheme}://{self.bucket}/{self.key}"


class Inventory(Struct, frozen=True):
    """An inventory by its manifest: whose it is, its columns, and its data files."""

    scheme: str
    columns: tuple[str, ...]
    files: tuple[Path, ...]

    def objects(self) -> Iterator[StoredObject]:
        """Yield the current version of each object, file by file; raises InputError for a file that cannot be read."""
        for path in self.files:
            try:
                with gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape", newline="") as lines:
                    yield from rows(lines, self.scheme, self.columns)
            except (OSError, EOFError, zlib.error) as error:
                reason = getattr(error, "strerror", None) or error
                raise InputError(f"cannot read {path}: {reason}", code="unreadable", hint=_HINT) from error


def find_inventory(name: str) -> Inventory | None:
    """Return the inventory of a manifest, None for any other file; raises InputError for one without its data.

    An inventory in ORC or Parquet is refused.
    """
    path = Path(name)
    if path.name != MANIFEST:
        return None
    try:
        with path.open("rb") as file:
            manifest = json.loads(file.read(_MAX_MANIFEST))
    except (OSError, ValueError, RecursionError):
        return None  # a list of that name
    if not isinstance(manifest, dict) or "fileSchema" not in manifest:
        return None
    form, schema, entries = (manifest.get(key) for key in ("fileFormat", "fileSchema", "files"))
    if form != "CSV":
        raise _invalid(f"the inventory is in the format {form!r}", "let it be written as CSV")
    columns = tuple(part.strip() for part in schema.split(",")) if isinstance(schema, str) else ()
    if columns[:2] != _ORDER or not isinstance(entries, list):
        raise _invalid("the manifest has no columns Bucket and Key, or no files", _HINT)
    is_s3 = str(manifest.get("destinationBucket")).startswith("arn:aws")
    files = tuple(_data_file(path.parent, entry) for entry in entries)
    return Inventory("s3" if is_s3 else "oss", columns, files)


def rows(lines: Iterable[str], scheme: str, columns: Sequence[str] = _ORDER) -> Iterator[StoredObject]:
    """Yield the current version of each object in the lines of a data file; raises InputError for another line."""
    for number, row in enumerate(csv.reader(lines), start=1):
        if len(row) < len(columns):
            raise _invalid(f"row {number} has {len(row)} columns, not {len(columns)}", _HINT)
        values = dict(zip(columns[2:], row[2:], strict=False))
        if _is_current(values):
            key = unquote_plus(row[1], errors="surrogateescape")
            yield StoredObject(scheme, row[0], key, values.get("ETag") or None)


def _is_current(values: Mapping[str, str]) -> bool:
    return values.get("IsLatest") != "false" and values.get("IsDeleteMarker") != "true"


def _data_file(folder: Path, entry: Any) -> Path:
    """Return where a data file is, by the last part of its key; raises InputError where it is not."""
    key = entry.get("key") if isinstance(entry, dict) else None
    name = key.rpartition("/")[2] if isinstance(key, str) else ""
    if not name or "\0" in name or name in {".", ".."}:
        raise _invalid("the manifest names a file without a key", _HINT)
    for below in _FOLDERS:
        path = folder / below / name
        if path.is_file():
            return path
    raise _invalid(f"the data file {name[:200]} of the inventory is missing", _HINT)


def _invalid(message: str, hint: str) -> InputError:
    return InputError(message, code="inventory_invalid", hint=hint)
