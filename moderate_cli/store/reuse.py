"""Reuse: known contents and files, so that nothing is submitted, hashed or billed twice."""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from msgspec import Struct

from moderate_cli.models import FileStat
from moderate_cli.store.database import Column, Database, from_column, read_record, to_column

FIND_ANSWER = """
    SELECT number, record, judged_at, run, decision FROM results
    WHERE sha256 = ? AND question = ? AND status = 'judged' AND (judged_at >= ? OR run = ?)
    ORDER BY judged_at DESC, number DESC LIMIT 1
"""
FIND_ADDRESS = """
    SELECT number, record, judged_at, run, decision FROM results
    WHERE source = ? AND question = ? AND status = 'judged' AND judged_at >= ?
    ORDER BY judged_at DESC, number DESC LIMIT 1
"""
LAST_RUN = "SELECT max(number) FROM runs WHERE command = ? AND subject = ? AND number < ?"
FAILED_IN = "SELECT 1 FROM results WHERE run = ? AND source = ? AND status = 'failed' LIMIT 1"
ANY_FAILED_IN = "SELECT 1 FROM results WHERE run = ? AND status = 'failed' LIMIT 1"
_IN_FOLDER = "folder = (SELECT number FROM folders WHERE path = ?)"
CLEAN_IN = f"""
    SELECT name, size, mtime_ns, inode FROM files
    WHERE {_IN_FOLDER} AND clean AND question = ? AND judged_at >= ?
"""  # noqa: S608 - a constant
SEEN_IN = f"SELECT name, size, mtime_ns, inode, sha256 FROM files WHERE {_IN_FOLDER}"  # noqa: S608
FIND_LOOK = "SELECT 1 FROM folders WHERE path = ? AND look = ? AND question = ? AND judged_at >= ?"
_KEEP_LOOK = """
    UPDATE folders SET look = ?1, question = ?2, judged_at =
        (SELECT min(judged_at) FROM files WHERE folder = number AND clean AND files.question = ?2)
    WHERE path = ?3
"""
# Text sorts before bytes, so that the last row tells whether any name is not UTF-8.
_IN_ORDER = "ORDER BY name"
_NAMES = 200  # in one query, of which SQLite allows 32,766
_REMEMBER = """
    INSERT OR REPLACE INTO files (folder, name, size, mtime_ns, inode, sha256, question, judged_at, clean)
    SELECT number, ?, ?, ?, ?, ?, ?, ?, ? FROM folders WHERE path = ?
"""
_MAX_INTEGER = 2**63 - 1  # of SQLite

Found = tuple[str, int, int, int]
"""The name and fingerprint of a hashed file: name, size, mtime_ns, inode."""

Seen = tuple[str, int, int, int, str]
"""The same with the SHA-256 of the content."""


class Answer(Struct, frozen=True):
    """A stored result; the record is that of `read_record` with what was decided. `judged_at` is in Unix seconds."""

    record: dict[str, Any]
    judged_at: float
    run: int | None


class SeenFile(Struct, frozen=True):
    """A file with its fingerprint from before it was hashed; `clean` as `results.is_clean` says."""

    folder: str
    name: str
    stat: FileStat
    clean: bool


def find_answer(database: Database, sha256: str, question: str, since: float | None, run: int | None) -> Answer | None:
    """Return the newest verdict on a content; see `Store.find_answer`."""
    return _answer(database, database.read(FIND_ANSWER, (sha256, question, since, run)))


def find_address(database: Database, source: str, question: str, since: float) -> Answer | None:
    """Return the newest verdict on an address; see `Store.find_address`."""
    return _answer(database, database.read(FIND_ADDRESS, (to_column(source), question, since)))


def _answer(database: Database, rows: Sequence[Sequence[Any]]) -> Answer | None:
    if not rows:
        return None
    number, text, judged_at, found_in, decision = rows[0]
    record = read_record(text, judged_at)
    if decision is not None:
        from moderate_cli.store.decisions import with_decision  # few answers have one

        with_decision(database, number, record)
    return Answer(record, judged_at, found_in)


def last_run(database: Database, command: str, subject: str, before: int | None) -> int | None:
    """Return the number of a run; see `Store.last_run`."""
    number = database.read(LAST_RUN, (command, subject, _MAX_INTEGER if before is None else before))[0][0]
    return None if number is None else int(number)


def clean_in(
    database: Database, folder: str, question: str, since: float, files: list[Found], *, whole: bool
) -> list[Found]:
    """Return the clean files of a folder; see `Store.clean_in`."""
    if not whole:
        return _clean(database, folder, question, since, [file[0] for file in files])
    place, look = to_column(folder), _look(files)
    if database.tuples(FIND_LOOK, (place, look, question, since)):
        return files
    clean = _clean(database, folder, question, since)
    if clean == files:
        with database.write() as connection:
            if _clean(database, folder, question, since) == files:  # another process may have written meanwhile
                connection.execute(_KEEP_LOOK, (look, question, place))
    return clean


def _look(files: list[Found]) -> bytes:
    # Later versions of the format refer to equal objects, but only to those that are used elsewhere too.
    return blake2b(marshal.dumps(files, 2), digest_size=16).digest()


def _clean(
    database: Database, folder: str, question: str, since: float, names: Sequence[str] | None = None
) -> list[Found]:
    """Return the clean files; each row stays SQLite's tuple, for building another takes 25 ms for 100,000 files."""
    return _rows(database, CLEAN_IN, (to_column(folder), question, since), names)


def seen_in(database: Database, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
    """Return the known files of a folder; see `Store.seen_in`."""
    return {row[0]: row for row in _rows(database, SEEN_IN, (to_column(folder),), names)}


def _rows(database: Database, sql: str, asked: tuple[Column | float, ...], names: Sequence[str] | None) -> list[Any]:
    """Return the rows of the files of a folder, or of those with some names, sorted by name."""
    if names is None:
        return _decoded(database.tuples(f"{sql} {_IN_ORDER}", asked))
    rows: list[Any] = []
    for start in range(0, len(names), _NAMES):
        part = names[start : start + _NAMES]
        marks = ", ".join("?" * len(part))
        rows += _decoded(database.tuples(f"{sql} AND name IN ({marks}) {_IN_ORDER}", (*asked, *map(to_column, part))))
    return rows


def _decoded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    if rows and isinstance(rows[-1][0], bytes):
        return [(from_column(row[0]), *row[1:]) for row in rows]
    return rows


def remember(connection: sqlite3.Connection, file: SeenFile, sha256: str, question: str, judged_at: float) -> None:
    """Store a file inside a transaction, replacing its previous row.

    A file whose inode exceeds the integers of SQLite, as on some network file systems, is not stored.
    """
    if max(file.stat) > _MAX_INTEGER:
        return
    folder = to_column(file.folder)
    row = (to_column(file.name), *file.stat, sha256, question, judged_at, file.clean, folder)
    if not connection.execute(_REMEMBER, row).rowcount:
        connection.execute("INSERT INTO folders (path) VALUES (?)", (folder,))
        connection.execute(_REMEMBER, row)
