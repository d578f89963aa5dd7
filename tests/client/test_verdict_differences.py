"""Where the vendor's pages, its SDK and its examples disagree, a test for each, and its samples of other operations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from samples import vendor_post, vendor_reply

from moderate_cli.client.responses import Response, UnreadableResponseError, field_of, read_body
from moderate_cli.client.verdicts import read_result_ext, read_submission, read_verdict
from moderate_cli.common.errors import ServiceError
from moderate_cli.models import Call, Coverage, Frame, RiskLevel, Usage, Verdict
from moderate_cli.render.wording import details

CALL = Call(operation="X", services=("a", "b"), region=None, endpoint="e")


def _verdict(data: dict[str, Any]) -> Verdict:
    return read_verdict({"Code": 200, "Data": {"RiskLevel": "none"} | data}, CALL)


def _frames(value: object, number: int | None = None) -> tuple[Frame, ...]:
    return _verdict({"FrameNum": number, "Frame": value}).frames


@pytest.mark.parametrize("name", ["ReqId", "TaskId", "reqId", "taskId"])
def test_a_task_is_known_by_either_id(name: str) -> None:
    assert read_submission({"Code": 200, "Data": {name: "task_1"}}, CALL).req_id == "task_1"


@pytest.mark.parametrize(
    "data", [None, {}, [], "OK", True, {"ReqId": ""}, {"ReqId": None}, {"ReqId": ["task_1"]}, {"ReqId": {"Id": "x"}}]
)
def test_a_task_without_an_id_is_an_error(data: object) -> None:
    with pytest.raises(UnreadableResponseError, match="named no id") as caught:
        read_submission({"Code": 200, "Data": data}, CALL)
    assert (caught.value.code, caught.value.retryable) == ("unreadable_answer", False)
    assert caught.value.req_id is None


@pytest.mark.parametrize("ids", [{"DataId": {"a": 1}}, {"DataId": ["x"]}, {"DataId": True}])
def test_an_id_that_is_no_text_is_unreadable(ids: dict[str, object]) -> None:
    with pytest.raises(UnreadableResponseError, match="DataId is") as caught:
        read_submission({"Code": 200, "RequestId": "R", "Data": {"ReqId": "task_1", **ids}}, CALL)
    assert (caught.value.req_id, caught.value.request_id) == ("task_1", "R")
    assert "task_1" in str(caught.value.hint)
    with pytest.raises(UnreadableResponseError, match="DataId is"):
        _verdict(ids)


@pytest.mark.parametrize(("number", "text"), [(17, "17"), (17.5, "17.5"), ("17", "17")])
def test_an_id_may_be_a_number(number: object, text: str) -> None:
    assert read_submission({"Data": {"ReqId": number}, "RequestId": number}, CALL).req_id == text
    assert _verdict({"DataId": number}).data_id == text


@pytest.mark.parametrize(
    ("operation", "req_id", "data_id"),
    [
        ("image_async_moderation", "ABCD1234-1234-1234-1234-1234XYZ", "img123******"),
        ("multimodal_async_moderation", "task_1713942548822_1t4qI8", "Multimodal0424***"),
    ],
)
def test_the_samples_of_submissions(operation: str, req_id: str, data_id: str) -> None:
    submission = read_submission(vendor_reply(operation, "submitted"), CALL)
    assert (submission.req_id, submission.data_id) == (req_id, data_id)


@pytest.mark.parametrize("name", ["Msg", "Message", "msg", "message"])
def test_the_message_has_either_name(name: str) -> None:
    assert field_of({name: "words"}, "Msg", "Message") == "words"


@pytest.mark.parametrize(
    ("code", "number"), [(200, 200), ("200", 200), (200.0, 200), (280, 280), ("280", 280), ("280 ", 280), (280.0, 280)]
)
def test_a_code_may_be_text(code: object, number: int) -> None:
    for name in ("Code", "code", "CODE"):
        content = json.dumps({name: code}).encode()
        assert read_body(Response(200, {}, content, sent_at=0)) == (number, {name: code})


@pytest.mark.parametrize("code", [None, "", "OK", "two hundred", True, [200], {"Code": 200}, 200.5])
def test_a_code_that_is_no_number_is_unreadable(code: object) -> None:
    with pytest.raises(ServiceError, match="without a readable Code") as caught:
        read_body(Response(200, {}, json.dumps({"Code": code}).encode(), sent_at=0))
    assert caught.value.code == "unreadable_answer"


def test_codes_that_contradict_each_other_are_unreadable() -> None:
    with pytest.raises(ServiceError, match="without a readable Code"):
        read_body(Response(200, {}, b'{"Code": 200, "code": 500}', sent_at=0))


@pytest.mark.parametrize("message", ["OK", "success", "", None])
def test_the_message_of_a_success_is_never_looked_at(message: object) -> None:
    content = json.dumps({"Code": 200, "Msg": message}).encode()
    assert read_body(Response(200, {}, content, sent_at=0))[0] == 200


@pytest.mark.parametrize("results", ["Result", "Results"])
@pytest.mark.parametrize("main", [dict, lambda main: [main]], ids=["object", "array"])
def test_findings_of_a_post_stand_at_their_place(results: str, main: Any) -> None:
    verdict = _verdict(
        {
            "RiskLevel": "high",
            "MainData": main({results: [{"Label": "m"}]}),
            "CommentDatas": [
                {
                    results: [{"Label": "nonLabel"}],
                    "CommentDatas": [{results: [{"Label": "nonLabel"}]}, {results: [{"Label": "r"}]}],
                },
                {results: [{"Label": "c"}]},
            ],
        }
    )
    assert [(label.label, label.where) for label in verdict.labels] == [
        ("m", "$.mainData"),
        ("r", "$.commentDatas[0].commentDatas[1]"),
        ("c", "$.commentDatas[1]"),
    ]
    assert verdict.answered == (
        "$.mainData",
        "$.commentDatas[0]",
        "$.commentDatas[0].commentDatas[0]",
        "$.commentDatas[0].commentDatas[1]",
        "$.commentDatas[1]",
    )
    assert verdict.coverage == ()


@pytest.mark.parametrize("results", ["Result", "Results"])
def test_a_part_of_a_post_that_says_nothing_is_not_answered(results: str) -> None:
    verdict = _verdict(
        {
            "MainData": {results: [{"Label": "nonLabel"}]},
            "CommentDatas": [{results: [{"Label": "nonLabel"}], "CommentDatas": [{results: []}, {}, None]}],
        }
    )
    assert verdict.answered == ("$.mainData", "$.commentDatas[0]")
    assert verdict.coverage == (Coverage("parts", 2, 5, unanswered=True),)
    assert (verdict.is_unanswered, verdict.complete) == (True, False)
    [note] = verdict.notes
    assert note.startswith("not answered: $.commentDatas[0].commentDatas[0], $.commentDatas[0].commentDatas[1], ")


def test_the_sample_of_a_post() -> None:
    verdict = read_verdict(vendor_reply("describe_multimodal_moderation_result", "risk"), CALL)
    assert verdict.risk_level == "high"
    assert verdict.usage == Usage(total_tokens=1039, input_tokens=983, output_tokens=56)
    assert verdict.coverage == ()  # nobody told what was sent
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


@pytest.mark.parametrize("name", ["risk", "none"])
def test_the_sample_of_a_post_leaves_parts_of_the_sample_request_out(name: str) -> None:
    verdict = read_verdict(vendor_reply("describe_multimodal_moderation_result", name), CALL, post=vendor_post())
    assert [part.kind for part in verdict.coverage] == ["parts"]
    assert verdict.is_unanswered
    assert any(note.startswith("not answered: $.") for note in verdict.notes)


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
    frames = _frames(value)
    assert [(frame.index, frame.url) for frame in frames] == [(0, "http://u/1"), (1, "http://u/2"), (2, "http://u/3")]
    assert [[(label.label, label.confidence) for label in frame.labels] for frame in frames] == [
        [("x", 98.18)],
        [("y", 81.22)],
        [],
    ]


def test_frames_may_be_text_inside_a_text() -> None:
    assert _frames(json.dumps(json.dumps(FRAMES))) == _frames(FRAMES)


@pytest.mark.parametrize("value", [None, "", " ", [], "[]", "null"])
@pytest.mark.parametrize("number", [None, 0, 1, "1"])
def test_an_image_alone_has_no_frames(value: object, number: int | None) -> None:
    verdict = _verdict({"FrameNum": number, "Frame": value})
    assert (verdict.frames, verdict.coverage, verdict.complete, verdict.billed_calls) == ((), (), True, 2)


@pytest.mark.parametrize(
    "value",
    [
        "no json",
        "[",
        "3",
        "[3, null]",
        7,
        True,
        {"Frames": []},
        "{}",
        [{}],
        [{"TempUrl": "http://u/1"}],
        [{"Result": []}],
    ],
)
@pytest.mark.parametrize("number", [None, 1, 3])
def test_frames_that_cannot_be_read_are_not_none(value: object, number: int | None) -> None:
    with pytest.raises(UnreadableResponseError, match=r"[Ff]rame"):
        _frames(value, number)


@pytest.mark.parametrize("value", [None, "", [], "[]", "null"])
def test_frames_that_were_announced_and_are_not_there_are_not_none(value: object) -> None:
    with pytest.raises(UnreadableResponseError, match="3 frames are announced, but there are none") as caught:
        _frames(value, 3)
    assert caught.value.verdict
    assert caught.value.verdict.billed_calls == 3 * len(CALL.services)


@pytest.mark.parametrize("number", ["many", -1, 2.5, True, [3], {}])
def test_a_number_of_frames_that_is_none_is_unreadable(number: Any) -> None:
    with pytest.raises(UnreadableResponseError, match="FrameNum is"):
        _frames(FRAMES, number)


@pytest.mark.parametrize("number", [30, "30", 30.0])
def test_fewer_frames_than_announced_are_a_part(number: Any) -> None:
    verdict = _verdict({"FrameNum": number, "Frame": FRAMES})
    assert verdict.coverage == (Coverage("frames", 3, 30, unanswered=True),)
    assert (verdict.billed_calls, verdict.complete) == (60, False)
    assert _verdict({"FrameNum": 3, "Frame": FRAMES}).coverage == ()


def test_labels_of_frames_alone_are_told_with_their_frame() -> None:
    verdict = _verdict({"RiskLevel": "low", "Result": [{"Label": "x"}], "Frame": FRAMES})
    assert [(label.label, label.where) for label in verdict.labels] == [("x", None), ("y", "$.frames[1]")]


def test_a_frame_carries_its_auxiliary_information_itself() -> None:
    found = [{"Label": "nonLabel"}]
    (frame,) = _frames([{"Result": found, "CustomImage": [{"LibId": "l"}], "TextInImage": {"RiskWord": None}}])
    assert frame.ext["custom_image"] == [{"lib_id": "l"}]
    assert frame.ext["text_in_image"]["risk_word"] == []
    (wrapped,) = _frames([{"Result": found, "Ext": {"CustomImage": [{"LibId": "l"}]}}])
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
        (
            "allowlist",
            RiskLevel.NONE,
            [("nonLabel_lib", "baselineCheck"), ("nonLabel_lib", "tonalityImprove")],
        ),
    ],
)
def test_the_samples_of_several_services(name: str, level: RiskLevel, labels: list[tuple[str, str]]) -> None:
    batch = replace(CALL, operation="ImageBatchModeration", services=("baselineCheck", "tonalityImprove"))
    verdict = read_verdict(vendor_reply("image_batch_moderation", name), batch)
    assert verdict.risk_level == level
    assert [(label.label, label.service) for label in verdict.labels] == labels
    assert [part.service for part in verdict.per_service] == ["baselineCheck", "tonalityImprove"]
    assert (verdict.billed_calls, verdict.coverage, verdict.notes, verdict.complete) == (2, (), (), True)


BATCH = replace(CALL, operation="ImageBatchModeration")


def _batch(*services: Any, **data: Any) -> Verdict:
    return read_verdict({"Code": 200, "Data": {"RiskLevel": "none", "Results": list(services), **data}}, BATCH)


def test_services_are_known_in_any_case() -> None:
    verdict = _batch({"Service": "A", "RiskLevel": "low"}, {"Service": " b ", "RiskLevel": "none"})
    assert [part.service for part in verdict.per_service] == ["a", "b"]
    assert (verdict.risk_level, verdict.notes) == (
        RiskLevel.LOW,
        ("the answer contradicts itself: none beside low; the highest level counts",),
    )


@pytest.mark.parametrize(
    "second", [{}, {"Service": "b"}, {"Service": "b", "Code": 500, "RiskLevel": "none"}, {"Service": "c", "Result": []}]
)
def test_a_service_that_did_not_answer_is_named_and_the_others_are_kept(second: Any) -> None:
    with pytest.raises(UnreadableResponseError, match="no result of b") as caught:
        _batch({"Service": "a", "RiskLevel": "medium"}, second)
    verdict = caught.value.verdict
    assert verdict
    assert (verdict.risk_level, verdict.per_service[0].risk_level) == (RiskLevel.MEDIUM, RiskLevel.MEDIUM)
    assert verdict.coverage == (Coverage("services", 1, 2, unanswered=True),)


def test_a_service_that_was_not_asked_counts_and_is_told() -> None:
    answered = [{"Service": name, "RiskLevel": level} for name, level in (("a", "none"), ("b", "none"), ("c", "high"))]
    verdict = _batch(*answered, RiskLevel="high")
    assert verdict.risk_level is RiskLevel.HIGH
    assert verdict.notes == ("the response has a service that was not asked: 'c'",)


def test_a_label_of_two_services_is_told_for_each() -> None:
    part = {"RiskLevel": "high", "Result": [{"Label": "x"}]}
    verdict = _batch({"Service": "a", **part}, {"Service": "b", **part}, RiskLevel="high", Result=[{"Label": "x"}])
    assert [(label.label, label.service) for label in verdict.labels] == [("x", "a"), ("x", "b")]


def test_a_label_may_have_a_level_of_its_own() -> None:
    verdict = _verdict({"RiskLevel": "high", "Result": [{"Label": "a", "RiskLevel": "low"}, {"Label": "b"}]})
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
    assert verdict.raw["Data"] == {"RiskLevel": "none"} | data
    assert verdict.ext["AigcData"] == {"Score": 1}
    assert verdict.ext["FaceData"] == [1]
