"""YAML that is written is read back as it was, and hides nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moderate_cli.common.yaml_doc import dump_yaml, parse, plain_all

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _read(text: str) -> Any:
    part = parse(text, "a file")
    return None if part is None else plain_all(part)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no failure
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read(value: Any) -> None:
    assert _read(dump_yaml(value)) == value


@pytest.mark.parametrize(
    "text", ["off", "2026-11-01", "1e3", "null", "", " x ", "#", "a: b", "- a", "x" * 300, "<<", "="]
)
def test_texts_stay_texts(text: str) -> None:
    assert _read(dump_yaml({text: text, "list": [text]})) == {text: text, "list": [text]}


def test_characters_that_hide_text_are_written_out() -> None:
    text = dump_yaml({"title": "\u202ename\x1b[1m\u2028\U000e0041"})
    assert text.isascii()
    assert text.removesuffix("\n").isprintable()
    assert _read(text) == {"title": "\u202ename\x1b[1m\u2028\U000e0041"}
