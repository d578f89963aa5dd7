"""Text from outside as HTML that is text and nothing else."""

from __future__ import annotations

from html import escape

from moderate_cli.render.safe import safe_text


def text(value: str) -> str:
    """Return text whose markup is shown, and whose control characters are written out."""
    return escape(safe_text(value))


def name(value: str) -> str:
    """Return text that keeps its writing direction to itself."""
    return f'<bdi dir="auto">{text(value)}</bdi>'
