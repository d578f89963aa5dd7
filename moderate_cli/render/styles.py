"""Which colours do tables and trees have? A colour never says what a word beside it does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

from moderate_cli.common.text import safe_text
from moderate_cli.models import Outcome, Post, QueuedTask

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


def plain_console(stream: TextIO, *, width: int, color: bool, terminal: bool = False) -> Console:
    """Return a console of a fixed width that takes text for text: no markup, no emoji codes, no highlighting.

    On a `terminal` it may move the cursor, also without colour.
    """
    return Console(
        file=stream,
        width=width,
        force_terminal=color or terminal,
        color_system="standard" if color else None,
        no_color=not color,  # or Rich would ask the environment once more
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


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
