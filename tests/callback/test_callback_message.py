"""A pushed form read into a callback, and a callback into a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from builders import call
from callback_builders import BODY, SEED, UID, content, push

from moderate_cli.callback import Callback, CallbackError, parse_callback, read_verdict_of, verify
from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.common.errors import ModerateError, ServiceError
from moderate_cli.models import Coverage, RiskLevel

REPLIES = Path(__file__).parents[1] / "vectors" / "replies"


def _callback(body: object, req_id: str | None = None) -> Callback:
    return parse_callback(push(content(body), req_id=req_id))


def test_a_form_becomes_a_callback_byte_for_byte() -> None:
    callback = parse_callback(push())
    assert callback.req_id == "T1"
    assert callback.content == content()
    assert callback.body == BODY
    assert verify(callback.checksum, UID, SEED, callback.content)


@pytest.mark.parametrize("text", ['{"a":"+ +%2B%25&=烟花\\u0000"}', '{"a":"%zz"}', ' {"a" :\t"\\ud800"}\n'])
def test_characters_with_a_meaning_in_forms_survive(text: str) -> None:
    callback = parse_callback(push(text))
    assert callback.content == text
    assert verify(callback.checksum, UID, SEED, callback.content)


@pytest.mark.parametrize("names", [("reqid", "checksum", "content"), ("REQID", "CHECKSUM", "CONTENT")])
def test_names_are_found_in_any_case(names: tuple[str, str, str]) -> None:
    values = ("T7", "AB", '{"a": 1}')
    form = "&".join(f"{name}={quote_plus(value)}" for name, value in zip(names, values, strict=True))
    assert parse_callback(form.encode()) == Callback("T7", "AB", '{"a": 1}', {"a": 1}, is_signed=False)


def test_a_recording_may_end_with_a_newline() -> None:
    assert parse_callback(push() + b"\r\n") == parse_callback(push())


@pytest.mark.parametrize(
    ("body", "req_id"),
    [
        ({"Data": {"ReqId": "T2"}}, "T2"),
        ({"data": {"taskId": "T3"}}, "T3"),
        ({"ReqId": "T4", "RiskLevel": "none"}, "T4"),
        ({"Data": {}, "RequestId": "R"}, None),
        ({"Data": [], "ReqId": "T5"}, "T5"),
    ],
)
def test_the_id_is_found_in_the_content(body: object, req_id: str | None) -> None:
    assert _callback(body).req_id == req_id


@pytest.mark.parametrize("body", [{"ReqId": "T9", "Data": {"ReqId": "T1"}}, {"Data": {"ReqId": "T9", "reqId": "T1"}}])
def test_a_content_about_two_tasks_is_about_none(body: object) -> None:
    with pytest.raises(CallbackError, match="about several tasks"):
        _callback(body)


def test_a_task_id_that_contradicts_the_other_id_is_no_verdict() -> None:
    callback = _callback({"ReqId": "T1", "Data": {"TaskId": "T9", "RiskLevel": "none"}})
    with pytest.raises(UnreadableResponseError, match="about another task"):
        read_verdict_of(callback, call())


def test_the_id_under_the_checksum_counts_more_than_the_one_beside_it() -> None:
    assert _callback(BODY, req_id="FORGED").req_id == "T1"
    assert _callback({"RiskLevel": "none"}, req_id="T8").req_id == "T8"


@pytest.mark.parametrize(
    ("body", "is_signed"),
    [
        (BODY, True),
        ({"ReqId": "T1", "RiskLevel": "none"}, True),
        ({"data": {"taskid": "T1"}}, True),
        ({"RiskLevel": "none"}, False),
        ({"Data": {"RiskLevel": "none"}, "RequestId": "T1", "DataId": "T1"}, False),
        ({"Data": {"ReqId": "", "RiskLevel": "none"}}, False),
        ({"Data": {"ReqId": ["T1"], "RiskLevel": "none"}}, False),
        ({"Data": {"Ext": {"ReqId": "T1"}, "RiskLevel": "none"}}, False),
    ],
)
def test_an_id_that_the_checksum_does_not_cover_is_anybodys(body: object, is_signed: bool) -> None:
    callback = _callback(body, req_id="T1")
    assert (callback.req_id, callback.is_signed) == ("T1", is_signed)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (b"", "no Checksum and no Content"),
        (b"Checksum=ab", "no Content"),
        (b"Checksum=ab&Content=", "no Content"),
        (b"Content=%7B%7D", "no Checksum"),
        (b"Checksum=ab&Content=%FF%FE", "UTF-8"),
        (b"Checksum=ab&checksum=cd&Content=%7B%7D", "twice"),
        (b"Checksum=ab&Content=%7B", "not JSON"),
        (b"Checksum=ab&Content=%5B%5D", "not a JSON object"),
        (b"Checksum=ab&Content=" + b"%5B" * 100_000, "not JSON"),
        (b"Checksum=ab&Content=%7B%7D" + b"&x=1" * 100, "too many fields"),
        (b'{"Checksum": "ab"}', "no Checksum"),
    ],
)
def test_what_is_no_callback_says_why(form: bytes, words: str) -> None:
    with pytest.raises(CallbackError, match=words):
        parse_callback(form)


@pytest.mark.parametrize("name", ["risk", "none", "allowlist"])
def test_the_body_and_its_data_alone_mean_the_same(name: str) -> None:
    body = json.loads((REPLIES / "describe_image_moderation_result" / f"{name}.json").read_text(encoding="utf-8"))
    whole = read_verdict_of(_callback(body, "T1"), call())
    alone = read_verdict_of(_callback(body["Data"], "T1"), call())
    assert (whole.risk_level, whole.labels, whole.frames) == (alone.risk_level, alone.labels, alone.frames)
    assert whole.risk_level is RiskLevel(body["Data"]["RiskLevel"])
    assert (whole.req_id, alone.req_id) == ("T1", "T1")
    assert (whole.raw, alone.raw) == (body, body["Data"])
    assert whole.request_id == body["RequestId"]


def test_the_verdict_on_a_post_is_read_too() -> None:
    path = REPLIES / "describe_multimodal_moderation_result" / "risk.json"
    verdict = read_verdict_of(_callback(json.loads(path.read_text(encoding="utf-8"))), call())
    assert verdict.risk_level is RiskLevel.HIGH
    assert verdict.labels


def test_the_parts_of_a_post_without_an_answer_are_known_by_the_post() -> None:
    clean = {"Result": [{"Label": "nonLabel"}]}
    body = {"Data": {"RiskLevel": "none", "MainData": clean, "CommentDatas": [clean]}}
    post = {"mainData": {"mainContent": "x"}, "commentDatas": [{"content": "a"}, {"content": "b"}]}
    asked = call(operation="MultimodalAsyncModeration")
    verdict = read_verdict_of(_callback(body), asked, post=post)
    assert verdict.coverage == (Coverage("parts", 2, 3, unanswered=True),)
    assert read_verdict_of(_callback(body), asked).coverage == ()


@pytest.mark.parametrize(("sent", "is_right"), [("d", True), (None, True), ("", True), ("other", False)])
def test_a_callback_about_another_object_is_no_verdict(sent: str | None, is_right: bool) -> None:
    if is_right:
        assert read_verdict_of(_callback(BODY), call(), data_id=sent).data_id == "d"
        return
    with pytest.raises(UnreadableResponseError, match="about another object"):
        read_verdict_of(_callback(BODY), call(), data_id=sent)


@pytest.mark.parametrize(
    "result",
    [
        {"Result": []},
        {"Result": [{}]},
        {"Result": "nonLabel"},
        {"Frame": "[{broken"},
        {"FrameNum": 3, "Frame": "[]"},
        {"MainData": {}},
        {"MainData": "text"},
        {"CommentDatas": {}},
        {"RiskLevel": "critical"},
        {"RiskLevel": 3},
        {"RiskLevel": "none", "Result": [{"Label": None}]},
        {"RiskLevel": "none", "Labels": ["x"]},
    ],
)
@pytest.mark.parametrize("is_inside", [True, False])
def test_a_result_that_cannot_be_read_is_never_taken_for_harmless(result: dict[str, object], is_inside: bool) -> None:
    body = {"Code": 200, "Data": {"ReqId": "T1", **result}} if is_inside else {"ReqId": "T1", **result}
    with pytest.raises(UnreadableResponseError):
        read_verdict_of(_callback(body), call(operation="ImageAsyncModeration"))


@pytest.mark.parametrize(("code", "is_early"), [(280, True), ("280 ", True), (280.0, True), ("2800", False)])
def test_a_code_is_read_as_a_number(code: object, is_early: bool) -> None:
    with pytest.raises(CallbackError if is_early else ServiceError):
        read_verdict_of(_callback({"Code": code, "Data": {"ReqId": "T1", "RiskLevel": "none"}}), call())


@pytest.mark.parametrize("code", ["ok", [200], {}, True])
def test_a_code_that_is_no_number_is_unreadable(code: object) -> None:
    with pytest.raises(ServiceError) as caught:
        read_verdict_of(_callback({"Code": code, "Data": {"RiskLevel": "none"}}), call())
    assert caught.value.code == "unreadable_answer"


def test_a_failure_is_an_error_and_no_verdict() -> None:
    with pytest.raises(ServiceError) as caught:
        read_verdict_of(_callback({"Code": 405, "Msg": "timeout", "RequestId": "R2"}), call())
    assert (caught.value.api_code, caught.value.request_id) == (405, "R2")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "unreadable_answer"),
        ({"Code": 200, "Data": {"ReqId": "T1"}}, "unreadable_answer"),
        ({"Code": 200, "Data": None}, "unreadable_answer"),
        ({"Code": 280, "Data": {"ReqId": "T1"}}, "callback_too_early"),
    ],
)
def test_an_unknown_shape_is_never_taken_for_harmless(body: object, code: str) -> None:
    with pytest.raises(ModerateError) as caught:
        read_verdict_of(_callback(body), call())
    assert caught.value.code == code
