"""How is a record stored? As a row with the columns by which it is found, and a row a label."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from moderate_cli.records import to_json
from moderate_cli.store.database import to_column

_TEXTS = (
    "status",
    "source",
    "sha256",
    "operation",
    "risk_level",
    "region",
    "engine",
    "request_id",
    "req_id",
    "data_id",
)
# The result of a task is not reported yet; see `Store.untold`.
_INSERT = f"""
    INSERT INTO results (run, judged_at, question, services, finishes, told, billed_calls, record, {", ".join(_TEXTS)})
    VALUES (?, ?, ?, ?, ?5, ?5 IS NULL, ?, ?{", ?" * len(_TEXTS)})
    ON CONFLICT (finishes) DO NOTHING
"""  # noqa: S608 - the names are those above


def insert_result(
    connection: sqlite3.Connection,
    record: Mapping[str, Any],
    *,
    run: int | None,
    now: float,
    question: str | None,
    finishes: str | None = None,
) -> bool:
    """Store a record inside a transaction; return False if the task that it `finishes` already has a result."""
    services = to_column(",".join(str(service) for service in record.get("services") or ()))
    facts = (run, now, question, services, to_column(finishes), record.get("billed_calls"), to_json(record))
    cursor = connection.execute(_INSERT, (*facts, *(_text(record.get(name)) for name in _TEXTS)))
    if not cursor.rowcount:
        return False
    hits = ((cursor.lastrowid, label, service, number) for (label, service), number in _hits(record).items())
    connection.executemany("INSERT INTO label_hits (result, label, service, confidence) VALUES (?, ?, ?, ?)", hits)
    return True


def _hits(record: Mapping[str, Any]) -> dict[tuple[Any, Any], float | None]:
    """Return the highest confidence of each pair of label and service.

    The service is empty if it is unknown, or if several were asked and the answer does not say which one it was.
    """
    services = record.get("services") or ()
    only = next(iter(services)) if len(services) == 1 else ""
    hits: dict[tuple[Any, Any], float | None] = {}
    for label in record.get("labels") or ():
        key = to_column(str(label["label"])), to_column(str(label.get("service") or only))
        confidence, known = label.get("confidence"), hits.get(key)
        hits[key] = confidence if known is None else max(known, confidence or 0.0)
    return hits


def _text(value: object) -> str | bytes | None:
    return None if value is None else to_column(str(value))
