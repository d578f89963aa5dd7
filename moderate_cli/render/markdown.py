"""Markdown for comments on pull requests and for job summaries: counts, findings, and what has no verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from moderate_cli.common.text import safe_text
from moderate_cli.models import Failed, Judged, Outcome, Pending, RiskLevel, Skipped, Verdict
from moderate_cli.render.wording import (
    EXEMPT_WORD,
    SuppressionFilter,
    TopN,
    confidence,
    counts,
    coverage_lines,
    cut_off_words,
    exempted,
    left_out_lines,
    level_word,
    meaning,
    not_checked_lines,
    pending_words,
    problem_words,
    read_part,
    remarks,
    sentence,
    sort_key,
    where_words,
)
from moderate_cli.results import GatePolicy, RunSummary, Suppression, findings

MAX_ROWS = 1_000
"""How many inputs are listed, if they fit."""

MAX_LENGTH = 60_000
"""Characters; a comment on GitHub holds 65,536, and there may be something before this."""

_MAX_LABELS = 20
_MAX_FINDINGS = 20
# What Markdown, or GitHub's and GitLab's additions to it, may take for markup or an address; as entities it is text.
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~$:@#]|(?<=www)\.", re.IGNORECASE)
# These are made links of after the entities are read, except in code: mentions, references, commits and addresses.
_LINKED = re.compile(r"[@#!%]|://|\bwww\.|\b[0-9a-f]{7,40}\b", re.IGNORECASE)


class MarkdownRenderer:
    """Keeps the worst inputs and writes them at the end; images of which there is nothing to say are only counted."""

    def __init__(self, stream: TextIO, *, policy: GatePolicy, show_suppressed: bool = False) -> None:
        self._stream = stream
        self._policy = policy
        self._show_suppressed = show_suppressed
        self._suppressed = SuppressionFilter(shown=show_suppressed)
        self._top: TopN[Outcome] = TopN(MAX_ROWS)

    def add(self, outcome: Outcome, *, suppressions: Sequence[Suppression] = ()) -> None:
        """Keep one outcome, if there is something to say about it and it is among the worst."""
        shown = self._suppressed.shown(outcome, suppressions)
        if _has_news(shown) or (suppressions and self._show_suppressed):
            self._top.add(sort_key(shown), shown)

    def finish(self, summary: RunSummary) -> None:
        """Write the counts, the rows as far as they fit, and the labels."""
        head, tail = _paragraphs(self._head(summary)), _paragraphs(self._tail(summary))
        outcomes = self._top.in_order()
        rows = list(_fitting(map(self._row, outcomes), MAX_LENGTH - len(head) - len(tail)))
        self._stream.write(head)
        if rows:
            self._stream.write("| Risk | Input | Findings |\n|---|---|---|\n" + "".join(rows) + "\n")
        left_out = self._top.left_out + len(outcomes) - len(rows)
        if left_out:
            self._stream.write(f"and {left_out:,} more, not listed here; `-f jsonl` lists all.\n\n")
        self._stream.write(tail)
        self._stream.flush()

    def _head(self, summary: RunSummary) -> Iterator[str]:
        found = ", ".join(f"{count:,} {word}" for word, count in counts(summary))
        yield "## Content moderation"
        yield f"{summary.inputs:,} inputs: {found}." if found else "No input was judged."
        if (fail_on := self._policy.fail_on) is not None:
            yield f"The gate is at {fail_on}: **{summary.at_or_above(fail_on):,}** at or above it."
        if cut_off := cut_off_words(summary):
            yield f"**{sentence(cut_off)}**"
        yield from map(sentence, coverage_lines(summary))
        yield from (sentence(prose(line)) for line in left_out_lines(summary))
        if summary.local:
            yield "The local engine judged these; there is no cloud verdict."
            yield from (sentence(prose(line)) for line in not_checked_lines(summary))

    def _tail(self, summary: RunSummary) -> Iterator[str]:
        if note := self._suppressed.note():
            yield f"{note}."
        if summary.labels:
            yield f"<details><summary>Labels ({len(summary.labels):,})</summary>"
            yield "\n".join(_label_rows(summary))
            yield "</details>"

    def _row(self, outcome: Outcome) -> str:
        word, lines = _risk_and_findings(outcome)
        said = "<br>".join([*lines, *map(prose, remarks(outcome, self._policy))])
        return f"| {word} | {code(outcome.item.source)} | {said} |\n"


def code(text: str) -> str:
    """Return text from outside as code, in which nothing is markup, a mention or a link."""
    return f"<code>{_escaped(text)}</code>"


def prose(text: str) -> str:
    """Return text from outside as plain text, or as code where GitHub would make a link of a part of it."""
    return code(text) if _LINKED.search(text) else _escaped(text)


def _escaped(text: str) -> str:
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", safe_text(text))


def _paragraphs(paragraphs: Iterable[str]) -> str:
    return "".join(f"{paragraph}\n\n" for paragraph in paragraphs)


def _label_rows(summary: RunSummary) -> Iterator[str]:
    yield "| Label | Inputs |\n|---|---:|"
    yield from (f"| {code(name)} | {count:,} |" for name, count in summary.labels.most_common(_MAX_LABELS))
    if len(summary.labels) > _MAX_LABELS:
        yield f"| and {len(summary.labels) - _MAX_LABELS:,} more | |"


def _fitting(rows: Iterable[str], room: int) -> Iterator[str]:
    for row in rows:
        room -= len(row)
        if room < 0:
            return
        yield row


def _has_news(outcome: Outcome) -> bool:
    """Tell whether there is more to say of an outcome than that nothing was found."""
    if not isinstance(outcome, Judged):
        return True
    verdict = outcome.verdict
    has_more = bool(verdict.coverage or verdict.notes or outcome.decision or exempted(verdict))
    return verdict.gate_level is not RiskLevel.NONE or has_more


def _risk_and_findings(outcome: Outcome) -> tuple[str, list[str]]:
    match outcome:
        case Judged(verdict=verdict):
            return f"**{level_word(outcome)}**", list(_finding_lines(verdict))
        case Pending():
            return "pending", [prose(pending_words(outcome))]
        case Skipped(error=error):
            return "skipped", [f"{code(error.code)} {prose(problem_words(error))}"]
        case Failed(error=error):
            return "failed", [f"{code(error.code)} {prose(problem_words(error))}", *_read_lines(outcome)]
    raise TypeError(f"no row for {type(outcome).__name__}")


def _read_lines(outcome: Failed) -> Iterator[str]:
    """Yield what could be read of an answer that failed."""
    if verdict := read_part(outcome):
        yield f"could be read: **{verdict.gate_level}**"
        yield from _finding_lines(verdict)


def _finding_lines(verdict: Verdict) -> Iterator[str]:
    found = findings(verdict, with_none=True)
    for finding in found[:_MAX_FINDINGS]:
        label = finding.label
        words = (meaning(label) + where_words(finding)).strip()
        yield " ".join(filter(None, [code(label.label), confidence(label.confidence), prose(words)]))
    if len(found) > _MAX_FINDINGS:
        yield f"and {len(found) - _MAX_FINDINGS} more"
    for label in exempted(verdict)[:_MAX_FINDINGS]:
        parts = [EXEMPT_WORD, confidence(label.confidence), code(label.label), prose(meaning(label))]
        yield " ".join(filter(None, parts))
