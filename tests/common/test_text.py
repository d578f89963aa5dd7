"""Values in messages."""

from __future__ import annotations

from moderate_cli.common.text import shortened


def test_a_long_value_is_cut() -> None:
    assert shortened("x" * 40) == "x" * 40
    assert shortened("x" * 41) == "x" * 40 + "..."
