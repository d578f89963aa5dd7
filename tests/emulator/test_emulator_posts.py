"""MultimodalAsyncModeration and its result: limits, keywords, and findings at the part that holds them."""

import json
import re

import pytest
from rule_builders import flagging

from moderate_cli.emulator import Emulator, engine

DAY = 24 * 60 * 60
SUBMIT, ASK = "MultimodalAsyncModeration", "DescribeMultimodalModerationResult"
RULES = flagging({"Casino": "ad_gambling", "代 购": "ad_agent"})
IMAGE = {"imageUrl": "http://127.0.0.1:1/a.png"}


@pytest.fixture
def emulator(clock):
    with Emulator(clock, rules=RULES) as running:
        yield running


@pytest.fixture
def judge(caller):
    def judge(**post):
        reply = caller.service(SUBMIT, "post_text_image_detection", **post)
        assert reply.body["Code"] == 200, reply.body
        return caller.result(reply.body["Data"]["ReqId"], ASK).body

    return judge


def labels(part):
    return [result["Label"] for result in part["Result"]]


def test_the_answer_to_a_submission(caller):
    reply = caller.service(SUBMIT, "anything", mainData={"mainContent": "hello"}, dataId="p-1")
    assert (reply.status, reply.body["Code"], reply.body["Message"]) == (200, 200, "success")
    assert "Msg" not in reply.body
    data = reply.body["Data"]
    assert data == {"ReqId": data["TaskId"], "TaskId": data["TaskId"], "DataId": "p-1"}
    assert re.fullmatch(r"task_\d{13}_[0-9A-Za-z]{6}", data["TaskId"])


def test_findings_stand_at_their_part(judge, emulator, draw):
    code = draw.encoded(draw.code("QRCode", "hello"))
    emulator.state.objects.put("bucket", "code", code)
    emulator.state.objects.put("bucket", "plain", draw.encoded(draw.gradient()))
    images = {name: {"ossBucketName": "bucket", "ossObjectName": name} for name in ("code", "plain")}
    body = judge(
        dataId="p-1",
        mainData={"mainTitle": "A day out", "mainContent": "Sunny", "mainImages": [images["plain"]]},
        commentDatas=[
            {"content": "my casino!", "commentDatas": [{"content": "ok", "images": [images["code"], images["code"]]}]},
            {"content": "代购 Casino", "images": [images["code"]], "commentDatas": []},
            {"content": "nice", "postTime": ""},
        ],
    )
    data = body["Data"]
    assert (body["Code"], body["Message"]) == (200, "success")
    assert (data["DataId"], data["RiskLevel"]) == ("p-1", "high")
    assert labels(data["MainData"]) == ["nonLabel"]
    first, second, third = data["CommentDatas"]
    assert [labels(part) for part in (first, second, third)] == [
        ["ad_gambling"],
        ["QRCode", "ad_agent", "ad_gambling"],
        ["nonLabel"],
    ]
    assert [labels(reply) for reply in first["CommentDatas"]] == [["QRCode"]]
    assert "CommentDatas" not in second
    assert set(second["Result"][0]) == {"Label", "Description"}
    assert second["Results"] == second["Result"]
    # 9 + 5, 10 + 2, 9, 4
    assert data["Usage"] == {"Total_tokens": 39, "Output_tokens": 0, "Input_tokens": 39}
    checks = data["Ext"]["LocalEngine"]["Checks"]
    assert [check["Name"] for check in checks] == ["qr_code", "adult_content", "declared_origin", "keywords"]
    assert (checks[3]["Package"], checks[3]["Words"]) == ("local rules", 2)
    assert [(hit["KeyWords"], hit["LibId"], hit["LibName"], hit["Where"]) for hit in checks[3]["Hits"]] == [
        ("Casino", "local rules", "local rules", "$.commentDatas[0]"),
        ("代 购", "local rules", "local rules", "$.commentDatas[1]"),
        ("Casino", "local rules", "local rules", "$.commentDatas[1]"),
    ]


def test_nothing_found(judge):
    data = judge(mainData={"mainTitle": "A day out"})["Data"]
    assert (data["DataId"], data["RiskLevel"], data["CommentDatas"]) == ("", "none", [])
    assert labels(data["MainData"]) == ["nonLabel"]
    local = data["Ext"]["LocalEngine"]
    assert local["Checks"] == [{"Name": "keywords", "Package": "local rules", "Words": 2}]
    assert [part["Name"] for part in local["NotChecked"]] == ["meaning_of_text", "tokens"]


def test_images_without_keywords(connect, clock, draw):
    with Emulator(clock) as emulator:
        caller = connect(emulator)
        emulator.state.objects.put("bucket", "code", draw.encoded(draw.code("QRCode", "hello")))
        image = {"ossBucketName": "bucket", "ossObjectName": "code"}
        reply = caller.service(SUBMIT, mainData={"mainContent": "casino", "mainImages": [image]})
        data = caller.result(reply.body["Data"]["ReqId"], ASK).body["Data"]
        assert labels(data["MainData"]) == ["QRCode"]
        assert "keywords" in [part["Name"] for part in data["Ext"]["LocalEngine"]["NotChecked"]]
        # Nothing at all can be checked here.
        reply = caller.service(SUBMIT, mainData={"mainContent": "casino"})
        assert reply.body["Code"] == 490
        assert "keyword" in reply.body["Message"]


def test_images_without_detectors(caller, monkeypatch):
    monkeypatch.setattr(engine, "is_installed", lambda module: False)
    assert caller.service(SUBMIT, mainData={"mainImages": [IMAGE]}).body["Code"] == 490
    assert caller.service(SUBMIT, mainData={"mainContent": "text"}).body["Code"] == 200


def test_an_image_that_fails_is_named(judge):
    body = judge(mainData={"mainTitle": "a"}, commentDatas=[{"content": "b", "images": [IMAGE]}])
    assert body["Code"] == 404
    assert body["Message"].startswith("$.commentDatas[0]: ")
    assert "Data" not in body


def nested(levels):
    """Return comments that are nested so many levels deep."""
    comments = []
    for _ in range(levels):
        comments = [{"content": "a", "commentDatas": comments}]
    return comments


@pytest.mark.parametrize(
    ("post", "code"),
    [
        ({}, 400),
        ({"mainData": None}, 400),
        ({"mainData": {}}, 400),
        ({"mainData": {"mainTitle": " "}, "commentDatas": [{"content": ""}]}, 400),
        ({"mainData": {"mainImages": [{}]}}, 400),
        ({"mainData": []}, 401),
        ({"mainData": "text"}, 401),
        ({"mainData": {"mainTitle": 1}}, 401),
        ({"mainData": {"mainImages": IMAGE}}, 401),
        ({"mainData": {"mainImages": ["http://host/a.png"]}}, 401),
        ({"mainData": {"mainImages": [{"imageUrl": "ftp://host/a.png"}]}}, 401),
        ({"mainData": {"mainTitle": "a"}, "commentDatas": {}}, 401),
        ({"mainData": {"mainTitle": "a"}, "commentDatas": nested(33)}, 401),
        ({"mainData": {"mainTitle": "a"}, "commentDatas": nested(300)}, 401),
        ({"mainData": {"mainTitle": "a"}, "dataId": "a b"}, 401),
        ({"mainData": {"mainTitle": "a"}, "dataId": "a" * 129}, 402),
        ({"mainData": {"mainTitle": "a" * 2500, "mainContent": "a" * 2501}}, 402),
        ({"mainData": {"mainTitle": "a" * 4001}, "commentDatas": [{"content": "a" * 1000}]}, 402),
        ({"mainData": {"mainTitle": "a"}, "commentDatas": [{"content": "a" * 1001}]}, 402),
        ({"mainData": {"mainImages": [IMAGE] * 31}}, 402),
        ({"mainData": {"mainImages": [IMAGE] * 21}, "commentDatas": [{"images": [IMAGE] * 10}]}, 402),
        ({"mainData": {"mainTitle": "a"}, "commentDatas": [{"images": [IMAGE] * 11}]}, 402),
        ({"mainData": {"mainImages": [{"imageUrl": "http://host/" + "a" * 2048}]}}, 402),
        ({"mainData": {"mainImages": [{"ossBucketName": "bucket", "ossObjectName": "gone"}]}}, 404),
    ],
)
def test_bad_posts(caller, emulator, post, code):
    form = {"Service": "post_text_image_detection", "ServiceParameters": json.dumps(post)}
    reply = caller.call(SUBMIT, form)
    assert (reply.status, reply.body["Code"]) == (200, code)
    assert reply.body["Message"]
    assert emulator.state.tasks.count() == 0


def test_a_service_is_needed(caller):
    assert caller.service(SUBMIT, "", mainData={"mainTitle": "a"}).body["Code"] == 400


@pytest.mark.parametrize(
    "post",
    [
        {"mainData": {"mainTitle": "a" * 2500, "mainContent": "图" * 2500}, "dataId": "a" * 128},
        {"mainData": {"mainTitle": "a"}, "commentDatas": [{"content": "a" * 1000}] * 4},
        {"mainData": {"mainTitle": "a"}, "commentDatas": nested(32)},
    ],
)
def test_limits_that_are_kept(caller, post):
    form = {"Service": "s", "ServiceParameters": json.dumps(post, ensure_ascii=False)}
    assert caller.call(SUBMIT, form).body["Code"] == 200


def test_copies_are_deleted_where_a_later_image_is_missing(caller, emulator, draw):
    emulator.state.objects.put("bucket", "plain", draw.encoded(draw.gradient()))
    images = [{"ossBucketName": "bucket", "ossObjectName": name} for name in ("plain", "gone")]
    assert caller.service(SUBMIT, mainData={"mainImages": images}).body["Code"] == 404
    assert list(emulator.state.waiting.folder.iterdir()) == []


@pytest.mark.parametrize(("age", "code"), [(DAY - 60, 200), (DAY + 1, 401)])
def test_results_are_kept_for_a_day(caller, clock, age, code):
    reply = caller.service(SUBMIT, mainData={"mainTitle": "a"})
    req_id = reply.body["Data"]["ReqId"]
    caller.result(req_id, ASK)
    clock.offset = age
    assert caller.result(req_id, ASK).body["Code"] == code


def test_a_post_is_no_image(caller):
    req_id = caller.service(SUBMIT, mainData={"mainTitle": "a"}).body["Data"]["ReqId"]
    assert caller.result(req_id).body["Code"] == 401
