"""The words and colours of tables and trees; a colour never says what a word beside it does not."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from moderate_cli.render.safe import safe_text
from moderate_cli.verdicts import Outcome, Post, QueuedTask

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


def input_word(kinds: Iterable[str]) -> str:
    """Return what inputs of these kinds are: `Image`, `Post`, or `Input` where there are both."""
    different = set(kinds) or {"Image"}
    return different.pop() if len(different) == 1 else "Input"


def kind(outcome: Outcome) -> str:
    """Return what an input is: `Image` or `Post`."""
    image = outcome.item.image
    is_post = isinstance(image, Post) or (isinstance(image, QueuedTask) and image.kind == "multimodal")
    return "Post" if is_post else "Image"
