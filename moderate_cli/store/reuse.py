"""Reuse: what is known about a content or a file already, so that nothing is asked, hashed or paid for twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moderate_cli.store.columns import from_column, to_column
from moderate_cli.store.database import Database
from moderate_cli.verdicts import FileStat

FIND_ANSWER = """
    SELECT record, judged_at, run FROM results
    WHERE sha256 = ? AND question = ? AND status = 'judged' AND (judged_at >= ? OR run = ?)
    ORDER BY judged_at DESC, number DESC LIMIT 1
"""
LAST_RUN = "SELECT max(number) FROM runs WHERE command = ? AND subject = ? AND number < ?"
FAILED_IN = "SELECT 1 FROM results WHERE run = ? AND source = ? AND status = 'failed' LIMIT 1"
# Text comes before bytes in this order, so that the last row tells whether any name is not UTF-8.
SEEN_IN = """
    SELECT name, size, mtime_ns, inode, CASE WHEN clean AND question = ? AND judged_at >= ? THEN NULL ELSE sha256 END
    FROM files WHERE folder = (SELECT number FROM folders WHERE path = ?)
"""
_IN_ORDER = "ORDER BY name"
_NAMES = 200  # in one query, of which SQLite allows 32,766
_REMEMBER = """
    INSERT OR REPLACE INTO files (folder, name, size, mtime_ns, inode, sha256, question, judged_at, clean)
    SELECT number, ?, ?, ?, ?, ?, ?, ?, ? FROM folders WHERE path = ?
"""
# The answer counts from when the oldest about one of its files was given.
_KEEP_LOOK = """
    UPDATE folders SET look = ?, question = ?, passed_over = ?, judged_at = (
        SELECT coalesce(min(files.judged_at), ?) FROM files
        WHERE folder = number AND clean AND files.question = ? AND files.judged_at >= ?
    ) WHERE path = ?
"""
FIND_LOOK = "SELECT passed_over FROM folders WHERE path = ? AND look = ? AND question = ? AND judged_at >= ?"
_FORGET_LOOK = "UPDATE folders SET look = NULL WHERE path = ?"
_LARGEST = 2**63 - 1  # what an integer of SQLite can hold

Seen = tuple[str, int, int, int, str | None]
"""A file as it was when its content was hashed: name, size, mtime_ns, inode, sha256; None where it is clean."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A result that was stored earlier, its record in schema 2; `judged_at` in Unix seconds."""

    record: dict[str, Any]
    judged_at: float
    run: int | None


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as a walk saw it before it was hashed; `clean` says that its verdict holds no finding."""

    folder: str
    name: str
    stat: FileStat
    clean: bool


def find_answer(database: Database, sha256: str, question: str, since: float | None, run: int | None) -> Answer | None:
    """Return the newest verdict on a content; see `Store.find_answer`."""
    rows = database.read(FIND_ANSWER, (sha256, question, since, run))
    if not rows:
        return None
    from moderate_cli.store.reading import read_record  # not needed by those who ask for no answer

    record, judged_at, found_in = rows[0]
    return Answer(read_record(record, judged_at), judged_at, found_in)


def last_run(database: Database, command: str, subject: str, before: int | None) -> int | None:
    """Return the number of a run; see `Store.last_run`."""
    number = database.read(LAST_RUN, (command, subject, _LARGEST if before is None else before))[0][0]
    return None if number is None else int(number)


def seen_in(
    database: Database, folder: str, question: str, since: float | None, names: Sequence[str] | None
) -> Mapping[str, Seen]:
    """Return what is known of the files of a folder; see `Store.seen_in`.

    Each row stays the tuple that it came as: to build another out of it costs a rescan of 100,000 files 25 ms.
    """
    rows = database.tuples
    asked = (question, since, to_column(folder))
    if names is None:
        return _by_name(rows(f"{SEEN_IN} {_IN_ORDER}", asked))
    seen: dict[str, Seen] = {}
    for part in _parts(names):
        marks = ", ".join("?" * len(part))
        seen |= _by_name(rows(f"{SEEN_IN} AND name IN ({marks}) {_IN_ORDER}", (*asked, *map(to_column, part))))
    return seen


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _NAMES] for start in range(0, len(names), _NAMES))


def _by_name(rows: list[tuple[Any, ...]]) -> dict[str, Seen]:
    if rows and isinstance(rows[-1][0], bytes):
        return {row[0]: row for row in _decoded(rows)}
    return {row[0]: row for row in rows}


def _decoded(rows: Iterable[tuple[Any, ...]]) -> Iterator[Seen]:
    for name, size, mtime_ns, inode, sha256 in rows:
        yield from_column(name), size, mtime_ns, inode, sha256


def remember(connection: sqlite3.Connection, file: SeenFile, sha256: str, question: str, judged_at: float) -> None:
    """Keep a file inside a transaction, in the place of what was known of it.

    Some network file systems number their files beyond the integers of SQLite: such files are hashed each time.
    """
    if max(file.stat) > _LARGEST:
        return
    folder = to_column(file.folder)
    row = (to_column(file.name), *file.stat, sha256, question, judged_at, file.clean, folder)
    if not connection.execute(_REMEMBER, row).rowcount:
        connection.execute("INSERT INTO folders (path) VALUES (?)", (folder,))
        connection.execute(_REMEMBER, row)
    elif not file.clean:
        connection.execute(_FORGET_LOOK, (folder,))


def find_look(database: Database, folder: str, look: bytes, question: str, since: float) -> int | None:
    """Return how many files of a folder are no images; see `Store.find_look`."""
    rows = database.tuples(FIND_LOOK, (to_column(folder), look, question, since))
    return rows[0][0] if rows else None


def keep_look(
    connection: sqlite3.Connection, folder: str, look: bytes, question: str, *, since: float, passed_over: int
) -> None:
    """Keep inside a transaction how a folder looked; see `Store.keep_look`."""
    row = (look, question, passed_over, since, question, since, to_column(folder))
    connection.execute(_KEEP_LOOK, row)
