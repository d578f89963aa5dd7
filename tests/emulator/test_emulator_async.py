"""ImageAsyncModeration and DescribeImageModerationResult: frames, slices, codes and how long results are kept."""

import io
import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from PIL import Image

from moderate_cli.emulator import Emulator, engine, judging
from moderate_cli.emulator.engine import LocalEngine
from moderate_cli.emulator.engine.detectors import QrCodeDetector

DAY = 24 * 60 * 60
SOURCE = {"ossBucketName": "bucket", "ossObjectName": "image"}


def labels(data):
    """Return the labels in each frame."""
    return [[result["Label"] for result in frame["Result"]] for frame in json.loads(data["Frame"])]


# -------------------------------------------------------------------------------------------- frames and slices


@pytest.mark.parametrize(
    ("total", "interval", "most", "expected"),
    [
        (1, 1, 10, [0]),
        (5, 1, 10, [0, 1, 2, 3, 4]),
        (5, 2, 10, [0, 2, 4]),
        (5, 9, 10, [0]),
        (10, 1, 5, [0, 2, 4, 6, 8]),
        (11, 1, 5, [0, 3, 6, 9]),
        (12, 5, 2, [0, 6]),
        (12, 6, 2, [0, 6]),
        (100, 1, 1, [0]),
    ],
)
def test_which_frames_are_captured(total, interval, most, expected):
    assert list(engine.chosen(total, interval, most)) == expected


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_examined_frame_by_frame(caller, draw, only_codes, kind):
    req_id = caller.submit(draw.animation(4, 2, kind), dataId="cat-1", interval=1, maxFrameNum=10)
    body = caller.result(req_id).body
    data = body["Data"]
    assert (body["Code"], body["Msg"]) == (200, "success")
    assert set(data) == {"DataId", "RiskLevel", "Result", "Frame", "FrameNum", "Ext"}
    assert (data["DataId"], data["RiskLevel"], data["FrameNum"]) == ("cat-1", "high", 4)
    assert labels(data) == [["nonLabel"], ["nonLabel"], ["QRCode"], ["nonLabel"]]
    assert [(result["Label"], result["Confidence"], result["RiskLevel"]) for result in data["Result"]] == [
        ("QRCode", 100.0, "high")
    ]
    parts = json.loads(data["Frame"])
    assert parts[0]["Result"] == [{"Label": "nonLabel"}]
    assert parts[2]["Result"] == [{"Confidence": 100.0, "Label": "QRCode"}]
    assert len({part["TempUrl"] for part in parts}) == 4
    assert [check["Name"] for check in data["Ext"]["LocalEngine"]["Checks"]] == ["qr_code", "declared_origin"]


@pytest.mark.parametrize("across", [False, True])
def test_a_long_image_is_examined_slice_by_slice(caller, draw, only_codes, across):
    req_id = caller.submit(draw.long(4, 3, across=across), interval=1, maxFrameNum=10)
    data = caller.result(req_id).body["Data"]
    assert labels(data) == [["nonLabel"], ["nonLabel"], ["nonLabel"], ["QRCode"]]


@pytest.mark.parametrize(
    ("interval", "most", "expected"),
    [(2, 10, [0, 0, 1]), (1, 3, [0, 0, 1]), (3, 10, [0, 0]), (1, 6, [0, 0, 0, 0, 1, 0])],
)
@pytest.mark.parametrize("kind", ["animation", "long"])
def test_interval_and_most_frames(caller, draw, only_codes, kind, interval, most, expected):
    req_id = caller.submit(getattr(draw, kind)(6, 4), interval=interval, maxFrameNum=most)
    data = caller.result(req_id).body["Data"]
    assert [int(found == ["QRCode"]) for found in labels(data)] == expected
    assert data["FrameNum"] == len(expected)


@pytest.mark.parametrize(
    ("content", "parameters", "level"),
    [
        (lambda draw: draw.animation(3, 0), {}, "high"),
        (lambda draw: draw.animation(3, 1), {}, "none"),
        (lambda draw: draw.animation(3, 1), {"maxFrameNum": 5}, "none"),
        (lambda draw: draw.long(3, 1), {}, "high"),
        (lambda draw: draw.encoded(draw.code("QRCode", "hello")), {"interval": 1, "maxFrameNum": 1}, "high"),
        (lambda draw: draw.encoded(draw.gradient(), "TIFF", save_all=True, append_images=[draw.gradient()]),
         {"interval": 1, "maxFrameNum": 9}, "none"),
    ],
    ids=["first frame", "later frame", "most frames alone", "long image", "one frame", "two pages"],
)  # fmt: skip
def test_without_frames(caller, draw, only_codes, content, parameters, level):
    data = caller.result(caller.submit(content(draw), **parameters)).body["Data"]
    assert set(data) == {"DataId", "RiskLevel", "Result", "Ext"}
    assert data["RiskLevel"] == level


def test_frames_are_merged_by_their_highest_confidence(caller, draw, monkeypatch):
    scores = iter([0.7, 0.95, 0.2])
    model = type("Model", (), {"classify": lambda self, image: type("Score", (), {"nsfw": next(scores)})})()
    monkeypatch.setattr("moderate_cli.emulator.engine.detectors._classifier", lambda: model)
    data = caller.result(caller.submit(draw.animation(3, 0), interval=1, maxFrameNum=10)).body["Data"]
    assert [(result["Label"], result["Confidence"]) for result in data["Result"]] == [
        ("QRCode", 100.0),
        ("pornographic_adultContent", 95.0),
    ]
    assert labels(data) == [["QRCode", "pornographic_adultContent"], ["pornographic_adultContent"], ["nonLabel"]]
    assert data["Ext"]["LocalEngine"]["Checks"][1]["Score"] == 95.0


def test_a_damaged_animation(caller, draw):
    content = draw.animation(6, 0)
    req_id = caller.submit(content[: len(content) // 3], interval=1, maxFrameNum=10)
    data = caller.result(req_id).body["Data"]  # its frames cannot be told apart
    assert "Frame" not in data
    assert data["Ext"]["LocalEngine"]["Notes"] == [engine.DAMAGED]


def test_slices_of_a_turned_photo(draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    page = Image.new("RGB", (900, 300), "white")
    page.paste("black", (0, 0, 300, 300))
    content = draw.encoded(page, "JPEG", exif=exif.tobytes())
    slices = list(engine.capture(content, 1, 10).pictures)
    assert [part.size for part in slices] == [(300, 300)] * 3
    assert [part.getpixel((150, 150))[0] < 9 for part in slices] == [True, False, False]


# ----------------------------------------------------------------------------------------------- temporary URLs


def test_pictures_of_frames_are_served_for_five_minutes(caller, clock, draw, only_codes):
    data = caller.result(caller.submit(draw.animation(3, 1), interval=1, maxFrameNum=10)).body["Data"]
    urls = [frame["TempUrl"] for frame in json.loads(data["Frame"])]
    contents = []
    for url in urls:
        with urllib.request.urlopen(url) as response:
            assert response.headers["Content-Type"] == "image/jpeg"
            contents.append(response.read())
    engine = LocalEngine([QrCodeDetector()])
    assert [len(engine.examine(content).findings) for content in contents] == [0, 1, 0]
    assert Image.open(io.BytesIO(contents[0])).format == "JPEG"
    for offset, url in ((301, urls[0]), (0, f"{caller.emulator.endpoint}/frames/guess.jpg")):
        clock.offset = offset
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url)
        assert caught.value.code == 403
        caught.value.close()


# ------------------------------------------------------------------------------------------------------ polling


def test_the_answer_to_a_submission(caller, draw, emulator):
    emulator.state.objects.put("bucket", "image", draw.encoded(draw.gradient()))
    reply = caller.service("ImageAsyncModeration", dataId="a", **SOURCE)
    assert (reply.status, reply.body["Code"], reply.body["Msg"]) == (200, 200, "success")
    req_id = reply.body["Data"]["ReqId"]
    assert reply.body["Data"] == {"ReqId": req_id, "DataId": "a"}
    assert str(UUID(req_id)).upper() == req_id


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_polls_before_the_result(connect, clock, draw, polls):
    with Emulator(clock, polls_before_result=polls) as emulator:
        caller = connect(emulator)
        req_id = caller.submit(draw.encoded(draw.gradient()))
        wait_until_done(emulator, req_id)
        for _ in range(polls):
            body = caller.call("DescribeImageModerationResult", query={"ReqId": req_id}).body
            assert body["Code"] == 280
            assert body["Msg"]
            assert "Data" not in body
        for _ in range(2):
            assert caller.call("DescribeImageModerationResult", query={"ReqId": req_id}).body["Code"] == 200


def wait_until_done(emulator, req_id):
    for _ in range(500):
        if req_id in emulator.state.tasks._finished:
            return
        threading.Event().wait(0.02)
    raise AssertionError("the task does not end")


def test_a_running_task_is_in_progress(caller, draw, emulator, monkeypatch):
    go_on = threading.Event()
    examine = emulator._server.service.engine.examine
    monkeypatch.setattr(emulator._server.service.engine.__class__, "examine", lambda _, c: go_on.wait(9) and examine(c))
    req_id = caller.submit(draw.encoded(draw.gradient()))
    # The image is the task's own from here on.
    emulator.state.objects.delete("bucket", "image")
    assert caller.call("DescribeImageModerationResult", query={"ReqId": req_id}).body["Code"] == 280
    assert len(list(emulator.state.waiting.folder.iterdir())) == 1
    go_on.set()
    assert caller.result(req_id).body["Code"] == 200
    assert list(emulator.state.waiting.folder.iterdir()) == []


@pytest.mark.parametrize(("age", "code"), [(3 * DAY - 60, 200), (3 * DAY + 1, 401)])
def test_results_are_kept_for_three_days(caller, clock, draw, age, code):
    req_id = caller.submit(draw.encoded(draw.gradient()))
    caller.result(req_id)
    clock.offset = age
    assert caller.result(req_id).body["Code"] == code


@pytest.mark.parametrize(("req_id", "code"), [(None, 400), ("", 400), ("never", 401)])
@pytest.mark.parametrize("action", ["DescribeImageModerationResult", "DescribeMultimodalModerationResult"])
def test_unknown_tasks(caller, action, req_id, code):
    query = {} if req_id is None else {"ReqId": req_id}
    assert caller.call(action, query=query).body["Code"] == code


def test_an_image_is_no_post(caller, draw):
    req_id = caller.submit(draw.encoded(draw.gradient()))
    assert caller.result(req_id, "DescribeMultimodalModerationResult").body["Code"] == 401


# -------------------------------------------------------------------------------------------------------- codes


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"interval": 1}, 401),
        ({"interval": 0, "maxFrameNum": 1}, 401),
        ({"interval": -1, "maxFrameNum": 1}, 401),
        ({"interval": "1", "maxFrameNum": 1}, 401),
        ({"interval": True, "maxFrameNum": 1}, 401),
        ({"interval": 1.5, "maxFrameNum": 1}, 401),
        ({"interval": 1, "maxFrameNum": 0}, 401),
        ({"interval": 1, "maxFrameNum": 101}, 401),
        ({"maxFrameNum": 101}, 401),
        ({"callback": "http://host/"}, 400),
        ({"callback": "ftp://host/", "seed": "a"}, 401),
        ({"callback": "file:///etc/passwd", "seed": "a"}, 401),
        ({"callback": "host", "seed": "a"}, 401),
        ({"callback": "http://host/", "seed": "a b"}, 401),
        ({"callback": "http://host/", "seed": "a" * 65}, 402),
        ({"callback": "http://host/" + "a" * 2048, "seed": "a"}, 402),
        ({"callback": "http://host/", "seed": "a", "cryptType": "MD5"}, 401),
        ({"callback": 1, "seed": "a"}, 401),
        ({"dataId": "a" * 65}, 402),
        ({"ossObjectName": "gone"}, 404),
        ({"ossObjectName": ""}, 400),
    ],
)
def test_bad_submissions(caller, draw, emulator, parameters, code):
    emulator.state.objects.put("bucket", "image", draw.encoded(draw.gradient()))
    reply = caller.service("ImageAsyncModeration", **SOURCE | parameters)
    assert (reply.status, reply.body["Code"]) == (200, code)
    assert emulator.state.tasks.count() == 0


def test_a_callback_with_sm3_is_refused_where_there_is_none(caller, draw, emulator, without_sm3):
    emulator.state.objects.put("bucket", "image", draw.encoded(draw.gradient()))
    callback = {"callback": "http://host/", "seed": "a", "cryptType": "SM3"}
    reply = caller.service("ImageAsyncModeration", **SOURCE | callback)
    assert (reply.status, reply.body["Code"]) == (200, 401)
    assert "no SM3" in reply.body["Msg"]
    assert emulator.state.tasks.count() == 0


@pytest.mark.parametrize(("interval", "most"), [(1, 1), (1, 100), (10_000, 10)])
def test_limits_of_frames(caller, draw, only_codes, interval, most):
    req_id = caller.submit(draw.animation(2, 0), interval=interval, maxFrameNum=most)
    assert caller.result(req_id).body["Code"] == 200


def test_a_failed_download_is_the_result(caller):
    reply = caller.service("ImageAsyncModeration", imageUrl="http://127.0.0.1:1/a.png")
    assert reply.body["Code"] == 200
    reply = caller.result(reply.body["Data"]["ReqId"])
    assert (reply.status, reply.body["Code"]) == (200, 404)
    assert "Data" not in reply.body


@pytest.mark.parametrize(("content", "code"), [(b"<svg/>", 407), (b"\0" * (20 * 1024 * 1024 + 1), 406)])
def test_images_that_cannot_be_examined(caller, emulator, content, code):
    emulator.state.objects.put("bucket", "image", content)
    reply = caller.service("ImageAsyncModeration", **SOURCE)
    found = reply.body["Code"] if reply.body["Code"] != 200 else caller.result(reply.body["Data"]["ReqId"]).body["Code"]
    assert found == code


def test_without_any_detector_nothing_is_queued(caller, draw, emulator, monkeypatch):
    monkeypatch.setattr(engine, "is_installed", lambda module: False)
    emulator.state.objects.put("bucket", "image", draw.encoded(draw.gradient()))
    assert caller.service("ImageAsyncModeration", **SOURCE).body["Code"] == 490


def test_a_bug_in_a_task_is_its_result(caller, draw, monkeypatch):
    def broken(*args):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(judging, "examine", broken)
    body = caller.result(caller.submit(draw.encoded(draw.gradient()))).body
    assert body["Code"] == 500
    assert "secret" not in body["Msg"]


def test_too_many_waiting_images_are_refused(caller, draw, emulator, monkeypatch):
    monkeypatch.setattr(emulator.state.waiting, "_capacity", 10)
    emulator.state.objects.put("bucket", "image", draw.encoded(draw.gradient()))
    assert caller.service("ImageAsyncModeration", **SOURCE).body["Code"] == 403
    assert emulator.state.tasks.count() == 0


def test_two_hundred_submissions_from_eight_threads(connect, draw, emulator, only_codes):
    emulator.state.objects.put("bucket", "code", draw.encoded(draw.code("QRCode", "hello")))
    emulator.state.objects.put("bucket", "plain", draw.encoded(draw.gradient()))

    def work(number):
        caller, submitted = connect(), {}
        for step in range(25):
            name = "code" if step % 2 else "plain"
            source = {"ossBucketName": "bucket", "ossObjectName": name, "dataId": f"{number}-{step}-{name}"}
            reply = caller.service("ImageAsyncModeration", **source)
            submitted[reply.body["Data"]["ReqId"]] = reply.body["Data"]["DataId"]
        return [(data_id, caller.result(req_id).body["Data"]) for req_id, data_id in submitted.items()]

    with ThreadPoolExecutor(8) as pool:
        results = [result for part in pool.map(work, range(8)) for result in part]
    assert len({data_id for data_id, _ in results}) == 200
    for data_id, data in results:
        assert data["DataId"] == data_id
        assert data["RiskLevel"] == ("high" if data_id.endswith("code") else "none")
    assert emulator.state.tasks.count() == 200
    assert list(emulator.state.waiting.folder.iterdir()) == []
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("moderate-emulator-task")]
    assert len(workers) <= 2


def test_stopping_ends_the_work_in_the_background(connect, clock, draw):
    with Emulator(clock) as emulator:
        caller = connect(emulator)
        for _ in range(5):
            caller.submit(draw.animation(20, 0), interval=1, maxFrameNum=100)
        folders = [emulator.state.waiting.folder, emulator.state.objects.folder]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("moderate-emulator-")]
    assert not any(folder.exists() for folder in folders)


def test_a_fixed_port(clock):
    with Emulator(clock) as first:
        port = int(first.endpoint.rpartition(":")[2])
    with Emulator(clock, port=port) as second:
        assert second.endpoint == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"):
            Emulator(clock, port=port).__enter__()
