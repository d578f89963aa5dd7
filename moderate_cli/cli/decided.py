"""What was decided about results? In words, as lines of JSON, and which findings do not count for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from moderate_cli.common.errors import UsageError
from moderate_cli.models import Decision, DecisionWord, Outcome
from moderate_cli.records import UNREADABLE, from_json, to_outcome
from moderate_cli.results import Suppression, all_labels, verdict_of
from moderate_cli.store import Entry, StoredDecision

_NOT_COUNTED = frozenset({DecisionWord.FALSE_POSITIVE, DecisionWord.SUPPRESSED})


def suppressions_by(outcome: Outcome) -> list[Suppression]:
    """Return what suppresses each finding of a verdict that was decided to be a false positive, or to be suppressed."""
    verdict, decision = verdict_of(outcome), outcome.decision
    if decision is None or decision.value not in _NOT_COUNTED or verdict is None:
        return []
    names = {label.label for label in all_labels(verdict)}
    reason, source = decision.note or "no note", f"decision: {decision.value}"
    return [Suppression(name, None, reason, source, decision.expires) for name in names]


def outcome_of(entry: Entry) -> Outcome:
    """Return the outcome of a stored result; raises UsageError for one that cannot be read."""
    try:
        return to_outcome(entry.record)
    except UNREADABLE as error:
        message = "this result cannot be read: another version stored it, or it is damaged"
        raise UsageError(message, code="unreadable", hint="judge its image again") from error


def decision_remark(said: StoredDecision) -> str:
    """Return what somebody decided, and whether it was undone, on one line."""
    by = f"{said.by}, " if said.by else ""
    undone = "" if said.undone_at is None else f"; undone{f' by {said.undone_by}' if said.undone_by else ''}"
    until = f", until {said.expires}" if said.expires else ""
    return f"{said.value} ({by}{_day(said.at)}{until}{undone})" + (f": {said.note}" if said.note else "")


def _day(seconds: float | None) -> str:
    return "day unknown" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


_LINE = 'a line is a record, or {"request_id": "...", "decision": {"value": "confirmed", "note": "..."}}'


def json_lines(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of JSON Lines with the numbers of their lines; raises UsageError for what is not one."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = from_json(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise UsageError(f"stdin:{number}: not a JSON object on one line", hint=_LINE)
        yield number, found


def read_decisions(lines: Iterable[str], person: str | None) -> Iterator[tuple[str, Decision]]:
    """Yield the request ids and decisions in JSON Lines; a record without a decision is skipped.

    `person` decided what names nobody. Raises UsageError, with the line, for what cannot be read.
    """
    for number, found in json_lines(lines):
        said = found.get("decision")
        if said is None:
            continue
        try:
            yield str(found["request_id"]), _read(said, person)
        except UNREADABLE as error:
            words = ", ".join(DecisionWord)
            message = f"stdin:{number}: not a decision about a request; its value is one of {words}"
            raise UsageError(message, hint=_LINE) from error


def _read(said: Mapping[str, Any], person: str | None) -> Decision:
    """Return a decision; raises one of UNREADABLE for what is none."""
    at, expires = said.get("at"), said.get("expires")
    by, note = (None if text is None else str(text) for text in (said.get("by"), said.get("note")))
    return Decision(
        DecisionWord(said["value"]),
        by or person,
        None if at is None else datetime.fromisoformat(at).timestamp(),
        " ".join((note or "").split()) or None,
        None if expires is None else date.fromisoformat(expires).isoformat(),
    )
