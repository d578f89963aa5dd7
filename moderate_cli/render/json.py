"""How do scripts read a run? JSON: a line per record as soon as it is known, or one document written as a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from moderate_cli.common.text import safe_json
from moderate_cli.models import Outcome
from moderate_cli.records import SCHEMA, to_json, to_record
from moderate_cli.records.summaries import summary_document
from moderate_cli.results import NO_GATE, GatePolicy, RunSummary, Suppression


def dump(value: Any) -> str:
    """Return a value as JSON on one line that is safe to show on a terminal."""
    return safe_json(to_json(value))


class JsonlRenderer:
    """One record a line, flushed at once so that a reader sees it while the run goes on."""

    def __init__(self, stream: TextIO, *, raw: bool, policy: GatePolicy = NO_GATE) -> None:
        self._stream = stream
        self._raw = raw
        self._policy = policy

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Write one line; suppressed findings are kept, and marked."""
        record = to_record(outcome, suppressions=suppressions, policy=self._policy, raw=self._raw)
        self._stream.write(dump(record) + "\n")
        self._stream.flush()

    def finish(self, summary: RunSummary) -> None:
        """Leave the lines as they are."""


class JsonRenderer:
    """One document: schema, results, and the summary last, because it is known last."""

    def __init__(self, stream: TextIO, *, raw: bool, policy: GatePolicy = NO_GATE) -> None:
        self._stream = stream
        self._raw = raw
        self._policy = policy
        self._before = f'{{"schema":{SCHEMA},"results":['

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Write one element of the results; suppressed findings are kept, and marked."""
        record = to_record(outcome, suppressions=suppressions, policy=self._policy, raw=self._raw)
        self._stream.write(self._before + "\n" + dump(record))
        self._before = ","

    def finish(self, summary: RunSummary) -> None:
        """Close the results and write the summary."""
        opening = "" if self._before == "," else self._before
        self._stream.write(f'{opening}\n],"summary":{dump(summary_document(summary))}}}\n')
        self._stream.flush()
