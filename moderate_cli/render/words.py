"""Findings and problems in words, for reports that have no columns; text from outside is harmless in all of them."""

from __future__ import annotations

from functools import lru_cache

from moderate_cli.catalogue.labels import label_meaning
from moderate_cli.errors import ModerateError
from moderate_cli.records import Finding
from moderate_cli.render.details import confidence
from moderate_cli.render.safe import safe_text
from moderate_cli.verdicts import Failed, Judged, Label, Outcome, Pending, RiskLevel, Skipped

_MOST_FRAMES = 10


def finding_words(finding: Finding) -> str:
    """Return a finding on one line: label, confidence, what it means, and where it is."""
    label = finding.label
    head = " ".join(filter(None, [label.label, confidence(label.confidence)]))
    return safe_text(": ".join(filter(None, [head, meaning(label)])) + where_words(finding))


def where_words(finding: Finding) -> str:
    """Return in which part of the input a finding is, in brackets, and nothing where that is the whole of it."""
    numbers = [str(index + 1) for index in finding.frames[:_MOST_FRAMES]]
    rest = len(finding.frames) - len(numbers)
    more = f" and {rest} more" if rest else ""
    frames = f"frame{'s' if len(finding.frames) > 1 else ''} {', '.join(numbers)}{more}" if numbers else ""
    parts = [part for part in (frames, f"at {finding.label.where}" if finding.label.where else "") if part]
    return f" ({'; '.join(parts)})" if parts else ""


def meaning(label: Label) -> str:
    """Return what a label means: as the service says it, or else as the catalogue does; empty where neither knows."""
    return label.description or known_meaning(label.label, label.service) or ""


@lru_cache(maxsize=1024)  # the same labels come again and again, and a look-up reads the whole catalogue
def known_meaning(name: str, service: str | None) -> str | None:
    """Return what the catalogue knows of a label."""
    return label_meaning(name, service)


def problem(outcome: Outcome) -> ModerateError | None:
    """Return why an input has no verdict, or None where that is not known or only a matter of time."""
    return outcome.error if isinstance(outcome, Skipped | Failed) else None


def problem_words(error: ModerateError) -> str:
    """Return what went wrong and what to do."""
    return safe_text(f"{error.message}; {error.hint}" if error.hint else error.message)


def pending_words(outcome: Pending) -> str:
    """Return that there is no verdict yet, and how to ask for it."""
    return f"no verdict yet; ask with: moderate poll {safe_text(outcome.req_id)}"


def level_word(outcome: Outcome) -> str:
    """Return the word for what became of an input: its risk level, or why it has none."""
    match outcome:
        case Judged(verdict=verdict):
            return risk_word(verdict.risk_level)
        case Pending():
            return "pending"
        case Skipped():
            return "skipped"
        case _:
            return "failed"


def risk_word(level: RiskLevel | None) -> str:
    """Return the word for a level, also for one that the service left out or that is not known here."""
    return level.value if level else "unknown"
