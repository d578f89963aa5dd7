"""ImageBatchModeration, and DescribeImageResultExt."""

import pytest

from moderate_cli.emulator import bodies, green, state


@pytest.fixture
def batch(caller, emulator):
    def judge(content, service, **parameters):
        emulator.state.objects.put("bucket", "image", content)
        parameters |= {"ossBucketName": "bucket", "ossObjectName": "image"}
        return caller.service("ImageBatchModeration", service, **parameters).body

    return judge


@pytest.mark.parametrize(
    ("service", "services"),
    [("a", ["a"]), ("a,b", ["a", "b"]), (" b , a,b ", ["b", "a"])],
)
def test_each_service_has_a_verdict(batch, draw, service, services):
    body = batch(draw.encoded(draw.code("QRCode", "hello")), service, dataId="post-1")
    finding = {"Label": "QRCode", "Confidence": 100.0, "Description": "QR code (local engine)"}
    assert (body["Code"], body["Msg"]) == (200, "success")
    data = body["Data"]
    assert set(data) == {"DataId", "RiskLevel", "Result", "Results"}
    assert (data["DataId"], data["RiskLevel"], data["Result"]) == ("post-1", "high", [finding])
    assert [part["Service"] for part in data["Results"]] == services
    for part in data["Results"]:
        assert (part["RiskLevel"], part["Result"]) == ("high", [finding])
        assert [check["Name"] for check in part["Ext"]["LocalEngine"]["Checks"]] == [
            "qr_code",
            "adult_content",
            "declared_origin",
        ]


def test_nothing_found(batch, draw):
    data = batch(draw.encoded(draw.gradient()), "a,b")["Data"]
    assert data["RiskLevel"] == "none"
    for results in (data["Result"], *(part["Result"] for part in data["Results"])):
        assert [(result["Label"], "Confidence" in result) for result in results] == [("nonLabel", False)]


def test_the_image_is_examined_once(batch, draw, emulator, monkeypatch):
    engine, looks = emulator._server.service.engine, []
    monkeypatch.setattr(green, "examine", lambda _, content: looks.append(content) or engine.examine(content))
    assert batch(draw.encoded(draw.gradient()), "a,b,c")["Code"] == 200
    assert len(looks) == 1


@pytest.mark.parametrize("service", ["", " ", ",", "a,", ",a", "a,,b", "a, ,b"])
def test_empty_services(batch, draw, service):
    assert batch(draw.encoded(draw.gradient()), service)["Code"] == 400


def test_errors_of_the_image(caller):
    reply = caller.service("ImageBatchModeration", "a,b", ossBucketName="bucket", ossObjectName="gone")
    assert (reply.status, reply.body["Code"]) == (200, 404)


# --------------------------------------------------------------------------------------- DescribeImageResultExt


@pytest.mark.parametrize("place", ["form", "query"])
@pytest.mark.parametrize(
    ("info_types", "names"),
    [
        ("customImage,textInImage,publicFigure", {"CustomImage", "TextInImage", "PublicFigure"}),
        ("textInImage", {"TextInImage"}),
        ("logoData", set()),
        ("", {"CustomImage", "TextInImage", "PublicFigure"}),
    ],
)
def test_auxiliary_information(caller, draw, place, info_types, names):
    request_id = caller.judge(draw.encoded(draw.gradient())).body["RequestId"]
    reply = caller.call("DescribeImageResultExt", **{place: {"ReqId": request_id, "InfoType": info_types}})
    assert reply.body["Code"] == 200
    data = reply.body["Data"]
    local = data.pop("LocalEngine")
    assert set(data) == names
    assert data.get("CustomImage", []) == data.get("PublicFigure", []) == []
    if "TextInImage" in names:
        assert data["TextInImage"] == {"CustomTexts": [], "OcrDatas": [], "RiskWords": []}
    assert [part["Name"] for part in local["Checks"]] == ["qr_code", "adult_content", "declared_origin"]


def test_auxiliary_information_is_that_of_the_answer():
    line, word = {"Text": "cheap guns"}, {"LibId": "1", "LibName": "slang", "KeyWords": "guns"}
    image = {"LibId": "2", "LibName": "brand", "ImageId": "3"}
    ext = {
        "CustomImage": [image],
        "TextInImage": {"OcrResult": [line], "CustomText": [word], "RiskWord": None},
        "LocalEngine": {},
    }
    assert bodies.result_ext(ext, ["customImage", "textInImage"]) == {
        "CustomImage": [image],
        "TextInImage": {"CustomTexts": [word], "OcrDatas": ["cheap guns"], "RiskWords": []},
        "LocalEngine": {},
    }


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, 400),
        ({"ReqId": ""}, 400),
        ({"ReqId": "never"}, 401),
        ({"ReqId": "never", "InfoType": "faces"}, 401),
    ],
)
def test_bad_questions_for_auxiliary_information(caller, parameters, code):
    assert caller.call("DescribeImageResultExt", parameters).body["Code"] == code


def test_only_judged_images_have_auxiliary_information(caller):
    request_id = caller.moderate(ossBucketName="bucket", ossObjectName="gone").body["RequestId"]
    assert caller.call("DescribeImageResultExt", {"ReqId": request_id}).body["Code"] == 401


def test_the_last_request_ids_are_remembered(clock, monkeypatch):
    assert state.REQUEST_MEMORY == 10_000
    monkeypatch.setattr(state, "REQUEST_MEMORY", 2)
    memory = state.State(clock)
    for request_id in "abc":
        memory.remember_request(request_id, {"CustomImage": request_id})
    assert [memory.ext_of(request_id) for request_id in "abc"] == [None, {"CustomImage": "b"}, {"CustomImage": "c"}]
