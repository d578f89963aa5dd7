"""Stored records, read back in the schema of today."""

from __future__ import annotations

import json
from typing import Any

from moderate_cli.records import upgraded

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What the record of another version may lead to while it is read back."""


def read_record(text: str, stored_at: float) -> dict[str, Any]:
    """Return a stored record in schema 2, or as it was stored where nobody can read it.

    `stored_at` (Unix seconds) stands for the time of judging, which a record of schema 1 does not tell.
    """
    record: dict[str, Any] = json.loads(text)
    try:
        return upgraded(record, at=stored_at)
    except UNREADABLE:
        return record
