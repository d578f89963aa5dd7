"""JUnit XML for test reports: one test case an input.

No standard defines it; this keeps to the schema of Jenkins' xUnit plugin (junit-10.xsd), which GitLab reads as well.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO, TextIO
from xml.sax.saxutils import escape, quoteattr

from moderate_cli.common.text import safe_text
from moderate_cli.models import Failed, Judged, Outcome, Pending, Skipped
from moderate_cli.render.wording import (
    CleanInputs,
    cut_off_words,
    finding_words,
    not_tried_words,
    pending_words,
    problem_words,
    read_part,
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
    is_clean,
)

_IN_MEMORY = 1_000_000  # bytes of test cases; with more they wait in a temporary file
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")  # XML 1.0 has none of these, nor the controls that `safe_text` writes out


class JunitRenderer:
    """One suite: at or above the gate is a failure, failed or incomplete is an error, skipped or pending is skipped.

    Without a gate no image fails, as the exit code has it. What was found in an image that passes, what is suppressed,
    and what was not looked at stands in its output. Clean inputs come last, and are one case where they are many, as
    all inputs are that a run did not come to; `tests` counts each of the clean ones. The counts come first, so the
    cases wait until the end.
    """

    def __init__(self, stream: TextIO, *, policy: GatePolicy) -> None:
        self._stream = stream
        self._policy = policy
        self._cases: IO[str] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by finish
            max_size=_IN_MEMORY, mode="w+", encoding="utf-8", newline="\n"
        )
        self._counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        self._milliseconds = 0
        self._clean = CleanInputs()
        self._clean_milliseconds = 0

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one test case."""
        elapsed = outcome.call.elapsed_ms or 0
        self._milliseconds += elapsed
        if is_clean(outcome):
            self._clean.add(outcome)
            self._clean_milliseconds += elapsed
        else:
            self._write_case_of(outcome, self._inside(outcome, suppressions))

    def finish(self, summary: RunSummary) -> None:
        """Write the counts and the cases."""
        for outcome in self._clean.named(summary):
            self._write_case_of(outcome, "")
        if count := self._clean.unnamed(summary):
            inside = _element("system-out", {}, f"{count:,} inputs, not listed; -f jsonl lists all")
            self._write_case("moderate", "clean inputs", inside, self._clean_milliseconds)
            self._counts["tests"] += count - 1
        if cut_off := cut_off_words(summary):
            rest = not_tried_words(summary)
            inside = self._counted("skipped", "skipped", "not_tried" if rest else "cut_off", cut_off)
            self._write_case("moderate", rest or cut_off, inside)
        counts = {name: str(count) for name, count in self._counts.items()}
        head = {"name": "moderate", **counts, "time": f"{self._milliseconds / 1000:.3f}"}
        self._stream.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n  <testsuite{_attributes(head)}>\n')
        with self._cases:
            self._cases.seek(0)
            shutil.copyfileobj(self._cases, self._stream)
        self._stream.write("  </testsuite>\n</testsuites>\n")
        self._stream.flush()

    def _write_case_of(self, outcome: Outcome, inside: str) -> None:
        elapsed = outcome.call.elapsed_ms or 0
        self._write_case(f"moderate.{outcome.call.operation}", outcome.item.source, inside, elapsed)

    def _write_case(self, classname: str, name: str, inside: str, milliseconds: int = 0) -> None:
        self._counts["tests"] += 1
        names = {"classname": classname, "name": name, "time": f"{milliseconds / 1000:.3f}"}
        self._cases.write(f"    {_element('testcase', names, inside)}\n")

    def _inside(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> str:
        match outcome:
            case Judged():
                return self._judged(outcome, suppressions)
            case Failed():
                return self._failed(outcome)
            case Skipped(error=error):
                return self._counted("skipped", "skipped", error.code, problem_words(error))
            case Pending():
                return self._counted("skipped", "skipped", "pending", pending_words(outcome))
        raise TypeError(f"no test case for {type(outcome).__name__}")

    def _judged(self, outcome: Judged, suppressions: Sequence[Suppression]) -> str:
        level = counted_level(outcome.verdict, suppressions)
        found = findings(outcome.verdict)
        said = remarks(outcome, self._policy)
        text = "\n".join([*_lines(found, suppressions), *said])
        labels = ", ".join(
            dict.fromkeys(each.label.label for each in found if not suppression_of_finding(each, suppressions))
        )
        risk = f"{level} risk: {labels}" if labels else level
        fails = self._policy.fails(level)
        if self._policy.is_incomplete(outcome):
            message = "; ".join([said[0], *([risk] if fails else [])])
            return self._counted("errors", "error", "partial", message, text)
        if fails:
            return self._counted("failures", "failure", level, risk, text)
        return _element("system-out", {}, escape(_legal(text))) if text else ""

    def _failed(self, outcome: Failed) -> str:
        """Return the error of an input, and below it what could be read of the answer."""
        message = problem_words(outcome.error, read_words(outcome))
        verdict = read_part(outcome)
        found = findings(verdict, with_none=True) if verdict else []
        text = "\n".join([problem_words(outcome.error), *_lines(found, ()), *remarks(outcome)])
        return self._counted("errors", "error", outcome.error.code, message, text)

    def _counted(self, count: str, name: str, kind: str, message: str, text: str = "") -> str:
        self._counts[count] += 1
        return _element(name, {"type": kind, "message": message}, escape(_legal(text or message)))


def _lines(found: Iterable[Finding], suppressions: Sequence[Suppression]) -> Iterable[str]:
    for finding in found:
        entry = suppression_of_finding(finding, suppressions)
        note = safe_text(f" (suppressed: {entry.reason})") if entry else ""
        yield f"{finding.level}: {finding_words(finding)}{note}"


def _element(name: str, attributes: dict[str, str], inside: str) -> str:
    """Return an element around what is escaped already."""
    start = f"<{name}{_attributes(attributes)}"
    return f"{start}>{inside}</{name}>" if inside else f"{start}/>"


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_legal(safe_text(value)))}" for name, value in attributes.items())


def _legal(text: str) -> str:
    return _NO_CHARACTERS.sub("\ufffd", text)
