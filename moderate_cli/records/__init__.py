"""Outcomes as data: the record that every format and every script reads, and the tally that decides the exit code."""

from moderate_cli.records.record import SCHEMA, record_schema, to_record
from moderate_cli.records.tally import Tally

__all__ = ["SCHEMA", "Tally", "record_schema", "to_record"]
