"""SARIF 2.1.0 for code scanning: a result a finding, written as it comes; rules and problems stand at the end.

The format: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". What GitHub reads of it, and its
limits: its pages on SARIF support and on results that exceed limits (read in November 2026).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from moderate_cli import __version__
from moderate_cli.errors import ExitCode
from moderate_cli.records import Allowed, Finding, Tally, allowance, findings
from moderate_cli.render.json import dump
from moderate_cli.render.places import Places
from moderate_cli.render.safe import safe_text
from moderate_cli.render.sarif_rules import Rules, plain
from moderate_cli.render.words import finding_words, pending_words, problem, problem_words
from moderate_cli.verdicts import Failed, Item, Judged, Outcome, Pending, RiskLevel

MOST_RESULTS = 25_000
"""How many results GitHub takes from one run; it refuses a file with more."""
MOST_PROBLEMS = 1_000

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {RiskLevel.HIGH: "error", RiskLevel.MEDIUM: "warning", RiskLevel.LOW: "note"}
# GitHub knows a finding again by this one alone, and would work it out from the lines of the file.
_FINGERPRINT = "primaryLocationLineHash"


class SarifRenderer:
    """One run; an input without a verdict is a notification, and makes the execution unsuccessful."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._places = Places()
        self._rules = Rules()
        self._results = 0
        self._problems: list[str] = []
        self._problems_left_out = 0

    def add(self, outcome: Outcome, *, allowed: Sequence[Allowed] = ()) -> None:
        """Write the results of one outcome, or keep its problem; what is allowed is a suppressed result."""
        if not isinstance(outcome, Judged):
            self._add_problem(outcome)
            return
        for finding in findings(outcome.verdict):
            if self._results < MOST_RESULTS:
                self._write_result(self._result(outcome, finding, allowed))
            self._results += 1

    def finish(self, tally: Tally) -> None:
        """Close the results, and write the rules and the problems."""
        self._begin()
        left_out = self._results - MOST_RESULTS
        if left_out > 0:
            self._note("warning", "too_many_results", f"{left_out:,} more results are left out; -f jsonl lists all")
        if self._problems_left_out:
            self._note("error", "too_many_problems", f"{self._problems_left_out:,} more inputs have no verdict")
        is_complete = tally.exit_code(fail_on=None, allow_empty=True) is ExitCode.OK
        problems = ",\n".join(self._problems)
        driver = {"name": "moderate", "version": __version__, "rules": self._rules.listed()}
        self._stream.write(
            f'\n],"invocations":[{{"executionSuccessful":{dump(is_complete)},'
            f'"toolExecutionNotifications":[\n{problems}\n]}}],\n"tool":{{"driver":{dump(driver)}}}}}]}}\n'
        )
        self._stream.flush()

    def _begin(self) -> None:
        if not self._results:
            self._stream.write(f'{{"$schema":"{_SCHEMA}","version":"2.1.0","runs":[{{"results":[')

    def _write_result(self, result: Mapping[str, Any]) -> None:
        self._begin()
        self._stream.write(("," if self._results else "") + "\n" + dump(result))

    def _result(self, outcome: Judged, finding: Finding, allowed: Sequence[Allowed]) -> dict[str, Any]:
        label = finding.label
        entry = allowance(label, allowed)
        location = {"physicalLocation": {**self._artifact(outcome.item), "region": {"startLine": 1}}}
        where = {"logicalLocations": [{"fullyQualifiedName": safe_text(label.where)}]} if label.where else {}
        known = {"confidence": label.confidence, "service": label.service, "riskLevel": finding.level.value}
        return {
            "ruleId": safe_text(label.label),
            "ruleIndex": self._rules.index(label),
            "level": _LEVELS[finding.level],
            "message": plain(f"{finding_words(finding)}; {finding.level} risk"),
            "locations": [location | where],
            "partialFingerprints": {_FINGERPRINT: self._fingerprint(outcome, finding)},
            "suppressions": [{"kind": "external", "justification": safe_text(entry.reason)}] if entry else [],
            "properties": {name: value for name, value in known.items() if value is not None},
        }

    def _artifact(self, item: Item) -> dict[str, Any]:
        uri = self._places.uri(item)
        base = {"uriBaseId": "%SRCROOT%"} if uri.is_relative else {}
        return {"artifactLocation": {"uri": uri.text, **base}}

    def _fingerprint(self, outcome: Judged, finding: Finding) -> str:
        """Return what stays the same while the image and its label do, whatever the file is called."""
        content = outcome.sha256 or self._places.uri(outcome.item).text
        text = "\n".join([content, finding.label.label, finding.label.where or ""])
        return f"{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:32]}:1"

    def _add_problem(self, outcome: Outcome) -> None:
        if len(self._problems) >= MOST_PROBLEMS:
            self._problems_left_out += 1
        elif isinstance(outcome, Pending):
            self._note("note", "pending", pending_words(outcome), outcome.item)
        elif error := problem(outcome):
            level = "error" if isinstance(outcome, Failed) else "warning"
            self._note(level, error.code, problem_words(error), outcome.item)

    def _note(self, level: str, code: str, text: str, item: Item | None = None) -> None:
        note: dict[str, Any] = {"level": level, "descriptor": {"id": safe_text(code)}, "message": plain(text)}
        if item is not None:
            note["locations"] = [{"physicalLocation": self._artifact(item)}]
        self._problems.append(dump(note))
