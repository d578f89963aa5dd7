"""Verdicts out of bodies: the vendor's samples word for word, and what its pages and its SDK disagree on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from samples import vendor_reply, vendor_verdict

from moderate_cli.client.responses import UnreadableResponseError, quoted
from moderate_cli.client.verdicts import read_ext, read_verdict, snake_case
from moderate_cli.models import Call, RiskLevel, Verdict

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
    assert (verdict.reported_level, verdict.unexplained, verdict.complete) == (level, RiskLevel.NONE, True)
    assert (verdict.notes, verdict.coverage, verdict.billed_calls) == ((), (), 1)


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


def _read(data: Any) -> Verdict:
    return read_verdict({"Code": 200, "Data": data}, CALL)


def _unreadable(data: Any) -> UnreadableResponseError:
    with pytest.raises(UnreadableResponseError) as caught:
        _read(data)
    error = caught.value
    assert (error.code, error.http_status, error.retryable, error.exit_code) == ("unreadable_answer", 200, False, 3)
    assert error.verdict is not None
    return error


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("high", RiskLevel.HIGH),
        ("HIGH", RiskLevel.HIGH),
        (" High\n", RiskLevel.HIGH),
        ("safe", RiskLevel.NONE),
        ("none", RiskLevel.NONE),
        ("None ", RiskLevel.NONE),
    ],
)
def test_levels_in_any_writing(word: str, level: RiskLevel) -> None:
    verdict = _read({"RiskLevel": word})
    assert (verdict.risk_level, verdict.reported_level, verdict.complete) == (level, word, True)


@pytest.mark.parametrize("word", ["critical", "ok", 3, 0, True, False, ["high"], [], {}, {"Level": "none"}])
@pytest.mark.parametrize("others", [{}, {"Result": []}, {"Result": [{"Label": "nonLabel"}]}])
def test_a_level_that_is_no_known_word_is_unreadable_without_a_finding(word: object, others: dict[str, Any]) -> None:
    error = _unreadable({"RiskLevel": word, **others})
    assert "the risk level of the response is" in error.message
    assert error.verdict and error.verdict.reported_level == (word if isinstance(word, str) else json.dumps(word))


@pytest.mark.parametrize("word", ["critical", 3, ["low"], {}])
def test_a_level_that_is_no_known_word_is_high_beside_a_finding(word: object) -> None:
    verdict = _read({"RiskLevel": word, "Result": [{"Label": "x", "RiskLevel": "low"}]})
    assert (verdict.risk_level, verdict.unexplained, verdict.complete) == (RiskLevel.HIGH, RiskLevel.HIGH, False)
    assert verdict.notes == (f"unknown risk level {quoted(word or '{}')}, which counts as high",)


def test_a_reported_level_has_200_characters_at_most() -> None:
    verdict = _read({"RiskLevel": "x" * 300, "Result": [{"Label": "x"}]})
    assert verdict.reported_level == "x" * 200


@pytest.mark.parametrize("word", ["", " ", None])
def test_a_level_that_is_not_there_is_read_off_the_labels(word: object) -> None:
    verdict = _read({"RiskLevel": word, "Result": [{"Label": "nonLabel"}]})
    assert (verdict.risk_level, verdict.reported_level, verdict.complete) == (RiskLevel.NONE, None, True)
    assert "neither a risk level nor a label" in _unreadable({"RiskLevel": word}).message


@pytest.mark.parametrize(
    ("confidence", "expected"), [(None, None), (81, 81.0), (81.22, 81.22), ("81.22", 81.22), ("n/a", None), ({}, None)]
)
def test_confidences_in_any_writing(confidence: object, expected: float | None) -> None:
    (label,) = _read({"Result": [{"Label": "x", "Confidence": confidence}]}).labels
    assert label.confidence == expected


@pytest.mark.parametrize("items", [None, [], [{"Label": "nonLabel"}], [{"Label": "nonLabel", "Confidence": 3}]])
def test_no_finding_is_no_label(items: object) -> None:
    verdict = _read({"RiskLevel": "none", "Result": items})
    assert (verdict.labels, verdict.risk_level, verdict.complete) == ((), RiskLevel.NONE, True)


@pytest.mark.parametrize(
    "items",
    [
        {},
        "nonLabel",
        '[{"Label": "nonLabel"}]',
        True,
        [None, 3],
        ["nonLabel"],
        [{"Confidence": 3}],
        [{"Label": None}],
        [{"Label": ""}],
        [{"Label": " "}],
        [{"Label": 0}],
        [{"Label": ["x"]}],
        [{"Label": "nonLabel"}, {}],
    ],
)
def test_labels_that_nobody_can_read_are_not_none(items: object) -> None:
    error = _unreadable({"RiskLevel": "none", "Result": items})
    assert "label" in error.message
    assert _unreadable({"RiskLevel": "none", "Results": items})


def test_what_could_be_read_beside_it_is_kept() -> None:
    error = _unreadable({"RiskLevel": "low", "Result": [{"Label": "x", "RiskLevel": "medium"}, 3], "DataId": "d"})
    assert error.verdict
    assert [label.label for label in error.verdict.labels] == ["x"]
    assert (error.verdict.risk_level, error.verdict.data_id) == (RiskLevel.MEDIUM, "d")
    assert not error.verdict.complete


@pytest.mark.parametrize(
    ("data", "level", "unexplained"),
    [
        ({"RiskLevel": "low", "Result": [{"Label": "x", "RiskLevel": "high"}]}, RiskLevel.HIGH, RiskLevel.NONE),
        ({"RiskLevel": "high", "Result": [{"Label": "x", "RiskLevel": "low"}]}, RiskLevel.HIGH, RiskLevel.HIGH),
        (
            {"Result": [{"Label": "x", "RiskLevel": "low"}, {"Label": "y", "RiskLevel": "medium"}]},
            RiskLevel.MEDIUM,
            RiskLevel.NONE,
        ),
        ({"RiskLevel": "new", "Result": [{"Label": "x"}]}, RiskLevel.HIGH, RiskLevel.HIGH),
        ({"RiskLevel": "none", "Result": [{"Label": "x"}]}, RiskLevel.LOW, RiskLevel.NONE),
        ({"Result": [{"Label": "x"}]}, RiskLevel.HIGH, RiskLevel.NONE),
        ({"Result": [{"Label": "nonLabel"}]}, RiskLevel.NONE, RiskLevel.NONE),
        ({"RiskLevel": "high", "Result": [{"Label": "nonLabel"}]}, RiskLevel.HIGH, RiskLevel.HIGH),
    ],
)
def test_findings_whose_level_nobody_can_read_are_not_harmless(
    data: Any, level: RiskLevel, unexplained: RiskLevel
) -> None:
    verdict = _read(data)
    assert (verdict.risk_level, verdict.gate_level, verdict.unexplained) == (level, level, unexplained)


@pytest.mark.parametrize("data", [{}, None, [], "OK", True, [{"RiskLevel": "none"}], '{"RiskLevel": "none"}'])
def test_an_answer_that_says_nothing_is_no_verdict(data: Any) -> None:
    error = _unreadable(data)
    assert error.verdict
    assert (error.verdict.risk_level, error.verdict.gate_level) == (None, RiskLevel.HIGH)


def test_the_local_engine_is_known_by_its_own_words() -> None:
    verdict = _read(
        {"RiskLevel": "none", "Ext": {"LocalEngine": {"Checks": [{"Name": "x"}], "NotChecked": [{"Name": "y"}]}}}
    )
    assert (verdict.engine, verdict.billed_calls) == ("local", 0)
    assert verdict.ext["local_engine"] == {"checks": [{"name": "x"}]}  # what was not checked is said once a run
    assert list(verdict.local_checks) == [{"name": "x"}]


@pytest.mark.parametrize("endpoint", ["green-cip.cn-shanghai.aliyuncs.com", "green-cip-vpc.cn-beijing.aliyuncs.com"])
def test_the_cloud_is_the_cloud_whatever_stands_in_its_answer(endpoint: str) -> None:
    body = {"Code": 200, "Data": {"RiskLevel": "none", "Ext": {"LocalEngine": {"NotChecked": []}}}}
    verdict = read_verdict(body, replace(CALL, endpoint=endpoint))
    assert (verdict.engine, verdict.billed_calls) == ("cloud", 1)


@pytest.mark.parametrize(
    ("name", "ours"),
    [("TextInImage", "text_in_image"), ("LibId", "lib_id"), ("X", "x"), ("already_ours", "already_ours")],
)
def test_names_in_snake_case(name: str, ours: str) -> None:
    assert snake_case(name) == ours
