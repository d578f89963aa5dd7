"""Results: the record of each input as it was told, and the columns by which it is found again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from moderate_cli.store.columns import to_column

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
# What finishes a task is not told yet; see telling.py.
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
    """Store a record inside a transaction; False where the task that it `finishes` has a result already."""
    services = to_column(",".join(str(service) for service in record.get("services") or ()))
    # With each character beyond ASCII escaped, lone surrogates of file names survive.
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=True)
    facts = (run, now, question, services, to_column(finishes), record.get("billed_calls"), text)
    cursor = connection.execute(_INSERT, (*facts, *(_text(record.get(name)) for name in _TEXTS)))
    if not cursor.rowcount:
        return False
    hits = ((cursor.lastrowid, label, service, number) for (label, service), number in _hits(record).items())
    connection.executemany("INSERT INTO label_hits (result, label, service, confidence) VALUES (?, ?, ?, ?)", hits)
    return True


def _hits(record: Mapping[str, Any]) -> dict[tuple[Any, Any], float | None]:
    """Return each label with the service that found it, once, in however many parts it stands, and the most sure.

    The service is empty where several were asked and the answer does not tell which it was, or none is known.
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
