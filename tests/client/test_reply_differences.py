"""Where the vendor's pages, its SDK and its examples disagree, a test for each, and its samples of other operations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from samples import vendor_reply

from moderate_cli.client.answers import field_of, read_body
from moderate_cli.client.exchange import Answer
from moderate_cli.client.replies import read_frames, read_result_ext, read_submission, read_verdict
from moderate_cli.render.details import details
from moderate_cli.verdicts import Call, RiskLevel, Usage, Verdict

CALL = Call(operation="X", services=("a", "b"), region=None, endpoint="e")


def _verdict(data: dict[str, Any]) -> Verdict:
    return read_verdict({"Code": 200, "Data": data}, CALL)


@pytest.mark.parametrize("name", ["ReqId", "TaskId", "reqId", "taskId"])
def test_a_task_is_known_by_either_id(name: str) -> None:
    submission = read_submission({"Code": 200, "Data": {name: "task_1"}}, CALL)
    assert submission
    assert submission.req_id == "task_1"


@pytest.mark.parametrize("data", [None, {}, {"ReqId": ""}, {"ReqId": None}])
def test_a_task_without_an_id_is_none(data: object) -> None:
    assert read_submission({"Code": 200, "Data": data}, CALL) is None


@pytest.mark.parametrize(
    ("operation", "req_id", "data_id"),
    [
        ("image_async_moderation", "ABCD1234-1234-1234-1234-1234XYZ", "img123******"),
        ("multimodal_async_moderation", "task_1713942548822_1t4qI8", "Multimodal0424***"),
    ],
)
def test_the_samples_of_submissions(operation: str, req_id: str, data_id: str) -> None:
    submission = read_submission(vendor_reply(operation, "submitted"), CALL)
    assert submission
    assert (submission.req_id, submission.data_id) == (req_id, data_id)


@pytest.mark.parametrize("name", ["Msg", "Message", "msg", "message"])
def test_the_message_has_either_name(name: str) -> None:
    assert field_of({name: "words"}, "Msg", "Message") == "words"


@pytest.mark.parametrize("code", [200, "200", 280, "280"])
def test_a_code_may_be_text(code: object) -> None:
    content = json.dumps({"Code": code}).encode()
    assert read_body(Answer(200, {}, content, sent_at=0))["Code"] == code


@pytest.mark.parametrize("message", ["OK", "success", "", None])
def test_the_message_of_a_success_is_never_looked_at(message: object) -> None:
    content = json.dumps({"Code": 200, "Msg": message}).encode()
    assert read_body(Answer(200, {}, content, sent_at=0))["Code"] == 200


@pytest.mark.parametrize("results", ["Result", "Results"])
@pytest.mark.parametrize("main", [dict, lambda main: [main]], ids=["object", "array"])
def test_findings_of_a_post_stand_at_their_place(results: str, main: Any) -> None:
    verdict = _verdict(
        {
            "RiskLevel": "high",
            "MainData": main({results: [{"Label": "m"}]}),
            "CommentDatas": [
                {results: [{"Label": "nonLabel"}], "CommentDatas": [{results: []}, {results: [{"Label": "r"}]}]},
                {results: [{"Label": "c"}]},
            ],
        }
    )
    assert [(label.label, label.where) for label in verdict.labels] == [
        ("m", "$.mainData"),
        ("r", "$.commentDatas[0].commentDatas[1]"),
        ("c", "$.commentDatas[1]"),
    ]


def test_the_sample_of_a_post() -> None:
    verdict = read_verdict(vendor_reply("describe_multimodal_moderation_result", "risk"), CALL)
    assert verdict.risk_level == "high"
    assert verdict.usage == Usage(total_tokens=1039, input_tokens=983, output_tokens=56)
    assert [(label.label, label.where) for label in verdict.labels] == [
        ("violent_explosion", "$.mainData"),
        ("sexual_partialNudity", "$.mainData"),
        ("violent_explosion", "$.commentDatas[0]"),
        ("sexual_partialNudity", "$.commentDatas[0]"),
        ("violent_explosion", "$.commentDatas[0].commentDatas[0]"),
        ("violent_explosion", "$.commentDatas[0].commentDatas[0]"),
        ("violent_explosion", "$.commentDatas[1]"),
    ]
    assert read_verdict(vendor_reply("describe_multimodal_moderation_result", "none"), CALL).labels == ()


@pytest.mark.parametrize("usage", [None, {}, [], "many"])
def test_usage_may_be_missing(usage: object) -> None:
    assert _verdict({"Usage": usage}).usage is None


FRAMES = [
    {"Result": [{"Confidence": 98.18, "Label": "x"}], "TempUrl": "http://u/1"},
    {"result": [{"confidence": 81.22, "label": "y"}], "tempUrl": "http://u/2"},
    {"Result": [{"Label": "nonLabel"}], "tepmUrl": "http://u/3"},
]


@pytest.mark.parametrize("value", [json.dumps(FRAMES), FRAMES], ids=["text", "list"])
def test_frames_are_text_or_a_list_with_keys_in_any_case(value: object) -> None:
    frames = read_frames(value)
    assert [(frame.index, frame.url) for frame in frames] == [(0, "http://u/1"), (1, "http://u/2"), (2, "http://u/3")]
    assert [[(label.label, label.confidence) for label in frame.labels] for frame in frames] == [
        [("x", 98.18)],
        [("y", 81.22)],
        [],
    ]


@pytest.mark.parametrize("value", [None, "", "no json", "[", "3", "[3, null]", 7])
def test_frames_that_cannot_be_read_are_none(value: object) -> None:
    assert read_frames(value) == ()


def test_a_frame_carries_its_auxiliary_information_itself() -> None:
    (frame,) = read_frames([{"Result": [], "CustomImage": [{"LibId": "l"}], "TextInImage": {"RiskWord": None}}])
    assert frame.ext["custom_image"] == [{"lib_id": "l"}]
    assert frame.ext["text_in_image"]["risk_word"] == []
    (wrapped,) = read_frames([{"Result": [], "Ext": {"CustomImage": [{"LibId": "l"}]}}])
    assert wrapped.ext["custom_image"] == [{"lib_id": "l"}]


@pytest.mark.parametrize(("name", "labels"), [("risk", [3, 1]), ("none", [0, 0]), ("allowlist", [1, 1])])
def test_the_samples_of_animations(name: str, labels: list[int]) -> None:
    verdict = read_verdict(vendor_reply("describe_image_moderation_result", name), CALL)
    assert [len(frame.labels) for frame in verdict.frames] == labels
    assert [frame.url for frame in verdict.frames] == [
        "http://www.aliyundoc.com/test1.jpg",
        "http://www.aliyundoc.com/test2.jpg",
    ]


@pytest.mark.parametrize(
    ("name", "level", "labels"),
    [
        (
            "risk",
            RiskLevel.HIGH,
            [
                ("violent_explosion", "baselineCheck"),
                ("sexual_partialNudity", "baselineCheck"),
                ("pt_programCode", "tonalityImprove"),
            ],
        ),
        ("none", RiskLevel.NONE, []),
        ("allowlist", RiskLevel.NONE, [("nonLabel_lib", "baselineCheck")]),
    ],
)
def test_the_samples_of_several_services(name: str, level: RiskLevel, labels: list[tuple[str, str]]) -> None:
    verdict = read_verdict(vendor_reply("image_batch_moderation", name), CALL)
    assert verdict.risk_level == level
    assert [(label.label, label.service) for label in verdict.labels] == labels
    assert [part.service for part in verdict.per_service] == ["baselineCheck", "tonalityImprove"]


def test_a_label_may_have_a_level_of_its_own() -> None:
    verdict = _verdict({"Result": [{"Label": "a", "RiskLevel": "low"}, {"Label": "b"}]})
    assert [label.risk_level for label in verdict.labels] == [RiskLevel.LOW, None]


def test_a_logo_is_a_list_or_an_object() -> None:
    logo = {"Logo": [{"Name": "CCTV", "Label": "l", "Confidence": 96}], "Location": {"X": 41.5, "Y": 84}}
    for value in ([logo], logo):
        ext = _verdict({"Ext": {"LogoData": value}}).ext
        assert ext["logo_data"][0]["location"] == {"x": 41.5, "y": 84}
        assert list(details(ext)) == [("logo", "CCTV, l, 96.00")]


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        ({"FigureName": "John Doe", "FigureId": "xxx001"}, "John Doe"),
        ({"FigureName": None, "FigureId": "xxx001"}, "xxx001"),
        ({"FigureName": "", "FigureId": "xxx001"}, "xxx001"),
        ({"FigureId": None}, "unnamed"),
    ],
)
def test_a_figure_has_a_name_or_a_code(figure: dict[str, Any], shown: str) -> None:
    assert list(details(_verdict({"Ext": {"PublicFigure": [figure]}}).ext)) == [("figure", shown)]


def test_the_names_of_the_later_query_are_brought_into_shape() -> None:
    ext = read_result_ext(
        {
            "Code": 200,
            "Data": {
                "CustomImage": [{"ImageId": "1", "LibId": "l", "LibName": "n"}],
                "PublicFigure": [{"FigureId": "f"}],
                "TextInImage": {
                    "CustomTexts": [{"KeyWords": "k", "LibId": "l", "LibName": "n"}],
                    "OcrDatas": ["one", "two"],
                    "RiskWords": ["bad"],
                },
            },
        }
    )
    assert ext["text_in_image"] == {
        "custom_text": [{"key_words": "k", "lib_id": "l", "lib_name": "n"}],
        "ocr_result": [{"text": "one"}, {"text": "two"}],
        "risk_word": ["bad"],
    }
    assert ext["logo_data"] == []
    assert ext["public_figure"] == [{"figure_id": "f"}]


def test_lines_of_text_may_have_a_place() -> None:
    ext = _verdict({"Ext": {"TextInImage": {"OcrResult": [{"Text": "t", "Location": {"X": 1}}]}}}).ext
    assert ext["text_in_image"]["ocr_result"] == [{"text": "t", "location": {"x": 1}}]


def test_fields_that_are_not_known_survive() -> None:
    data = {"ManualTaskId": "m", "AccountId": "a", "FrameNum": 1, "Ext": {"AigcData": {"Score": 1}, "FaceData": [1]}}
    verdict = _verdict(data)
    assert verdict.raw["Data"] == data
    assert verdict.ext["AigcData"] == {"Score": 1}
    assert verdict.ext["FaceData"] == [1]
