"""Our requests beside those of the vendor's SDK: what both send is captured by one loopback server and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from capturing import SECRET, Capture, capturing, sdk_config

from moderate_cli.client import Credentials, GreenClient
from moderate_cli.client.parameters import AsyncOptions, image_parameters, post_parameters
from moderate_cli.models import ImageUrl

ODD = "你好 ~*'()!+ %&=/?"
IMAGE = ImageUrl("https://example.com/a%20b*~'()!+%.png?x=1&y=2")
FIELDS = {"info_types": ("customImage", "textInImage"), "data_id": "img-1.a_B", "referer": ODD}
PARAMETERS = image_parameters(IMAGE, **FIELDS)  # type: ignore[arg-type]
OPTIONS = AsyncOptions(
    interval=2, max_frames=50, callback="https://example.com/cb?a=b%20c", seed="s_1", crypt_type="SM3"
)
ASYNC_PARAMETERS = image_parameters(IMAGE, **FIELDS, further=OPTIONS.fields())  # type: ignore[arg-type]
POST = {
    "mainData": {
        "mainTitle": ODD,
        "mainContent": "正文\n" + ODD,
        "mainImages": [{"imageUrl": "https://example.com/1"}],
    },
    "commentDatas": [{"content": ODD, "commentDatas": [{"content": "回复"}]}],
    "dataId": "post-1",
}
REPLY = {
    "Code": 200,
    "Msg": "OK",
    "RequestId": "R",
    "Data": {
        "ReqId": ODD,
        "AccessKeyId": "STS.x",
        "AccessKeySecret": "s",
        "SecurityToken": "t",
        "BucketName": "b",
        "FileNamePrefix": "p/",
        "Expiration": 1,
        "OssInternetEndPoint": "https://oss-cn-shanghai.aliyuncs.com",
        "RiskLevel": "none",
        "Results": [{"Service": name, "RiskLevel": "none"} for name in ("baselineCheck", ODD)],
    },
}


@pytest.fixture
def capture() -> Iterator[Capture]:
    with capturing(REPLY) as server:
        yield server


Ours = Callable[[GreenClient], Any]
Theirs = Callable[[Client], Any]
OPERATIONS: dict[str, tuple[Ours, Theirs]] = {
    "ImageModeration": (
        lambda client: client.image_moderation(ODD, IMAGE, **FIELDS),
        lambda sdk: sdk.image_moderation(models.ImageModerationRequest(service=ODD, service_parameters=PARAMETERS)),
    ),
    "ImageBatchModeration": (
        lambda client: client.image_batch_moderation(["baselineCheck", ODD], IMAGE, **FIELDS),
        lambda sdk: sdk.image_batch_moderation(
            models.ImageBatchModerationRequest(service=f"baselineCheck,{ODD}", service_parameters=PARAMETERS)
        ),
    ),
    "ImageAsyncModeration": (
        lambda client: client.image_async_moderation(ODD, IMAGE, **FIELDS, options=OPTIONS),
        lambda sdk: sdk.image_async_moderation(
            models.ImageAsyncModerationRequest(service=ODD, service_parameters=ASYNC_PARAMETERS)
        ),
    ),
    "DescribeImageModerationResult": (
        lambda client: client.describe_image_moderation_result(ODD),
        lambda sdk: sdk.describe_image_moderation_result(models.DescribeImageModerationResultRequest(req_id=ODD)),
    ),
    "MultimodalAsyncModeration": (
        lambda client: client.multimodal_async_moderation("post_text_image_detection", POST),
        lambda sdk: sdk.multimodal_async_moderation(
            models.MultimodalAsyncModerationRequest(
                service="post_text_image_detection", service_parameters=post_parameters(POST)
            )
        ),
    ),
    "DescribeMultimodalModerationResult": (
        lambda client: client.describe_multimodal_moderation_result(ODD),
        lambda sdk: sdk.describe_multimodal_moderation_result(
            models.DescribeMultimodalModerationResultRequest(req_id=ODD)
        ),
    ),
    "DescribeUploadToken": (
        lambda client: client.describe_upload_token(),
        lambda sdk: sdk.describe_upload_token(),
    ),
    "DescribeImageResultExt": (
        lambda client: client.describe_image_result_ext(ODD, ["customImage", ODD]),
        lambda sdk: sdk.describe_image_result_ext(
            models.DescribeImageResultExtRequest(req_id=ODD, info_type=f"customImage,{ODD}")
        ),
    ),
}


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("token", [None, "STSTOKEN"], ids=["key", "sts"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_requests_agree_with_those_of_the_sdk(capture: Capture, operation: str, token: str | None) -> None:
    ours, theirs = OPERATIONS[operation]
    endpoint = f"127.0.0.1:{capture.server_port}"
    with GreenClient(Credentials("AKID", SECRET, token), endpoint=f"http://{endpoint}") as client:
        ours(client)
    theirs(Client(sdk_config(endpoint, token)))

    our, their = capture.requests
    assert our.content == their.content
    assert our.headers["x-acs-action"] == operation
    assert our.is_signed()
    assert their.is_signed()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_params_in_form_moves_the_query_into_the_body(capture: Capture, operation: str) -> None:
    ours, _ = OPERATIONS[operation]
    endpoint = f"http://127.0.0.1:{capture.server_port}"
    for params_in in ("query", "form"):
        with GreenClient(Credentials("AKID", SECRET), endpoint=endpoint, params_in=params_in) as client:  # type: ignore[arg-type]
            ours(client)
    usual, moved = capture.requests
    assert not moved.query
    assert moved.form == usual.query | usual.form
    assert moved.is_signed()
