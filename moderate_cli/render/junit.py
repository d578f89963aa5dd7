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

from moderate_cli.records import Allowed, Finding, Tally, allowance, counted_level, findings
from moderate_cli.render.safe import safe_text
from moderate_cli.render.words import finding_words, pending_words, problem_words
from moderate_cli.verdicts import Failed, Judged, Outcome, Pending, RiskLevel, Skipped

_IN_MEMORY = 1_000_000  # bytes of test cases; with more they wait in a temporary file
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")  # XML 1.0 has none of these, nor the controls that `safe_text` writes out


class JunitRenderer:
    """One suite: at or above the gate is a failure, failed is an error, and skipped or pending is skipped.

    Without a gate no image fails, as the exit code has it. What was found in an image that passes, and what is allowed,
    stands in its output. The counts come first, so the cases wait until the end.
    """

    def __init__(self, stream: TextIO, *, fail_on: RiskLevel | None) -> None:
        self._stream = stream
        self._fail_on = fail_on
        self._cases: IO[str] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by finish
            max_size=_IN_MEMORY, mode="w+", encoding="utf-8", newline="\n"
        )
        self._counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        self._milliseconds = 0

    def add(self, outcome: Outcome, *, allowed: Sequence[Allowed] = ()) -> None:
        """Keep one test case."""
        elapsed = outcome.call.elapsed_ms or 0
        self._milliseconds += elapsed
        self._counts["tests"] += 1
        names = {
            "classname": f"moderate.{outcome.call.operation}",
            "name": outcome.item.source,
            "time": f"{elapsed / 1000:.3f}",
        }
        self._cases.write(f"    {_element('testcase', names, self._inside(outcome, allowed))}\n")

    def finish(self, tally: Tally) -> None:
        """Write the counts and the cases."""
        counts = {name: str(count) for name, count in self._counts.items()}
        head = {"name": "moderate", **counts, "time": f"{self._milliseconds / 1000:.3f}"}
        self._stream.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n  <testsuite{_attributes(head)}>\n')
        with self._cases:
            self._cases.seek(0)
            shutil.copyfileobj(self._cases, self._stream)
        self._stream.write("  </testsuite>\n</testsuites>\n")
        self._stream.flush()

    def _inside(self, outcome: Outcome, allowed: Sequence[Allowed]) -> str:
        match outcome:
            case Judged():
                return self._judged(outcome, allowed)
            case Failed(error=error):
                return self._counted("errors", "error", error.code, problem_words(error))
            case Skipped(error=error):
                return self._counted("skipped", "skipped", error.code, problem_words(error))
            case Pending():
                return self._counted("skipped", "skipped", "pending", pending_words(outcome))
        raise TypeError(f"no test case for {type(outcome).__name__}")

    def _judged(self, outcome: Judged, allowed: Sequence[Allowed]) -> str:
        level = counted_level(outcome.verdict, allowed)
        found = findings(outcome.verdict)
        text = "\n".join(_lines(found, allowed))
        if self._fail_on is not None and level.rank >= self._fail_on.rank:
            names = dict.fromkeys(each.label.label for each in found if not allowance(each.label, allowed))
            labels = ", ".join(names)
            return self._counted("failures", "failure", level, f"{level} risk: {labels}" if labels else level, text)
        return _element("system-out", {}, escape(_legal(text))) if text else ""

    def _counted(self, count: str, name: str, kind: str, message: str, text: str = "") -> str:
        self._counts[count] += 1
        return _element(name, {"type": kind, "message": message}, escape(_legal(text or message)))


def _lines(found: Iterable[Finding], allowed: Sequence[Allowed]) -> Iterable[str]:
    for finding in found:
        entry = allowance(finding.label, allowed)
        note = safe_text(f" (allowed: {entry.reason})") if entry else ""
        yield f"{finding.level}: {finding_words(finding)}{note}"


def _element(name: str, attributes: dict[str, str], inside: str) -> str:
    """Return an element around what is escaped already."""
    start = f"<{name}{_attributes(attributes)}"
    return f"{start}>{inside}</{name}>" if inside else f"{start}/>"


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_legal(safe_text(value)))}" for name, value in attributes.items())


def _legal(text: str) -> str:
    return _NO_CHARACTERS.sub("\ufffd", text)
