"""GitHub Actions: annotations by workflow commands, and the job summary.

The commands and the summary: GitHub's page "Workflow commands for GitHub Actions". It shows ten annotations of a kind a
step, and reads a percent sign as the beginning of an escape.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from moderate_cli.environment import Environment
from moderate_cli.records import Allowed, Tally, allowance, counted_level, findings
from moderate_cli.render.markdown import MarkdownRenderer
from moderate_cli.render.notes import say
from moderate_cli.render.places import Places
from moderate_cli.render.safe import safe_text
from moderate_cli.render.words import finding_words, pending_words, problem, problem_words
from moderate_cli.render.worst import Worst
from moderate_cli.verdicts import Judged, Outcome, Pending, RiskLevel

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
MOST = 10
"""How many annotations of a kind GitHub shows."""

_KINDS = {RiskLevel.HIGH: "error", RiskLevel.MEDIUM: "warning", RiskLevel.LOW: "notice"}


class GithubRenderer:
    """One annotation an input, the worst ten of each kind, and the whole run as Markdown in the job summary.

    High is an error, medium a warning and low a notice; what is at or above the gate, or has no verdict, is an error at
    any level, since the step fails for it. Allowed findings are no annotations.
    """

    def __init__(
        self, stream: TextIO, environment: Environment, *, fail_on: RiskLevel | None, show_ignored: bool = False
    ) -> None:
        self._stream = stream
        self._environment = environment
        self._fail_on = fail_on
        self._places = Places()
        self._worst: dict[str, Worst[str]] = {kind: Worst(MOST) for kind in _KINDS.values()}
        self._summary = io.StringIO()
        self._markdown = MarkdownRenderer(self._summary, fail_on=fail_on, show_ignored=show_ignored)

    def add(self, outcome: Outcome, *, allowed: Sequence[Allowed] = ()) -> None:
        """Keep one annotation, if it is among the worst."""
        self._markdown.add(outcome, allowed=allowed)
        if isinstance(outcome, Judged):
            self._add_judged(outcome, allowed)
        elif isinstance(outcome, Pending):
            self._annotate("notice", 1, "pending", outcome, pending_words(outcome))
        elif error := problem(outcome):
            self._annotate("error", 0, error.code, outcome, problem_words(error))

    def finish(self, tally: Tally) -> None:
        """Write the annotations, the worst first, and the job summary where there is a place for it."""
        for worst in self._worst.values():
            self._stream.writelines(worst.in_order())
        left_out = sum(worst.left_out for worst in self._worst.values())
        if left_out:
            self._stream.write(f"and {left_out:,} more, not annotated; -f jsonl lists all\n")
        self._stream.flush()
        self._markdown.finish(tally)
        self._append_summary()

    def _add_judged(self, outcome: Judged, allowed: Sequence[Allowed]) -> None:
        level = counted_level(outcome.verdict, allowed)
        if level is RiskLevel.NONE:
            return
        found = [each for each in findings(outcome.verdict) if not allowance(each.label, allowed)]
        is_failure = self._fail_on is not None and level.rank >= self._fail_on.rank
        labels = ", ".join(dict.fromkeys(finding.label.label for finding in found))
        title = f"{level}: {labels}" if labels else level
        text = "\n".join(map(finding_words, found)) or f"{level} risk"
        self._annotate("error" if is_failure else _KINDS[level], -level.rank, title, outcome, text)

    def _annotate(self, kind: str, place: int, title: str, outcome: Outcome, text: str) -> None:
        path = self._places.path(outcome.item)
        file = f"file={_property(path)}," if path is not None else ""
        message = _data(f"{safe_text(outcome.item.source)}: {text}")
        line = f"::{kind} {file}title={_property(safe_text(title))}::{message}\n"
        self._worst[kind].add((place, outcome.item.source), line)

    def _append_summary(self) -> None:
        path = self._environment.variable(SUMMARY_VARIABLE)
        if path is None:
            return
        try:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(self._summary.getvalue())
        except (OSError, ValueError) as error:  # ValueError: a name with a null character
            say(self._environment, f"the job summary cannot be written: {error}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return text for a property, which ends at a comma or a colon; other control characters are written out."""
    return safe_text(_data(text).replace(":", "%3A").replace(",", "%2C"))
