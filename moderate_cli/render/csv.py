"""How does a run look in a spreadsheet? CSV with a header and one row per input, as soon as it is known."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import chain
from typing import Any, TextIO

from moderate_cli.common.text import visible_text
from moderate_cli.models import Json, Label, Outcome, Verdict
from moderate_cli.records import to_record
from moderate_cli.render.listing import safe_cell
from moderate_cli.render.wording import confidence, coverage_words, details, exempted
from moderate_cli.results import (
    NO_GATE,
    GatePolicy,
    RunSummary,
    Suppression,
    all_labels,
    suppression_for,
    verdict_of,
)

_SEPARATOR = "; "
# What comes from the record as it is, before and after the columns that are joined or taken out of its objects.
_FIRST = ("source", "status", "risk_level", "reported_level")
_LAST = (
    *("operation", "engine", "reused", "region", "endpoint", "request_id", "req_id", "data_id"),
    *("sha256", "bytes", "judged_at", "billed_calls", "attempts", "elapsed_ms"),
)
_JOINED = (
    *("gate_passed", "coverage", "notes", "labels", "confidences", "descriptions", "suppressed"),
    *("services", "error_code", "error_message", "decision", "decided_by", "decided_at", "decision_note"),
)
_DETAILS = {
    "text": "text",
    "keyword": "keywords",
    "risk words": "risk_words",
    "library": "libraries",
    "figure": "figures",
    "logo": "logos",
}

COLUMNS = (*_FIRST, *_JOINED, *_DETAILS.values(), *_LAST)
"""The header. A cell with several values separates them with `; `, and labels, confidences and descriptions are in the
same order, exemptions last; `suppressed` holds the suppressed labels, each with the reason, and `coverage` tells in
words what was not judged. From `text` to `logos` stands what is behind the labels, of all services and frames. Other
names are the record's."""

_BOM = "\ufeff"


class CsvRenderer:
    """One row an input, in UTF-8 and as RFC 4180 wants it.

    Every text is quoted, because some spreadsheets take semicolons for separators. With `bom` a byte order mark comes
    first, without which Excel takes UTF-8 for another encoding.
    """

    def __init__(self, stream: TextIO, *, policy: GatePolicy = NO_GATE, bom: bool = False) -> None:
        self._stream = stream
        self._policy = policy
        self._bom = bom
        self._writer = csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
        self._has_header = False

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Write one row."""
        self._write_header()
        record = to_record(outcome, suppressions=suppressions, policy=self._policy)
        cells = {**record, **_joined(outcome, record, suppressions)}
        self._writer.writerow(_cell(cells[name]) for name in COLUMNS)

    def finish(self, summary: RunSummary) -> None:
        """Write the header, if there was no row to write it before."""
        self._write_header()

    def _write_header(self) -> None:
        if not self._has_header:
            self._stream.write(_BOM if self._bom else "")
            self._writer.writerow(COLUMNS)
            self._has_header = True


def _joined(outcome: Outcome, record: dict[str, Any], suppressions: Sequence[Suppression]) -> dict[str, Any]:
    verdict = verdict_of(outcome)
    labels: list[Label] = [*all_labels(verdict), *exempted(verdict)] if verdict else []
    entries = {label.label: entry for label in labels if (entry := suppression_for(label, suppressions))}
    error, decision = record["error"] or {}, record["decision"] or {}
    return {
        "gate_passed": (record["gate"] or {}).get("passed"),
        "coverage": _SEPARATOR.join(map(coverage_words, verdict.coverage if verdict else ())),
        "notes": _SEPARATOR.join(record["notes"]),
        "labels": _SEPARATOR.join(label.label for label in labels),
        "confidences": _SEPARATOR.join(confidence(label.confidence) for label in labels),
        "descriptions": _SEPARATOR.join(label.description or "" for label in labels),
        "suppressed": _SEPARATOR.join(f"{name}: {entry.reason}" for name, entry in entries.items()),
        "services": _SEPARATOR.join(record["services"]),
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "decision": decision.get("value"),
        "decided_by": decision.get("by"),
        "decided_at": decision.get("at"),
        "decision_note": decision.get("note"),
        **_details(verdict),
    }


def _details(verdict: Verdict | None) -> dict[str, str]:
    """Return what is behind the labels, each once, by column."""
    found: dict[str, dict[str, None]] = {column: {} for column in _DETAILS.values()}
    exts: list[Json] = []
    if verdict:
        exts = [verdict.ext, *(part.ext for part in verdict.per_service), *(frame.ext for frame in verdict.frames)]
    for name, text in chain.from_iterable(map(details, exts)):
        found[_DETAILS[name]][text] = None
    return {column: _SEPARATOR.join(texts) for column, texts in found.items()}


def _cell(value: object) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, int | float) else safe_cell(visible_text(str(value)))
