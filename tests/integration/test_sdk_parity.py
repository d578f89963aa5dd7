"""Our requests beside those of the vendor's SDK: what both send is captured by one loopback server and compared."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from alibabacloud_green20220302 import models
from alibabacloud_green20220302.client import Client
from alibabacloud_tea_openapi.utils_models import Config

from moderate_cli.client import Credentials, GreenClient
from moderate_cli.client.parameters import AsyncOptions, image_parameters, post_parameters
from moderate_cli.emulator.gateway import parse_authorization, sign, string_to_sign
from moderate_cli.models import ImageUrl

ODD = "你好 ~*'()!+ %&=/?"
SECRET = "AKSECRET"
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
        "ReqId": "T",
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


@dataclass
class Captured:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str] = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body)))

    def is_signed(self) -> bool:
        authorization = parse_authorization(self.headers["authorization"])
        assert authorization
        text = string_to_sign(self.method, self.path, self.query.items(), self.headers, authorization.signed_headers)
        return sign(SECRET, text) == authorization.signature


class Capture(ThreadingHTTPServer):
    """Answers every request alike and keeps it."""

    def __init__(self) -> None:
        self.requests: list[Captured] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Capture

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Captured(self.command, parts.path, query, body, headers))
        content = json.dumps(REPLY).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def capture() -> Iterator[Capture]:
    with Capture() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


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
    config = Config(access_key_id="AKID", access_key_secret=SECRET, security_token=token)
    config.endpoint, config.protocol = endpoint, "http"
    theirs(Client(config))

    our, their = capture.requests
    assert (our.method, our.path) == (their.method, their.path) == ("POST", "/")
    assert our.query == their.query
    assert our.form == their.form
    for name in ("x-acs-action", "x-acs-version", "accept", "content-type", "x-acs-security-token"):
        assert our.headers.get(name) == their.headers.get(name), name
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
