"""Outcomes as data: the record that every format and every script reads, and the tally that decides the exit code."""

from moderate_cli.records.allowed import Allowed, allowance, counted_level
from moderate_cli.records.findings import UNLABELLED, Finding, all_labels, findings
from moderate_cli.records.reading import read_verdict, to_outcome
from moderate_cli.records.record import SCHEMA, record_schema, to_record
from moderate_cli.records.tally import Tally

__all__ = [
    "SCHEMA",
    "UNLABELLED",
    "Allowed",
    "Finding",
    "Tally",
    "all_labels",
    "allowance",
    "counted_level",
    "findings",
    "read_verdict",
    "record_schema",
    "to_outcome",
    "to_record",
]
