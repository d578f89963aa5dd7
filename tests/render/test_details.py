"""What stands behind the labels, as short pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import NO_EXT

from moderate_cli.client.verdicts import read_ext
from moderate_cli.render.wording import confidence, details

REPLIES = Path(__file__).parents[1] / "vectors/replies/image_moderation"


@pytest.mark.parametrize(
    ("ext", "expected"),
    [
        ({}, []),
        (NO_EXT, []),
        ({"VlContent": {"OutputText": "not ours"}}, []),
        (
            {"custom_image": [{"image_id": "12345", "lib_id": "L1", "lib_name": "Library A"}]},
            [("library", "Library A (L1), image 12345")],
        ),
        (
            {"custom_image": [{"lib_id": "L1"}, {"lib_name": "B"}]},
            [("library", "L1"), ("library", "B")],
        ),
        (
            {"text_in_image": {"custom_text": [{"key_words": "k1,k2", "lib_id": "L2", "lib_name": "Words"}]}},
            [("keyword", "k1,k2, in Words (L2)")],
        ),
        ({"text_in_image": {"custom_text": [{"key_words": "k1"}]}}, [("keyword", "k1")]),
        ({"text_in_image": {"risk_word": ["one", "two"]}}, [("risk words", "one, two")]),
        ({"text_in_image": {"ocr_result": [{"text": "line 1"}, "line 2"]}}, [("text", "line 1 / line 2")]),
        ({"text_in_image": {"ocr_result": [], "risk_word": [], "custom_text": []}}, []),
        ({"public_figure": [{"figure_name": "Yang San", "figure_id": "f1"}]}, [("figure", "Yang San")]),
        ({"public_figure": [{"figure_name": None, "figure_id": "f1"}, {}]}, [("figure", "f1"), ("figure", "unnamed")]),
        (
            {"logo_data": [{"logo": [{"name": "CCTV", "label": "pt_logo", "confidence": 96.15}, {"name": "B"}]}]},
            [("logo", "CCTV, pt_logo, 96.15"), ("logo", "B")],
        ),
        ({"logo_data": [{"location": {"x": 1}}, {"logo": None}]}, []),
    ],
)
def test_each_kind_of_detail_is_told(ext: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert list(details(ext)) == expected


@pytest.mark.parametrize(
    ("ext", "expected"),
    [
        ({"custom_image": ["x"]}, []),
        ({"public_figure": [None]}, []),
        ({"logo_data": ["x"]}, []),
        ({"text_in_image": {"custom_text": {"key_words": "k"}}}, [("keyword", "k")]),
        ({"logo_data": [{"logo": {"name": "CCTV"}}]}, [("logo", "CCTV")]),
        ({"logo_data": [{"logo": [{"name": "A", "confidence": "96.15"}]}]}, [("logo", "A, 96.15")]),
        ({"text_in_image": {"ocr_result": "Hello"}}, [("text", "Hello")]),
        ({"text_in_image": {"risk_word": "bad"}}, [("risk words", "bad")]),
        ({"text_in_image": {"ocr_result": [{"text": None}]}}, []),
        ({"custom_image": [{}]}, []),
    ],
)
def test_odd_shapes_are_told_or_left_out(ext: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert list(details(ext)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("custom_image", [("library", "Risk Image Library A (TEST20240307), image 12345")]),
        (
            "custom_keyword",
            [
                ("keyword", "Custom Keyword 1, in Text Blacklist A (TEST20240307)"),
                ("text", "Text line 1 / Text line 2 / Text line 3 with custom keyword"),
            ],
        ),
        (
            "text_risk",
            [
                ("risk words", "Risk Word 1"),
                ("text", "Text line 1 / Text line 2 / Text line 3 with risk content"),
            ],
        ),
        ("person", [("figure", "Yang San")]),
        ("logo", [("logo", "CCTV, pt_logotoSocialNetwork, 96.15")]),
    ],
)
def test_the_vendors_samples_are_told(name: str, expected: list[tuple[str, str]]) -> None:
    reply = json.loads((REPLIES / f"{name}.json").read_text(encoding="utf-8"))
    assert list(details(read_ext(reply["Data"]["Ext"]))) == expected


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0, "0.00"), (81.2, "81.20"), (100.0, "100.00")])
def test_a_confidence_has_two_decimals(value: float | None, text: str) -> None:
    assert confidence(value) == text
