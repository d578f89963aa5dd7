"""The words and colours of tables and trees; a colour never says what a word beside it does not."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from moderate_cli.render.safe import safe_text
from moderate_cli.verdicts import Judged, Outcome, Pending, Post, QueuedTask, RiskLevel, Skipped

STYLES = {
    "high": "bold red",
    "medium": "bold yellow",
    "low": "cyan",
    "none": "green",
    "unknown": "bold magenta",
    "pending": "cyan",
    "skipped": "magenta",
    "failed": "bold magenta",
}


def harmless(text: str, style: str = "", before: str = "") -> Text:
    """Return text from outside for a terminal; `before` is set before it, unless it is empty."""
    return Text(before + safe_text(text) if text else "", style=style)


def level_text(word: str) -> Text:
    """Return a word of the column of risk levels in its colour."""
    return Text(word, style=STYLES[word])


def level_word(outcome: Outcome) -> str:
    """Return the word in the column of risk levels."""
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


def input_word(outcomes: Iterable[Outcome]) -> str:
    """Return what the inputs are: `Image`, `Post`, or `Input` where there are both."""
    kinds = {_is_post(outcome) for outcome in outcomes}
    return "Input" if len(kinds) > 1 else "Post" if True in kinds else "Image"


def _is_post(outcome: Outcome) -> bool:
    image = outcome.item.image
    return isinstance(image, Post) or (isinstance(image, QueuedTask) and image.kind == "multimodal")
