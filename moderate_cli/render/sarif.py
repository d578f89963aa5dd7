"""SARIF 2.1.0 for code scanning: a result for each finding, in the order of the inputs.

The format: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". What GitHub reads of it, and its
limits: its pages on SARIF support and on results that exceed limits (read in November 2026).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from operator import attrgetter
from typing import Any, TextIO

from msgspec import Struct, field

from moderate_cli import __version__
from moderate_cli.common.errors import ExitCode
from moderate_cli.common.text import safe_text
from moderate_cli.models import Failed, Item, Judged, Label, Outcome, Pending, RiskLevel
from moderate_cli.render.json import dump
from moderate_cli.render.locations import Locations
from moderate_cli.render.wording import (
    SortKey,
    TopN,
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
from moderate_cli.results import (
    Finding,
    GatePolicy,
    RunSummary,
    Suppression,
    counted_level,
    findings,
    unlabelled,
    verdict_of,
)

MAX_RESULTS = 5_000
"""Results that GitHub shows of one run, of the 25,000 that it takes."""

MAX_PROBLEMS = 1_000
MAX_REMARKS = 1_000

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HELP_URI = "https://www.alibabacloud.com/help/en/content-moderation"
_MAX_LENGTH = 1_000  # characters; GitHub shows 1,024 of a description
# What SARIF reads as a placeholder or a link in a plain text (3.11.5 and 3.11.6), and how it is written instead.
_SPECIAL = str.maketrans({"{": "{{", "}": "}}", "[": r"\[", "]": r"\]", "\\": r"\\"})
_LEVELS = {RiskLevel.HIGH: "error", RiskLevel.MEDIUM: "warning", RiskLevel.LOW: "note"}
_FINGERPRINT = "moderateFinding/v1"
# The category by which GitHub replaces the results of an earlier run: constant, or a run that finds nothing would not
# close what the one before it found.
_AUTOMATION_ID = "moderate/"
# What leaves the execution successful: that something was found is no failure of the tool.
_SUCCESS = frozenset({ExitCode.OK, ExitCode.FOUND})


class SarifRenderer:
    """One run; an input without a verdict is a notification, and makes the execution unsuccessful.

    What was not judged of an image is a notification too, and so are the inputs that were not tried. Of too many
    results the worst are kept, those that count before those that are suppressed.
    """

    def __init__(self, stream: TextIO, *, policy: GatePolicy) -> None:
        self._stream = stream
        self._policy = policy
        self._locations = Locations()
        self._results: TopN[_Result] = TopN(MAX_RESULTS)
        self._seen = 0
        self._problems = _Notifications(MAX_PROBLEMS)
        self._remarks = _Notifications(MAX_REMARKS)

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep the results of one outcome, or its problem; what is suppressed is a suppressed result."""
        self._add_remarks(outcome)
        if not isinstance(outcome, Judged):
            self._add_problem(outcome)
            return
        found = [(finding, suppression_of_finding(finding, suppressions)) for finding in findings(outcome.verdict)]
        left = [finding for finding, entry in found if entry is None]
        found += [(finding, None) for finding in unlabelled(left, counted_level(outcome.verdict, suppressions))]
        for finding, entry in found:
            self._seen += 1
            result = _Result(self._seen, outcome.item, outcome.sha256, finding, entry)
            self._results.add(result.sort_key, result)

    def finish(self, summary: RunSummary) -> None:
        """Write the document."""
        rules = Rules()
        self._stream.write(f'{{"$schema":"{_SCHEMA}","version":"2.1.0","runs":[{{"results":[')
        results = sorted(self._results.in_order(), key=attrgetter("number"))
        self._stream.write(",".join("\n" + dump(self._result(result, rules)) for result in results))
        final = map(dump, self._final_notes(summary))
        notes = ",\n".join([*self._problems.written, *self._remarks.written, *final])
        is_complete = summary.exit_code(allow_empty=True) in _SUCCESS
        self._stream.write(
            f'\n],"invocations":[{{"executionSuccessful":{dump(is_complete)},'
            f'"toolExecutionNotifications":[\n{notes}\n]}}],\n"automationDetails":{dump({"id": _AUTOMATION_ID})},'
            f'\n"tool":{{"driver":{dump(_driver(rules))}}}}}]}}\n'
        )
        self._stream.flush()

    def _result(self, result: _Result, rules: Rules) -> dict[str, Any]:
        finding, label = result.finding, result.finding.label
        location = {"physicalLocation": {**self._artifact(result.item), "region": {"startLine": 1}}}
        where = {"logicalLocations": [{"fullyQualifiedName": safe_text(label.where)}]} if label.where else {}
        services = ", ".join(dict.fromkeys(finding.services)) or None
        known = {"confidence": label.confidence, "service": services, "riskLevel": finding.level.value}
        entry = result.suppression
        return {
            "ruleId": safe_text(label.label),
            "ruleIndex": rules.index(label),
            "level": _LEVELS[finding.level],
            "message": plain(f"{finding_words(finding)}; {finding.level} risk"),
            "locations": [location | where],
            "partialFingerprints": {_FINGERPRINT: self._fingerprint(result)},
            "suppressions": [{"kind": "external", "justification": safe_text(entry.reason)}] if entry else [],
            "properties": {name: value for name, value in known.items() if value is not None}
            | self._address(result.item),
        }

    def _artifact(self, item: Item) -> dict[str, Any]:
        uri = self._locations.uri(item)
        base = {"uriBaseId": "%SRCROOT%"} if uri.is_in_repository else {}
        return {"artifactLocation": {"uri": uri.text, **base}}

    def _address(self, item: Item) -> dict[str, str]:
        """Return the property with the whole address of an input whose URI is relative, to no folder."""
        return {"address": safe_text(item.source)} if self._locations.is_remote(item) else {}

    def _fingerprint(self, result: _Result) -> str:
        """Return what stays the same while the image and its label do, whatever the file is called.

        The worst of the frames that show a label may be another one each time.
        """
        label = result.finding.label
        is_remote = self._locations.is_remote(result.item)
        content = result.sha256 or (result.item.source if is_remote else self._locations.uri(result.item).text)
        text = "\n".join([content, label.label, "" if is_of_frame(label) else label.where or ""])
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]

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
        if not said:
            return
        is_wrong = verdict is not None and (verdict.is_unanswered or self._policy.is_incomplete(outcome))
        code = "partial_coverage" if verdict is not None and verdict.coverage else "answer_note"
        self._remarks.add(self._note("warning" if is_wrong else "note", code, "; ".join(said), outcome.item))

    def _final_notes(self, summary: RunSummary) -> Iterator[dict[str, Any]]:
        """Yield what is known only at the end: what is left out here, and what was not tried."""
        if left_out := self._results.left_out:
            text = f"{left_out:,} more results are left out, the least of all; -f jsonl lists all"
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
            note |= {"properties": address} if (address := self._address(item)) else {}
        return note


class _Result(Struct, frozen=True):
    """A finding in an input, its place among all, and what suppresses it."""

    number: int
    item: Item
    sha256: str | None
    finding: Finding
    suppression: Suppression | None

    @property
    def sort_key(self) -> SortKey:
        """The sort key: the worst first, what is suppressed last."""
        return self.suppression is not None, -self.finding.level.rank


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


def _driver(rules: Rules) -> dict[str, Any]:
    """Return the description of this program, with the address of its project."""
    known = {
        "name": "moderate",
        "fullName": f"moderate {__version__}",
        "version": __version__,
        "informationUri": _information_uri(),
        "rules": rules.listed(),
    }
    return {name: value for name, value in known.items() if value is not None}


def _information_uri() -> str | None:
    """Return the address of the project, which its metadata name; None where they are not installed."""
    try:
        urls = metadata("moderate-cli").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    named = dict(entry.split(", ", 1) for entry in urls)
    return named.get("Repository")


def _rule(label: Label) -> dict[str, Any]:
    name = safe_text(label.label)
    words = safe_text(known_meaning(label.label, label.service) or meaning(label))[:_MAX_LENGTH]
    found = f"{name}: {words}" if words else name
    by = f" by {safe_text(label.service)}" if label.service else ""
    todo = "Review the finding. Replace the image, or suppress the finding with a reason:"
    command = f"moderate allow IMAGE --label {shlex.quote(name)} --reason REASON"
    return {
        "id": name,
        "name": name,
        "shortDescription": plain(found),
        "fullDescription": plain(f"{found} (found{by}; the risk level is the service's)"),
        "help": {**plain(f"{found}. {todo} {command}"), "markdown": f"{todo}\n\n```\n{command}\n```\n"},
        "helpUri": _HELP_URI,
        "properties": {"tags": ["content-moderation"]},
    }


def plain(text: str) -> dict[str, str]:
    """Return a message whose text is shown as it is."""
    return {"text": text.translate(_SPECIAL)}
