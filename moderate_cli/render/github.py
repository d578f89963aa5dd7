"""GitHub Actions: annotations by workflow commands, and the job summary.

The commands and the summary: GitHub's page "Workflow commands for GitHub Actions". It shows ten annotations of a kind a
step and fifty a job, takes 1 MiB of summary a step, and reads a percent sign as the beginning of an escape.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from moderate_cli.common.environment import Environment
from moderate_cli.common.text import echo, safe_text
from moderate_cli.models import Judged, Outcome, Pending, RiskLevel
from moderate_cli.render.locations import Locations
from moderate_cli.render.markdown import MarkdownRenderer
from moderate_cli.render.wording import (
    TopN,
    cut_off_words,
    finding_words,
    left_out_lines,
    not_tried_words,
    pending_words,
    problem,
    problem_words,
    read_words,
    remarks,
    suppression_of_finding,
)
from moderate_cli.results import GatePolicy, RunSummary, Suppression, counted_level, findings

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
MAX_ANNOTATIONS = 10
"""Annotations of a kind that GitHub shows."""

_KINDS = ("error", "warning", "notice")
_FIRST = (-len(RiskLevel), "")  # sorts before every input


class GithubRenderer:
    """One annotation an input, the worst of each kind, and the whole run as Markdown in the job summary.

    Where some are left out, the last annotation, a notice, tells how many.

    High is an error, medium a warning and low a notice; what is at or above the gate, or has no verdict, is an error at
    any level, since the step fails for it. Suppressed findings get no annotation. An answer that leaves out what it was
    asked about is a warning, other remarks are notices.
    """

    def __init__(
        self, stream: TextIO, environment: Environment, *, policy: GatePolicy, show_suppressed: bool = False
    ) -> None:
        self._stream = stream
        self._environment = environment
        self._policy = policy
        self._locations = Locations()
        self._annotations: dict[str, TopN[str]] = {kind: TopN(MAX_ANNOTATIONS) for kind in _KINDS}
        self._summary = io.StringIO()
        self._markdown = MarkdownRenderer(self._summary, policy=policy, show_suppressed=show_suppressed)

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one annotation, if it is among the worst."""
        self._markdown.add(outcome, suppressions=suppressions)
        if isinstance(outcome, Judged):
            self._add_judged(outcome, suppressions)
        elif isinstance(outcome, Pending):
            self._annotate("notice", 1, "pending", outcome, [pending_words(outcome)])
        elif error := problem(outcome):
            said = [problem_words(error, read_words(outcome)), *remarks(outcome)]
            self._annotate("error", 0, error.code, outcome, said)

    def finish(self, summary: RunSummary) -> None:
        """Write the annotations, the worst first, and the job summary where there is a place for it."""
        if cut_off := cut_off_words(summary):
            title = "not tried" if not_tried_words(summary) else "cut off"
            self._annotations["error"].add(_FIRST, _command("error", title, cut_off))
        for line in left_out_lines(summary):
            self._annotations["notice"].add(_FIRST, _command("notice", "left out", line))
        lines = {kind: worst.in_order() for kind, worst in self._annotations.items()}
        if left_out := sum(worst.left_out for worst in self._annotations.values()):
            left_out += len(lines["notice"][MAX_ANNOTATIONS - 1 :])  # the last one needs a place
            rest = f"and {left_out:,} more, not annotated; -f jsonl lists all"
            lines["notice"][MAX_ANNOTATIONS - 1 :] = [_command("notice", "not annotated", rest)]
        for each in lines.values():
            self._stream.writelines(each)
        self._stream.flush()
        self._markdown.finish(summary)
        self._append_summary()

    def _add_judged(self, outcome: Judged, suppressions: Sequence[Suppression]) -> None:
        level = counted_level(outcome.verdict, suppressions)
        said = remarks(outcome, self._policy)
        title = "partial" if outcome.verdict.coverage else "note"
        if level is not RiskLevel.NONE:
            found = [each for each in findings(outcome.verdict) if not suppression_of_finding(each, suppressions)]
            labels = ", ".join(dict.fromkeys(finding.label.label for finding in found))
            title = f"{level}: {labels}" if labels else level
            said = [*(map(finding_words, found) if found else [f"{level} risk"]), *said]
        if said:
            self._annotate(self._kind(outcome, level), -level.rank, title, outcome, said)

    def _kind(self, outcome: Judged, level: RiskLevel) -> str:
        if self._policy.fails(level) or self._policy.is_incomplete(outcome) or level is RiskLevel.HIGH:
            return "error"
        return "warning" if level is RiskLevel.MEDIUM or outcome.verdict.is_unanswered else "notice"

    def _annotate(self, kind: str, key: int, title: str, outcome: Outcome, said: Sequence[str]) -> None:
        text = "\n".join([f"{safe_text(outcome.item.source)}: {said[0]}", *said[1:]])
        line = _command(kind, title, text, file=self._locations.path(outcome.item))
        self._annotations[kind].add((key, outcome.item.source), line)

    def _append_summary(self) -> None:
        path = self._environment.variable(SUMMARY_VARIABLE)
        if path is None:
            return
        try:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(self._summary.getvalue())
        except (OSError, ValueError) as error:  # ValueError: a name with a null character
            echo(self._environment, f"cannot write the job summary: {error}")


def _command(kind: str, title: str, text: str, *, file: str | None = None) -> str:
    place = f"file={_property(file)}," if file is not None else ""
    return f"::{kind} {place}title={_property(safe_text(title))}::{_data(text)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return text for a property, which ends at a comma or a colon; other control characters are written out."""
    return safe_text(_data(text).replace(":", "%3A").replace(",", "%2C"))
