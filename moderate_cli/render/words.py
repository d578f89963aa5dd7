"""Findings and problems in words, for reports that have no columns; text from outside is harmless in all of them."""

from __future__ import annotations

from functools import lru_cache

from moderate_cli.catalogue.labels import label_meaning
from moderate_cli.errors import ModerateError
from moderate_cli.records import Finding, exemptions, findings
from moderate_cli.render.details import confidence
from moderate_cli.render.safe import safe_text
from moderate_cli.verdicts import Failed, Judged, Label, Outcome, Pending, RiskLevel, Skipped, Verdict

EXEMPT_WORD = "exempt"
"""What an image is that is in a library of exemptions."""

_MOST_FRAMES = 10
_FRAME = "$.frames["  # how the path of a label begins that was found in a frame alone


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
    where = "" if numbers and is_of_frame(finding.label) else finding.label.where
    parts = [part for part in (frames, f"at {where}" if where else "") if part]
    return f" ({'; '.join(parts)})" if parts else ""


def is_of_frame(label: Label) -> bool:
    """Tell whether a label of a verdict was found in one of its frames, and not in the whole."""
    return (label.where or "").startswith(_FRAME)


def exempted(verdict: Verdict) -> list[Label]:
    """Return the exemptions of an input, each once, whichever services name it."""
    once: dict[tuple[str, str | None], Label] = {}
    for label in exemptions(verdict):
        once.setdefault((label.label, label.where), label)
    return list(once.values())


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


def problem_words(error: ModerateError, read: str = "") -> str:
    """Return what went wrong, what could be `read` for all that, and what to do."""
    happened = f"{error.message}: {read}" if read else error.message
    return safe_text(f"{happened}; {error.hint}" if error.hint else happened)


def read_part(outcome: Outcome) -> Verdict | None:
    """Return what could be read of the answer to an input that failed, None where no level and no label could."""
    verdict = outcome.verdict if isinstance(outcome, Failed) else None
    return verdict if verdict is not None and verdict.risk_level is not None else None


def read_words(outcome: Outcome) -> str:
    """Return what could be read of the answer to an input that failed in words, and nothing where that is nothing."""
    verdict = read_part(outcome)
    if verdict is None:
        return ""
    level = "the level none" if verdict.gate_level is RiskLevel.NONE else verdict.gate_level
    return ": ".join(filter(None, [f"{level} was read", ", ".join(label_names(verdict))]))


def label_names(verdict: Verdict) -> list[str]:
    """Return the names of the findings of a verdict, each once."""
    return list(dict.fromkeys(each.label.label for each in findings(verdict, with_none=True)))


def pending_words(outcome: Pending) -> str:
    """Return that there is no verdict yet, and how to ask for it."""
    return f"no verdict yet; ask with: moderate poll {safe_text(outcome.req_id)}"


def level_word(outcome: Outcome) -> str:
    """Return the word for what became of an input: its risk level, or why it has no verdict."""
    match outcome:
        case Judged(verdict=verdict):
            return verdict.gate_level.value
        case Pending():
            return "pending"
        case Skipped():
            return "skipped"
        case _:
            return "failed"


def risk_word(level: RiskLevel | None) -> str:
    """Return the word for the level of a service or a frame, which may have none of its own."""
    return level.value if level else "unknown"
