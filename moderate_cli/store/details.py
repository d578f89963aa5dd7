"""All that is known of one result: its run, and where its image was seen; no run imports this module."""

from __future__ import annotations

import json
from collections.abc import Collection

from msgspec import Struct

from moderate_cli.store.database import Database, from_column, to_column
from moderate_cli.store.queries import Entry, entries_of

# In this order: what is more specific comes first.
_NAMES = ("request_id", "req_id", "sha256", "source")
_PLACES = """
    SELECT path, name FROM files JOIN folders ON folders.number = files.folder
    WHERE sha256 = ? ORDER BY path, name LIMIT ?
"""


_PLACES_OF_EACH = """
    SELECT sha256, path, name FROM files JOIN folders ON folders.number = files.folder
    WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY path, name
"""


class StoredRun(Struct, frozen=True):
    """A run of a command; times are Unix seconds. One without an end was cut off, or is still running."""

    number: int
    command: str
    started_at: float
    finished_at: float | None
    exit_code: int | None
    judged: int | None
    skipped: int | None
    failed: int | None


_RUN = f"SELECT {', '.join(StoredRun.__struct_fields__)} FROM runs WHERE number = ?"  # noqa: S608 - the names above


def find_results(database: Database, name: str, limit: int) -> list[Entry]:
    """Return the results with a request id, a task id, a SHA-256 or a source; see `Store.find_results`."""
    for column in _NAMES:
        value = name.lower() if column == "sha256" else to_column(name)
        if found := entries_of(database, column, value, limit):
            return found
    return []


def find_run(database: Database, number: int) -> StoredRun | None:
    """Return a run; see `Store.find_run`."""
    rows = database.tuples(_RUN, (number,))
    return StoredRun(*map(from_column, rows[0])) if rows else None


def places_of(database: Database, sha256: str, limit: int) -> list[tuple[str, str]]:
    """Return where a content was seen; see `Store.places_of`."""
    return [(from_column(path), from_column(name)) for path, name in database.tuples(_PLACES, (sha256, limit))]


def places_of_each(database: Database, digests: Collection[str], limit: int) -> dict[str, list[tuple[str, str]]]:
    """Return where some contents were seen; see `Store.places_of_each`."""
    places: dict[str, list[tuple[str, str]]] = {}
    for sha256, path, name in database.tuples(_PLACES_OF_EACH, (json.dumps(list(digests)),)):
        found = places.setdefault(sha256, [])
        if len(found) < limit:
            found.append((from_column(path), from_column(name)))
    return places
