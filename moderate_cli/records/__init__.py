"""Outcomes as data: the record that every format and every script reads, and the tally that decides the exit code."""

from moderate_cli.records.allowed import NO_GATE, GatePolicy, Suppression, counted_level, suppression_for
from moderate_cli.records.findings import UNLABELLED, Finding, all_labels, exemptions, findings
from moderate_cli.records.reading import read_verdict, to_outcome, upgraded
from moderate_cli.records.record import SCHEMA, SCHEMAS, is_clean, notes, record_schema, status, to_record, verdict_of
from moderate_cli.records.tally import Looked, Tally

__all__ = [
    "NO_GATE",
    "SCHEMA",
    "SCHEMAS",
    "UNLABELLED",
    "Finding",
    "GatePolicy",
    "Looked",
    "Suppression",
    "Tally",
    "all_labels",
    "counted_level",
    "exemptions",
    "findings",
    "is_clean",
    "notes",
    "read_verdict",
    "record_schema",
    "status",
    "suppression_for",
    "to_outcome",
    "to_record",
    "upgraded",
    "verdict_of",
]
