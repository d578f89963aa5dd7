"""The one way in which Rich writes here."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console


def plain_console(stream: TextIO, *, width: int, color: bool, terminal: bool = False) -> Console:
    """Return a console of a fixed width that takes text for text: no markup, no emoji codes, no highlighting.

    On a `terminal` it may move the cursor, also without colour.
    """
    return Console(
        file=stream,
        width=width,
        force_terminal=color or terminal,
        color_system="standard" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
