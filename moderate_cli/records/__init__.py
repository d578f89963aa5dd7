"""Outcomes as data: the record that every format and every script reads, and the tally that decides the exit code."""

from moderate_cli.records.allowed import NO_GATE, Allowed, GatePolicy, allowance, counted_level
from moderate_cli.records.findings import UNLABELLED, Finding, all_labels, exemptions, findings
from moderate_cli.records.reading import read_verdict, to_outcome, upgraded
from moderate_cli.records.record import SCHEMA, SCHEMAS, is_clean, notes, record_schema, status, to_record, verdict_of
from moderate_cli.records.tally import Looked, Tally

__all__ = [
    "NO_GATE",
    "SCHEMA",
    "SCHEMAS",
    "UNLABELLED",
    "Allowed",
    "Finding",
    "GatePolicy",
    "Looked",
    "Tally",
    "all_labels",
    "allowance",
    "counted_level",
    "exemptions",
    "findings",
    "is_clean",
    "notes",
    "read_verdict",
    "record_schema",
    "status",
    "to_outcome",
    "to_record",
    "upgraded",
    "verdict_of",
]
