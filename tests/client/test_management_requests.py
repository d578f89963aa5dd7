"""Each request of the management client beside that of the vendor's SDK, both captured by one loopback server."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from alibabacloud_green20220926 import models
from alibabacloud_green20220926.client import Client
from capturing import SECRET, Capture, Captured, capturing, sdk_config

from moderate_cli.client import Credentials, ManagementClient, RefusedError
from moderate_cli.client.management_calls import ManagementOperation

TEXTS = {
    "plain": "brand",
    "odd": "~*'()!+ %&=/?#;:@,\"\\<>[]{}|^`$",
    "chinese": "违禁品 图库（一）",
    "emoji": "🐈‍⬛ é ß \u00a0 ｆｕｌｌ",
    "lines": "one\ntwo\r\nthree\t",
    "empty": "",
    "json": '{"a": [1, "二"], "b": null}',
    "long": "长" * 3000,
}
SINCE, UNTIL = datetime(2026, 3, 1, 16, 0, tzinfo=UTC), datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC)
START, END = "2026-03-02 00:00:00", "2026-03-31 23:59:59"
EMPTY_PAGE = {"Items": [], "TotalCount": 0}
DONE = {"Data": True}
COUNTS = {"SuccessCount": 1, "RepeatCount": 0}


class Case(NamedTuple):
    """One call of ours and of the SDK with the same text, and what is answered."""

    ours: Callable[[ManagementClient, str], Any]
    theirs: Callable[[str], Any]
    answer: dict[str, Any]


def _updated(**fields: Any) -> Callable[[str], Any]:
    return lambda text: models.UpdateServiceConfigRequest(
        service_code=text, resource_type="image", **{name: value(text) for name, value in fields.items()}
    )


def _text_itself(text: str) -> str:
    return text


CASES = {
    "ListServiceConfigs": Case(
        lambda client, _: client.services(),
        lambda _: models.ListServiceConfigsRequest(resource_type="image"),
        {"Data": []},
    ),
    "GetServiceConfig": Case(
        lambda client, text: client.service(text),
        lambda text: models.GetServiceConfigRequest(service_code=text, resource_type="image"),
        {"Data": {}},
    ),
    "GetServiceConf": Case(
        lambda client, text: client.scope(text, text),
        lambda text: models.GetServiceConfRequest(
            service_code=text, scene=text, resource_type="image", by_default=False
        ),
        {"Option": {}},
    ),
    "GetServiceConf by default": Case(
        lambda client, text: client.scope("baselineCheck", text, by_default=True),
        lambda text: models.GetServiceConfRequest(
            service_code="baselineCheck", scene=text, resource_type="image", by_default=True
        ),
        {"Option": {}},
    ),
    "GetImageSceneLabelListConf": Case(
        lambda client, text: client.scene_labels(text),
        lambda text: models.GetImageSceneLabelListConfRequest(image_service_code=text),
        {"Data": []},
    ),
    "UpdateServiceConfig libraries": Case(
        lambda client, text: client.update_service(text, ignored=[], flagged=["12", text]),
        _updated(
            keyword_filter_libs=lambda _: "[]",
            keyword_hit_libs=lambda text: json.dumps(["12", text], ensure_ascii=False, separators=(",", ":")),
        ),
        DONE,
    ),
    "UpdateServiceConfig scope": Case(
        lambda client, text: client.update_service(
            text, scene=text, scene_config=text, service_config=text, dry_run=True
        ),
        _updated(scene=_text_itself, scene_config=_text_itself, service_config=_text_itself, dry_run=lambda _: True),
        DONE,
    ),
    "UpdateServiceConfig nothing": Case(
        lambda client, text: client.update_service(text, ignored=()), _updated(keyword_filter_libs=lambda _: "[]"), DONE
    ),
    "CopyServiceConfig": Case(
        lambda client, text: client.copy_service("baselineCheck_global", text, text),
        lambda text: models.CopyServiceConfigRequest(
            service_code="baselineCheck_global", service_name=text, service_desc=text, resource_type="image"
        ),
        DONE,
    ),
    "ModifyServiceInfo": Case(
        lambda client, text: client.rename_service("baselineCheck_global_01", text, text),
        lambda text: models.ModifyServiceInfoRequest(
            service_code="baselineCheck_global_01", service_name=text, service_desc=text, resource_type="image"
        ),
        DONE,
    ),
    "ListImageLib": Case(
        lambda client, _: client.image_libraries(), lambda _: models.ListImageLibRequest(), {"LibList": []}
    ),
    "ListImageLib of a service": Case(
        lambda client, text: client.image_libraries(text),
        lambda text: models.ListImageLibRequest(service_code=text),
        {"LibList": []},
    ),
    "CreateImageLib": Case(
        lambda client, text: client.create_image_library(text, text),
        lambda text: models.CreateImageLibRequest(lib_name=text, comment=text),
        {"Data": {"LibId": "7"}},
    ),
    "UpdateImageLib": Case(
        lambda client, text: client.update_image_library("7", name=text, comment=text),
        lambda text: models.UpdateImageLibRequest(lib_id="7", lib_name=text, comment=text),
        DONE,
    ),
    "UpdateImageLib exempt": Case(
        lambda client, text: client.update_image_library("7", name=text, comment="", exempt=True),
        lambda text: models.UpdateImageLibRequest(lib_id="7", lib_name=text, comment="", free_inspection=1),
        DONE,
    ),
    "UpdateImageLib not exempt": Case(
        lambda client, text: client.update_image_library("7", name="n", comment=text, exempt=False),
        lambda text: models.UpdateImageLibRequest(lib_id="7", lib_name="n", comment=text, free_inspection=0),
        DONE,
    ),
    "ListImagesFromLib": Case(
        lambda client, text: list(client.library_images(text)),
        lambda text: models.ListImagesFromLibRequest(lib_id=text, current_page=1, page_size=100),
        EMPTY_PAGE,
    ),
    "DeleteImagesFromLib": Case(
        lambda client, text: client.remove_images(text, ["158794", "158795"]),
        lambda text: models.DeleteImagesFromLibRequest(lib_id=text, image_ids="[158794,158795]"),
        DONE,
    ),
    "UpdateImageLibFreeInspection": Case(
        lambda client, text: client.set_exemptions(text, {"7": True, "违禁": False, text: True}),
        lambda text: models.UpdateImageLibFreeInspectionRequest(service_code=text, config={"7": 1, "违禁": 0, text: 1}),
        DONE,
    ),
    "UpdateImageLibFreeInspection of none": Case(
        lambda client, text: client.set_exemptions(text, {}),
        lambda text: models.UpdateImageLibFreeInspectionRequest(service_code=text, config={}),
        DONE,
    ),
    "ListKeywordLibs": Case(
        lambda client, _: client.keyword_libraries(), lambda _: models.ListKeywordLibsRequest(), {"Data": []}
    ),
    "AddKeywordLib": Case(
        lambda client, text: client.create_keyword_library(text),
        lambda text: models.AddKeywordLibRequest(lib_name=text),
        {"Data": {"LibId": "k1"}},
    ),
    "UpdateKeywordLib": Case(
        lambda client, text: client.rename_keyword_library("k1", text),
        lambda text: models.UpdateKeywordLibRequest(lib_id="k1", lib_name=text),
        DONE,
    ),
    "DeleteKeywordLib": Case(
        lambda client, text: client.delete_keyword_library(text),
        lambda text: models.DeleteKeywordLibRequest(lib_id=text),
        DONE,
    ),
    "ListKeywords": Case(
        lambda client, text: list(client.keywords("k1", text)),
        lambda text: models.ListKeywordsRequest(lib_id="k1", word=text, current_page=1, page_size=100),
        {"Data": EMPTY_PAGE},
    ),
    "ListKeywords all": Case(
        lambda client, text: list(client.keywords(text)),
        lambda text: models.ListKeywordsRequest(lib_id=text, current_page=1, page_size=100),
        {"Data": EMPTY_PAGE},
    ),
    "AddKeywords": Case(
        lambda client, text: client.add_keywords(text, ["is", "毒品", "a'b&c=+%"]),
        lambda text: models.AddKeywordsRequest(lib_id=text, keywords="is\n毒品\na'b&c=+%"),
        {"Data": {"KeywordsResult": COUNTS}},
    ),
    "DeleteKeyword": Case(
        lambda client, text: client.remove_keywords(text, ["16754493"]),
        lambda text: models.DeleteKeywordRequest(lib_id=text, keyword_ids="[16754493]"),
        DONE,
    ),
    "GetScanResult": Case(
        lambda client, text: list(
            client.results(
                since=SINCE, until=UNTIL, query={"Labels": "!=nonLabel", "键": text}, sort={"GmtCreate": text}
            )
        ),
        lambda text: models.GetScanResultRequest(
            resource_type="image",
            start_date=START,
            end_date=END,
            current_page=1,
            page_size=100,
            query={"Labels": "!=nonLabel", "键": text},
            sort={"GmtCreate": text},
        ),
        {"Data": EMPTY_PAGE},
    ),
    "GetScanResult all": Case(
        lambda client, _: list(client.results(since=SINCE, until=UNTIL)),
        lambda _: models.GetScanResultRequest(
            resource_type="image", start_date=START, end_date=END, current_page=1, page_size=100
        ),
        {"Data": EMPTY_PAGE},
    ),
    "UpdateScanResultFeedback": Case(
        lambda client, text: client.give_feedback("R", text, labels=["violent_explosion", text], level="high"),
        lambda text: models.UpdateScanResultFeedbackRequest(
            query_request_id="R",
            feedback=text,
            labels=f"violent_explosion,{text}",
            risk_level="high",
            resource_type="image",
        ),
        DONE,
    ),
    "UpdateScanResultFeedback alone": Case(
        lambda client, text: client.give_feedback(text, "missOut"),
        lambda text: models.UpdateScanResultFeedbackRequest(
            query_request_id=text, feedback="missOut", resource_type="image"
        ),
        DONE,
    ),
    "GetCipStats": Case(
        lambda client, text: client.usage(since=SINCE, until=UNTIL, kind="risk_level", by_month=True, service=text),
        lambda text: models.GetCipStatsRequest(
            type="risk_level",
            service_code=text,
            by_month=True,
            start_date=START,
            end_date=END,
            resource_type="image",
        ),
        {"Data": {}},
    ),
    "GetCipStats by day": Case(
        lambda client, _: client.usage(since=SINCE, until=UNTIL),
        lambda _: models.GetCipStatsRequest(
            type="cip", by_month=False, start_date=START, end_date=END, resource_type="image"
        ),
        {"Data": {}},
    ),
    "GetUserBuyStatus": Case(
        lambda client, text: client.buy_status(text),
        lambda text: models.GetUserBuyStatusRequest(commodity_code=text),
        {"Data": {"Buy": True}},
    ),
}
# The SDK sends `True` and `False`.
BOOLEANS = {"ByDefault", "DryRun", "ByMonth"}


def _as_ours(content: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what the SDK sent with booleans as ours; all else must be the same."""
    method, path, query, form, headers = content
    return (
        method,
        path,
        query,
        {name: value.lower() if name in BOOLEANS else value for name, value in form.items()},
        headers,
    )


def _sent_by_the_sdk(operation: str, request: Any, endpoint: str, token: str | None) -> None:
    sdk = Client(sdk_config(endpoint, token))
    method = next(
        name
        for name in dir(sdk)
        if name.replace("_", "") == operation.lower() and not name.endswith(("_async", "_with_options"))
    )
    getattr(sdk, method)(request)


def _client(endpoint: str, region: str | None = "cn-shanghai", token: str | None = None) -> ManagementClient:
    return ManagementClient(Credentials("AKID", SECRET, token), region=region, endpoint=f"http://{endpoint}")


@pytest.fixture(scope="module")
def capture() -> Iterator[Capture]:
    with capturing({}) as server:
        yield server


def _both(capture: Capture, name: str, text: str, region: str | None, token: str | None = None) -> list[Captured]:
    case, operation = CASES[name], name.split()[0]
    capture.reply = {"Code": 200, "Msg": "OK", "RequestId": "R", "Success": True} | case.answer
    capture.requests.clear()
    endpoint = f"127.0.0.1:{capture.server_port}"
    with _client(endpoint, region, token) as client:
        case.ours(client, text)
    request = case.theirs(text)
    request.region_id = region
    _sent_by_the_sdk(operation, request, endpoint, token)
    return capture.requests


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", CASES)
def test_requests_agree_with_those_of_the_sdk(capture: Capture, name: str, text: str) -> None:
    our, their = _both(capture, name, text, "cn-shanghai")
    assert our.content == _as_ours(their.content)
    assert our.headers["x-acs-action"] == name.split()[0]
    assert our.headers["x-acs-version"] == "2022-09-26"
    assert our.query["RegionId"] == "cn-shanghai"
    assert our.is_signed()
    assert their.is_signed()


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("name", ["ListKeywordLibs", "GetCipStats", "AddKeywords"])
@pytest.mark.parametrize(("region", "token"), [(None, None), ("cn-beijing", "STSTOKEN")], ids=["no region", "sts"])
def test_region_and_token_travel_as_the_sdks(
    capture: Capture, name: str, region: str | None, token: str | None
) -> None:
    our, their = _both(capture, name, "违禁", region, token)
    assert our.content == _as_ours(their.content)
    assert our.query.get("RegionId") == region
    assert our.is_signed()


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("name", ["cat.JPG", "../违禁 passport of A. Person.png", "none", "a.verylongsuffix"])
def test_an_image_is_uploaded_by_a_grant_and_added_by_its_key(name: str) -> None:
    reply: dict[str, Any] = {
        "Code": 200,
        "AccessId": "STS.a",
        "Policy": "cG9saWN5",
        "Signature": "c2lnbg==",
        "Expire": 900,
    }
    reply |= {"SecurityToken": "tok", "Folder": "upload", "Key": "upload/9f.jpg", "Data": {"ImgId": 158794}}
    with capturing(reply) as server:
        endpoint = f"127.0.0.1:{server.server_port}"
        reply["Host"] = f"http://{endpoint}"
        with _client(endpoint) as client:
            assert client.add_image("7", io.BytesIO(b"pixels \r\n of an image"), name) == "158794"
        grant, post, added = server.requests
        sent = grant.form["Name"]
        asked = models.GetUploadInfoRequest(name=sent, resource_type="image", region_id="cn-shanghai")
        _sent_by_the_sdk("GetUploadInfo", asked, endpoint, None)
        add = models.AddImages2LibRequest(lib_id="7", img_url="upload/9f.jpg", region_id="cn-shanghai")
        _sent_by_the_sdk("AddImages2Lib", add, endpoint, None)
        their_grant, their_add = server.requests[3:]
    assert (grant.content, added.content) == (their_grant.content, their_add.content)
    assert grant.is_signed()
    assert added.is_signed()
    # What a file is called may say who it shows.
    suffix = {"cat.JPG": ".jpg", "../违禁 passport of A. Person.png": ".png"}.get(name, "")
    assert sent.removesuffix(suffix).isalnum()
    assert len(sent) == 64 + len(suffix)
    assert post.path == "/"
    assert "x-acs-action" not in post.headers
    assert "authorization" not in post.headers
    fields = _multipart(post)
    assert list(fields)[-1] == "file"  # OSS ignores what follows it
    assert fields == {
        "key": b"upload/9f.jpg",
        "OSSAccessKeyId": b"STS.a",
        "policy": b"cG9saWN5",
        "Signature": b"c2lnbg==",
        "x-oss-security-token": b"tok",
        "file": b"pixels \r\n of an image",
    }


def _multipart(request: Captured) -> dict[str, bytes]:
    """Return the fields of a multipart form in their order."""
    boundary = request.headers["content-type"].split("boundary=")[1].encode()
    fields = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = head.decode().split('name="')[1].split('"')[0]
        fields[name] = content.removesuffix(b"\r\n")
    return fields


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_a_task_is_asked_for_as_the_sdk_does() -> None:
    reply = {"Data": {"TaskId": "任务 1", "Progress": 100, **COUNTS}}
    with capturing(reply) as server:
        endpoint = f"127.0.0.1:{server.server_port}"
        with _client(endpoint) as client:
            assert client.add_keywords("k1", ["a"]).added == 1
        asked = models.GetKeywordImportResultRequest(task_id="任务 1", region_id="cn-shanghai")
        _sent_by_the_sdk("GetKeywordImportResult", asked, endpoint, None)
        _, our, their = server.requests
    assert our.content == their.content
    assert our.is_signed()


def test_every_operation_is_compared() -> None:
    compared = {name.split()[0] for name in CASES} | {"GetUploadInfo", "AddImages2Lib", "GetKeywordImportResult"}
    assert compared == set(ManagementOperation)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.copy_service("s", "caf\udce9", ""),
        lambda client: client.set_exemptions("s", {"caf\udce9": True}),
        lambda client: client.scene_labels("caf\udce9"),
        lambda client: client.add_keywords("k", ["good", "two\nlines"]),
        lambda client: client.add_keywords("k", ["good"] * 1000 + [" "]),
        lambda client: client.add_image("7", io.BytesIO(b"x" * (4 * 1024 * 1024 + 1)), "a.png"),
    ],
    ids=["text", "map", "query", "two lines", "blank", "5 MB"],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(call: Callable[[ManagementClient], Any]) -> None:
    with capturing({"Code": 200}) as server:
        with _client(f"127.0.0.1:{server.server_port}") as client, pytest.raises(RefusedError):
            call(client)
        assert not server.requests


def test_long_lists_are_sent_in_parts() -> None:
    with capturing({"Data": {"KeywordsResult": COUNTS}}) as server:
        with _client(f"127.0.0.1:{server.server_port}") as client:
            result = client.add_keywords("k1", [f"w{number}" for number in range(1201)])
        sizes = [len(request.form["Keywords"].split("\n")) for request in server.requests]
    assert sizes == [500, 500, 201]
    assert result.added == 3
    with capturing(DONE) as server:
        with _client(f"127.0.0.1:{server.server_port}") as client:
            client.remove_images("7", [str(number) for number in range(1, 251)])
            client.remove_images("7", [])
        sizes = [len(json.loads(request.form["ImageIds"])) for request in server.requests]
    assert sizes == [100, 100, 50]
