"""SARIF 2.1.0 for code scanning: a result a finding, written as it comes; rules and problems stand at the end.

The format: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". What GitHub reads of it, and its
limits: its pages on SARIF support and on results that exceed limits (read in November 2026).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from msgspec import Struct, field

from moderate_cli import __version__
from moderate_cli.common.errors import ExitCode
from moderate_cli.common.text import safe_text
from moderate_cli.models import Failed, Item, Judged, Label, Outcome, Pending, RiskLevel
from moderate_cli.render.json import dump
from moderate_cli.render.wording import (
    Locations,
    finding_words,
    is_of_frame,
    known_meaning,
    meaning,
    not_tried_words,
    pending_words,
    problem,
    problem_words,
    read_words,
    remarks,
    suppression_of_finding,
)
from moderate_cli.results import Finding, GatePolicy, RunSummary, Suppression, findings, verdict_of

MAX_RESULTS = 25_000
"""Results that GitHub takes from one run; it refuses a file with more."""

MAX_PROBLEMS = 1_000
MAX_REMARKS = 1_000

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HELP_URI = "https://www.alibabacloud.com/help/en/content-moderation"
_MAX_LENGTH = 1_000  # characters; GitHub shows 1,024 of a description
# What SARIF reads as a placeholder or a link in a plain text (3.11.5 and 3.11.6), and how it is written instead.
_SPECIAL = str.maketrans({"{": "{{", "}": "}}", "[": r"\[", "]": r"\]", "\\": r"\\"})
_LEVELS = {RiskLevel.HIGH: "error", RiskLevel.MEDIUM: "warning", RiskLevel.LOW: "note"}
# GitHub knows a finding again by this one alone, and would work it out from the lines of the file.
_FINGERPRINT = "primaryLocationLineHash"
# What leaves the execution successful: that something was found is no failure of the tool.
_SUCCESS = frozenset({ExitCode.OK, ExitCode.FOUND})


class SarifRenderer:
    """One run; an input without a verdict is a notification, and makes the execution unsuccessful.

    What was not judged of an image is a notification too, and so are the inputs that were not tried.
    """

    def __init__(self, stream: TextIO, *, policy: GatePolicy) -> None:
        self._stream = stream
        self._policy = policy
        self._locations = Locations()
        self._rules = Rules()
        self._results = 0
        self._problems = _Notifications(MAX_PROBLEMS)
        self._remarks = _Notifications(MAX_REMARKS)

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Write the results of one outcome, or keep its problem; what is suppressed is a suppressed result."""
        self._add_remarks(outcome)
        if not isinstance(outcome, Judged):
            self._add_problem(outcome)
            return
        for finding in findings(outcome.verdict):
            if self._results < MAX_RESULTS:
                self._write_result(self._result(outcome, finding, suppressions))
            self._results += 1

    def finish(self, summary: RunSummary) -> None:
        """Close the results, and write the rules and the problems."""
        self._begin()
        final = map(dump, self._final_notes(summary))
        notes = ",\n".join([*self._problems.written, *self._remarks.written, *final])
        is_complete = summary.exit_code(allow_empty=True) in _SUCCESS
        driver = {"name": "moderate", "version": __version__, "rules": self._rules.listed()}
        self._stream.write(
            f'\n],"invocations":[{{"executionSuccessful":{dump(is_complete)},'
            f'"toolExecutionNotifications":[\n{notes}\n]}}],\n"tool":{{"driver":{dump(driver)}}}}}]}}\n'
        )
        self._stream.flush()

    def _begin(self) -> None:
        if not self._results:
            self._stream.write(f'{{"$schema":"{_SCHEMA}","version":"2.1.0","runs":[{{"results":[')

    def _write_result(self, result: Mapping[str, Any]) -> None:
        self._begin()
        self._stream.write(("," if self._results else "") + "\n" + dump(result))

    def _result(self, outcome: Judged, finding: Finding, suppressions: Sequence[Suppression]) -> dict[str, Any]:
        label = finding.label
        entry = suppression_of_finding(finding, suppressions)
        location = {"physicalLocation": {**self._artifact(outcome.item), "region": {"startLine": 1}}}
        where = {"logicalLocations": [{"fullyQualifiedName": safe_text(label.where)}]} if label.where else {}
        services = ", ".join(dict.fromkeys(finding.services)) or None
        known = {"confidence": label.confidence, "service": services, "riskLevel": finding.level.value}
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
        uri = self._locations.uri(item)
        base = {"uriBaseId": "%SRCROOT%"} if uri.is_relative else {}
        return {"artifactLocation": {"uri": uri.text, **base}}

    def _fingerprint(self, outcome: Judged, finding: Finding) -> str:
        """Return what stays the same while the image and its label do, whatever the file is called.

        The worst of the frames that show a label may be another one each time.
        """
        content = outcome.sha256 or self._locations.uri(outcome.item).text
        where = "" if is_of_frame(finding.label) else finding.label.where or ""
        text = "\n".join([content, finding.label.label, where])
        return f"{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}:1"

    def _add_problem(self, outcome: Outcome) -> None:
        if isinstance(outcome, Pending):
            self._problems.add(self._note("note", "pending", pending_words(outcome), outcome.item))
        elif error := problem(outcome):
            level = "error" if isinstance(outcome, Failed) else "warning"
            text = problem_words(error, read_words(outcome))
            self._problems.add(self._note(level, error.code, text, outcome.item))

    def _add_remarks(self, outcome: Outcome) -> None:
        """Keep the remarks on a response."""
        said, verdict = remarks(outcome, self._policy), verdict_of(outcome)
        if not said or verdict is None:
            return
        is_wrong = verdict.is_unanswered or self._policy.is_incomplete(outcome)
        code = "partial_coverage" if verdict.coverage else "answer_note"
        self._remarks.add(self._note("warning" if is_wrong else "note", code, "; ".join(said), outcome.item))

    def _final_notes(self, summary: RunSummary) -> Iterator[dict[str, Any]]:
        """Yield what is known only at the end: what is left out here, and what was not tried."""
        left_out = self._results - MAX_RESULTS
        if left_out > 0:
            text = f"{left_out:,} more results are left out; -f jsonl lists all"
            yield self._note("warning", "too_many_results", text)
        if more := self._problems.left_out:
            yield self._note("error", "too_many_problems", f"{more:,} more inputs have no verdict")
        if more := self._remarks.left_out:
            yield self._note("warning", "too_many_remarks", f"{more:,} more responses are incomplete or have notes")
        if not_tried := not_tried_words(summary):
            yield self._note("error", "not_tried", not_tried)
        if summary.is_cut_off:
            yield self._note("error", "cut_off", "the run was cut off")

    def _note(self, level: str, code: str, text: str, item: Item | None = None) -> dict[str, Any]:
        note: dict[str, Any] = {"level": level, "descriptor": {"id": safe_text(code)}, "message": plain(text)}
        if item is not None:
            note["locations"] = [{"physicalLocation": self._artifact(item)}]
        return note


class _Notifications(Struct):
    """The first `limit` notifications of a kind, as JSON, and how many more there were."""

    limit: int
    written: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, note: Mapping[str, Any]) -> None:
        if len(self.written) < self.limit:
            self.written.append(dump(note))
        else:
            self.left_out += 1


class Rules:
    """The rules in the order in which their labels were found first."""

    def __init__(self) -> None:
        self._labels: dict[str, tuple[int, Label]] = {}

    def index(self, label: Label) -> int:
        """Return the place of a label's rule."""
        return self._labels.setdefault(label.label, (len(self._labels), label))[0]

    def listed(self) -> list[dict[str, Any]]:
        """Return the rules."""
        return [_rule(label) for _, label in self._labels.values()]


def _rule(label: Label) -> dict[str, Any]:
    name = safe_text(label.label)
    words = safe_text(known_meaning(label.label, label.service) or meaning(label))[:_MAX_LENGTH]
    found = f"{name}: {words}" if words else name
    by = f" by {safe_text(label.service)}" if label.service else ""
    todo = "Review the finding. Replace the image, or suppress the finding with a reason:"
    command = f"moderate allow IMAGE --label {shlex.quote(name)} --reason REASON"
    return {
        "id": name,
        "shortDescription": plain(found),
        "fullDescription": plain(f"{found} (found{by}; the risk level is the service's)"),
        "help": {**plain(f"{found}. {todo} {command}"), "markdown": f"{todo}\n\n```\n{command}\n```\n"},
        "helpUri": _HELP_URI,
        "properties": {"tags": ["content-moderation"]},
    }


def plain(text: str) -> dict[str, str]:
    """Return a message whose text is shown as it is."""
    return {"text": text.translate(_SPECIAL)}
