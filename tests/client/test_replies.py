"""Verdicts out of bodies: the vendor's samples word for word, and what its pages and its SDK disagree on."""

from __future__ import annotations

from typing import Any

import pytest
from samples import vendor_reply, vendor_verdict

from moderate_cli.client.ext import read_ext, snake_case
from moderate_cli.client.replies import read_labels, read_level, read_verdict
from moderate_cli.verdicts import Call, RiskLevel

CALL = Call(operation="ImageModeration", services=("s",), region=None, endpoint="e")
NO_EXT = {"custom_image": [], "text_in_image": None, "public_figure": [], "logo_data": []}


@pytest.mark.parametrize(
    ("name", "level", "labels"),
    [
        (
            "risk",
            "high",
            [
                ("pornographic_adultContent", 81),
                ("sexual_partialNudity", 98),
                ("violent_explosion", 70),
                ("violent_explosion_lib", 81),
            ],
        ),
        ("none", "none", []),
        ("allowlist", "none", [("nonLabel_lib", 83)]),
        ("custom_image", "high", [("pornographic_adultContent_lib", 100)]),
        ("custom_keyword", "high", [("pornographic_adultContent_tii_lib", 99)]),
        ("text_risk", "high", [("political_politicalFigure_name_tii", 89.15)]),
        ("logo", "high", [("pt_logotoSocialNetwork", 96.15)]),
        ("person", "high", [("political_politicalFigure_3", 92.05)]),
    ],
)
def test_samples_give_their_level_and_their_findings(name: str, level: str, labels: list[tuple[str, float]]) -> None:
    verdict = vendor_verdict(name)
    assert verdict.risk_level == level
    assert [(label.label, label.confidence) for label in verdict.labels] == labels
    assert all(label.service == "baselineCheck_global" and label.description for label in verdict.labels)
    assert verdict.engine == "cloud"
    assert verdict.raw == vendor_reply("image_moderation", name)
    assert verdict.request_id == verdict.raw["RequestId"]


@pytest.mark.parametrize(
    ("name", "part", "expected"),
    [
        (
            "custom_image",
            "custom_image",
            [{"image_id": "12345", "lib_id": "TEST20240307", "lib_name": "Risk Image Library A"}],
        ),
        ("person", "public_figure", None),
        ("logo", "logo_data", None),
    ],
)
def test_samples_keep_what_stands_behind_the_labels(name: str, part: str, expected: object) -> None:
    ext = vendor_verdict(name).ext
    assert set(ext) == set(NO_EXT)
    assert ext[part]
    if expected is not None:
        assert ext[part] == expected


def test_null_lists_of_text_are_empty_ones() -> None:
    text = vendor_verdict("text_risk").ext["text_in_image"]
    assert text["custom_text"] == []
    assert text["risk_word"] == ["Risk Word 1"]
    assert [line["text"] for line in text["ocr_result"]] == [
        "Text line 1",
        "Text line 2",
        "Text line 3 with risk content",
    ]


@pytest.mark.parametrize("ext", [None, {}, [], "text", 7])
def test_missing_auxiliary_information_is_empty(ext: object) -> None:
    assert read_ext(ext) == NO_EXT


def test_a_logo_that_is_an_object_and_not_a_list_is_read() -> None:
    assert read_ext({"LogoData": {"Location": {"X": 1.5}}})["logo_data"] == [{"location": {"x": 1.5}}]


def test_parts_that_are_not_known_pass_unharmed() -> None:
    part = {"OutputText": "…", "Nested": [{"KeyOne": 1}]}
    assert read_ext({"VlContent": part})["VlContent"] == part


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("high", RiskLevel.HIGH),
        ("HIGH", RiskLevel.HIGH),
        ("safe", RiskLevel.NONE),
        ("none", RiskLevel.NONE),
        ("critical", None),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_levels_in_any_writing(word: object, level: RiskLevel | None) -> None:
    assert read_level(word) == level


@pytest.mark.parametrize(
    ("confidence", "expected"), [(None, None), (81, 81.0), (81.22, 81.22), ("81.22", 81.22), ("n/a", None), ({}, None)]
)
def test_confidences_in_any_writing(confidence: object, expected: float | None) -> None:
    (label,) = read_labels([{"Label": "x", "Confidence": confidence}])
    assert label.confidence == expected


@pytest.mark.parametrize("items", [None, [], {}, "nonLabel", [None, 3], [{"Label": "nonLabel"}], [{"Confidence": 3}]])
def test_no_finding_is_no_label(items: object) -> None:
    assert read_labels(items) == ()


@pytest.mark.parametrize(
    ("data", "level"),
    [
        ({"RiskLevel": "low", "Result": [{"Label": "x", "RiskLevel": "high"}]}, RiskLevel.LOW),
        ({"Result": [{"Label": "x", "RiskLevel": "low"}, {"Label": "y", "RiskLevel": "medium"}]}, RiskLevel.MEDIUM),
        ({"RiskLevel": "new", "Result": [{"Label": "x"}]}, RiskLevel.HIGH),
        ({"Result": [{"Label": "nonLabel"}]}, RiskLevel.NONE),
        ({}, RiskLevel.NONE),
        (None, RiskLevel.NONE),
    ],
)
def test_findings_whose_level_nobody_can_read_are_not_harmless(data: Any, level: RiskLevel) -> None:
    assert read_verdict({"Code": 200, "Data": data}, CALL).gate_level == level


def test_the_local_engine_is_known_by_its_own_words() -> None:
    verdict = read_verdict({"Code": 200, "Data": {"Ext": {"LocalEngine": {"NotChecked": [{"Name": "x"}]}}}}, CALL)
    assert verdict.engine == "local"
    assert verdict.ext["local_engine"] == {"not_checked": [{"name": "x"}]}


@pytest.mark.parametrize(
    ("name", "ours"),
    [("TextInImage", "text_in_image"), ("LibId", "lib_id"), ("X", "x"), ("already_ours", "already_ours")],
)
def test_names_in_snake_case(name: str, ours: str) -> None:
    assert snake_case(name) == ours
