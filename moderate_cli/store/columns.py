"""Text on its way into a column and back."""

from __future__ import annotations

from typing import Any

Column = str | bytes | None


def to_column(text: str | None) -> Column:
    """Return what a column keeps of a text: the text, or bytes where it holds lone surrogates.

    Those stand for bytes of file names that are not UTF-8, and SQLite refuses them in text.
    """
    if text is None:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def from_column(value: Any) -> Any:
    """Return the text, number or None that was put into a column."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
