"""JUnit XML for test reports: one test case an input.

No standard defines it; this keeps to the schema of Jenkins' xUnit plugin (junit-10.xsd), and names the file and the
attachment where GitLab (its `lib/gitlab/ci/parsers/test/junit.rb`) and Jenkins' plugin for attachments look for them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TextIO
from xml.sax.saxutils import escape, quoteattr

from moderate_cli.common.text import safe_text
from moderate_cli.models import Failed, Judged, LocalFile, Outcome, Pending, Skipped
from moderate_cli.render.locations import Locations
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
_NAME = "moderate"  # of the suite, and of the class at the root of the repository
_MARK = "[["
_NO_ATTACHMENT = re.compile(r"[\[\]|]")  # GitLab finds no end of a path with one of these
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")  # XML 1.0 has none of these, nor the controls that `safe_text` writes out


class JunitRenderer:
    """One suite: at or above the gate is a failure, failed or incomplete is an error, skipped or pending is skipped.

    The class of an image is its folder and its file its path, from the root of the repository. Without a gate no image
    fails, as the exit code has it. What was found in an image that passes, what is suppressed, and what was not looked
    at stands in its output, and the image is attached where there is something to say about it. Clean inputs come last,
    and are one case where they are many, as all inputs are that a run did not come to; `tests` counts each of the clean
    ones. The counts come first, so the cases wait until the end.
    """

    def __init__(self, stream: TextIO, *, policy: GatePolicy) -> None:
        self._stream = stream
        self._policy = policy
        self._locations = Locations()
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
            problem = self._problem(outcome, suppressions)
            said = [] if problem else _said(outcome, suppressions, self._policy)
            lines = [line.replace(_MARK, "[ [") for line in said]  # a description attaches nothing
            self._write_case_of(outcome, problem + _system_out([*lines, *self._attachment(outcome)]))

    def finish(self, summary: RunSummary) -> None:
        """Write the counts and the cases."""
        for outcome in self._clean.named(summary):
            self._write_case_of(outcome, "")
        if count := self._clean.unnamed(summary):
            inside = _system_out([f"{count:,} inputs, not listed; -f jsonl lists all"])
            self._write_case({"classname": _NAME, "name": "clean inputs"}, inside, self._clean_milliseconds)
            self._counts["tests"] += count - 1
        if cut_off := cut_off_words(summary):
            rest = not_tried_words(summary)
            inside = self._counted("skipped", "skipped", "not_tried" if rest else "cut_off", cut_off)
            self._write_case({"classname": _NAME, "name": rest or cut_off}, inside)
        counts = {name: str(count) for name, count in self._counts.items()}
        head = {"name": _NAME, **counts, "time": f"{self._milliseconds / 1000:.3f}"}
        self._stream.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n  <testsuite{_attributes(head)}>\n')
        with self._cases:
            self._cases.seek(0)
            shutil.copyfileobj(self._cases, self._stream)
        self._stream.write("  </testsuite>\n</testsuites>\n")
        self._stream.flush()

    def _write_case_of(self, outcome: Outcome, inside: str) -> None:
        path = self._locations.path(outcome.item)
        folder = self._locations.folder(outcome.item).strip("/").replace("/", ".")
        names = {"classname": f"{_NAME}.{folder}" if folder else _NAME, "name": outcome.item.source}
        self._write_case(names | ({"file": path} if path is not None else {}), inside, outcome.call.elapsed_ms or 0)

    def _write_case(self, names: dict[str, str], inside: str, milliseconds: int = 0) -> None:
        self._counts["tests"] += 1
        attributes = {**names, "time": f"{milliseconds / 1000:.3f}"}
        self._cases.write(f"    {_element('testcase', attributes, inside)}\n")

    def _attachment(self, outcome: Outcome) -> Iterator[str]:
        """Yield the line that attaches the image, if it could be read and its path can be named."""
        is_read = outcome.sha256 or (isinstance(outcome.item.image, LocalFile) and isinstance(outcome, Judged))
        path = self._locations.path(outcome.item) if is_read else None
        if path is not None and not _NO_ATTACHMENT.search(path) and path == _legal(safe_text(path)):
            yield f"{_MARK}ATTACHMENT|{path}]]"

    def _problem(self, outcome: Outcome, suppressions: Sequence[Suppression]) -> str:
        """Return the element that makes a case fail or skips it; empty for one that passes."""
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
        found = [each for each in findings(outcome.verdict) if not suppression_of_finding(each, suppressions)]
        labels = ", ".join(dict.fromkeys(each.label.label for each in found))
        risk = f"{level} risk: {labels}" if labels else level
        fails = self._policy.fails(level)
        said = _said(outcome, suppressions, self._policy)
        if self._policy.is_incomplete(outcome):
            message = "; ".join([remarks(outcome, self._policy)[0], *([risk] if fails else [])])
            return self._counted("errors", "error", "partial", message, "\n".join(said))
        return self._counted("failures", "failure", level, risk, "\n".join(said)) if fails else ""

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


def _said(outcome: Outcome, suppressions: Sequence[Suppression], policy: GatePolicy) -> list[str]:
    """Return what was found in an input, and the remarks on it."""
    found = findings(outcome.verdict) if isinstance(outcome, Judged) else []
    return [*_lines(found, suppressions), *remarks(outcome, policy)]


def _lines(found: Iterable[Finding], suppressions: Sequence[Suppression]) -> Iterable[str]:
    for finding in found:
        entry = suppression_of_finding(finding, suppressions)
        note = safe_text(f" (suppressed: {entry.reason})") if entry else ""
        yield f"{finding.level}: {finding_words(finding)}{note}"


def _system_out(lines: Sequence[str]) -> str:
    return _element("system-out", {}, escape(_legal("\n".join(lines)))) if lines else ""


def _element(name: str, attributes: dict[str, str], inside: str) -> str:
    """Return an element around what is escaped already."""
    start = f"<{name}{_attributes(attributes)}"
    return f"{start}>{inside}</{name}>" if inside else f"{start}/>"


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_legal(safe_text(value)))}" for name, value in attributes.items())


def _legal(text: str) -> str:
    return _NO_CHARACTERS.sub("\ufffd", text)
