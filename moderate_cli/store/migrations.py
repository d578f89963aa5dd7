"""Bringing a store to the shape that this version knows."""

from __future__ import annotations

import sqlite3

from moderate_cli.store.database import Database
from moderate_cli.store.problems import not_ours, too_new
from moderate_cli.store.schema import APPLICATION_ID, MIGRATIONS, Migration

_RECORDS = """
    CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at REAL NOT NULL)
"""


def check_owner(database: Database) -> None:
    """Refuse a database with tables that another program made, before anything in it is changed."""
    # In this order, because another process may write both, at once, between the two readings.
    if not database.read("SELECT 1 FROM sqlite_master LIMIT 1"):
        return
    if database.read("PRAGMA application_id")[0][0] != APPLICATION_ID:
        raise not_ours(database.path)


def migrate(database: Database, now: float) -> int:
    """Apply the migrations that a store lacks, each in one transaction with its record.

    Returns how many answers they drop. Raises StoreError for a store that has migrations which are not known here.
    """
    version = _version(database)
    if version > len(MIGRATIONS):
        raise too_new(database.path, version, len(MIGRATIONS))
    dropped = 0
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        with database.write() as connection:
            dropped += _apply(connection, number, migration, now)
    return dropped


def _version(database: Database) -> int:
    if not database.read("SELECT 1 FROM sqlite_master WHERE name = 'migrations'"):
        return 0
    return int(database.read("SELECT coalesce(max(number), 0) FROM migrations")[0][0])


def _apply(connection: sqlite3.Connection, number: int, migration: Migration, now: float) -> int:
    connection.execute(_RECORDS)
    if connection.execute("SELECT 1 FROM migrations WHERE number = ?", (number,)).fetchone():
        return 0  # another process was quicker
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    dropped = 0
    for statement in migration.statements:
        if isinstance(statement, str):
            connection.execute(statement)
        else:
            dropped += statement(connection)
    connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (number, migration.name, now))
    return dropped
