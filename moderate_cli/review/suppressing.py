"""What does a review write into the suppressions file? An entry for each finding that is to count no more."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from moderate_cli.common.errors import UsageError
from moderate_cli.gate.suppressions import Addition, SuppressionEntry, read_date
from moderate_cli.models import Decision, DecisionWord, LocalFile, Outcome
from moderate_cli.results import all_labels, verdict_of

_MAX_NOTE = 1_000  # characters


def checked_decision(word: str, note: str, expires: str, person: str | None, today: date) -> Decision:
    """Return the decision that somebody typed; raises UsageError for what is none.

    A suppression needs a reason, and nothing else has a last day.
    """
    try:
        value = DecisionWord(word)
    except ValueError as error:
        raise UsageError(f"{word!r} is no decision") from error
    said = " ".join(note.split())
    if len(said) > _MAX_NOTE:
        raise UsageError(f"a note has {_MAX_NOTE:,} characters at most")
    if value is not DecisionWord.SUPPRESSED:
        return Decision(value, person, None, said or None)
    if not said:
        raise UsageError("a suppression needs a reason")
    day = read_date(expires.strip()) if expires.strip() else None
    if expires.strip() and day is None:
        raise UsageError(f"the last day must be a date such as 2027-01-31, not {expires!r}")
    if day is not None and day < today:
        raise UsageError(f"the last day {day} is past")
    return Decision(value, person, None, said, day.isoformat() if day else None)


def additions(outcomes: Iterable[Outcome], folder: Path) -> Iterator[Addition]:
    """Yield the entries for the results that were decided to be suppressed, for a file in a folder.

    An image without a known content is named by its address. A result without either, as a post, has no entry.
    """
    for outcome in outcomes:
        decision = outcome.decision
        if decision is None or decision.value != DecisionWord.SUPPRESSED:
            continue
        is_address = "://" in outcome.item.source
        if outcome.sha256 is None and not is_address:
            continue
        expires = read_date(decision.expires) if decision.expires else None
        verdict = verdict_of(outcome)
        for label in dict.fromkeys(each.label for each in all_labels(verdict)) if verdict else ():
            entry = SuppressionEntry(
                sha256=outcome.sha256,
                path=None if outcome.sha256 else glob.escape(outcome.item.source),
                label=label,
                reason=decision.note or "suppressed in a review",
                expires=expires,
            )
            yield entry, _comment(outcome, folder)


def _comment(outcome: Outcome, folder: Path) -> str | None:
    """Return how an image is named beside its content: as seen from the folder of the file."""
    if outcome.sha256 is None:
        return None
    if not isinstance(outcome.item.image, LocalFile):
        return outcome.item.source
    try:
        return os.path.relpath(outcome.item.source, folder).replace(os.sep, "/")
    except (OSError, ValueError):  # on another drive, or no name of a file
        return outcome.item.source
