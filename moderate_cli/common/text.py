"""Text for messages."""

from __future__ import annotations

_MAX_SHOWN = 40


def shortened(text: str) -> str:
    """Return a value as messages show it: at most 40 characters of it."""
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
