"""Values in messages."""

from __future__ import annotations

import pytest

from moderate_cli.common.text import shortened, well_formed, well_formed_json


def test_a_long_value_is_cut() -> None:
    assert shortened("x" * 40) == "x" * 40
    assert shortened("x" * 41) == "x" * 40 + "..."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.png", "a.png"),
        ("图\U0001f600", "图\U0001f600"),
        ("a\ud800b", "a\ufffdb"),
        ("\udbff\udc7f\udd00\udfff", "\ufffd" * 4),
        ("caf\udce9\udc80\udcff", "caf\udce9\udc80\udcff"),  # bytes of a file name
    ],
)
def test_a_surrogate_that_stands_for_no_byte_is_replaced(text: str, expected: str) -> None:
    assert well_formed(text) == expected
    assert well_formed_json({text: [text, 1, None]}) == {expected: [expected, 1, None]}
