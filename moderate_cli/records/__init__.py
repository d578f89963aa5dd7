"""The record of an input: one JSON object in which every field is present, written and read back."""

from __future__ import annotations

from moderate_cli.records.reading import (
    UNREADABLE,
    read_verdict,
    suppressions_of,
    to_outcome,
    upgraded,
)
from moderate_cli.records.record import (
    SCHEMA,
    SCHEMAS,
    Record,
    data_id_of,
    decision_record,
    from_json,
    load_schema,
    record_schema,
    req_id_of,
    request_id_of,
    timestamp,
    to_json,
    to_record,
)

__all__ = [
    "SCHEMA",
    "SCHEMAS",
    "UNREADABLE",
    "Record",
    "data_id_of",
    "decision_record",
    "from_json",
    "load_schema",
    "read_verdict",
    "record_schema",
    "req_id_of",
    "request_id_of",
    "suppressions_of",
    "timestamp",
    "to_json",
    "to_outcome",
    "to_record",
    "upgraded",
]
