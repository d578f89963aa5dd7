"""An emulator with a clock that tests can turn, and a caller that signs with the vendor's own code."""

import hashlib
import http.client
import io
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from moderate_cli.emulator import AccessKey, Emulator, Fetch
from moderate_cli.emulator.engine.detectors import QrCodeDetector

FORM = "application/x-www-form-urlencoded"


@dataclass
class Clock:
    """A clock that runs, and that a test can set forward or back."""

    offset: float = 0

    def __call__(self) -> float:
        return time.time() + self.offset


@dataclass
class Reply:
    """An answer with its JSON body."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Caller:
    """Calls the emulated Green API over one connection; `Utils.get_authorization` of the SDK signs."""

    emulator: Emulator
    key: AccessKey
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(self.emulator.endpoint.removeprefix("http://"), timeout=20)

    def call(self, action, form=None, query=None, *, signed=None, late=None, unsigned=(), key=None) -> Reply:
        """Call an operation.

        `signed` changes headers before the signature is made, `late` after that (None removes one), and the
        headers named in `unsigned` are sent without being signed.
        """
        key = key or self.key
        body = urlencode(form or {})
        headers = self._headers(action, body, key) | (signed or {})
        headers = {name: value for name, value in headers.items() if value is not None}
        covered = {name: value for name, value in headers.items() if name not in unsigned}
        headers["authorization"] = _authorization(covered, query or {}, key)
        headers |= late or {}
        headers = {name: value for name, value in headers.items() if value is not None}
        return self.send("POST", "/?" + urlencode(query) if query else "/", body.encode(), headers)

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send any request, and read the answer as JSON."""
        self.connection.request(method, target, body=body, headers=dict(headers))
        response = self.connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), json.loads(response.read()))

    def moderate(self, **parameters) -> Reply:
        """Call ImageModeration with these ServiceParameters."""
        return self.call(
            "ImageModeration", {"Service": "baselineCheck_global", "ServiceParameters": json.dumps(parameters)}
        )

    def judge(self, content: bytes, **parameters) -> Reply:
        """Judge an image that is put straight into the store."""
        self.emulator.state.objects.put("bucket", "image", content)
        return self.moderate(ossBucketName="bucket", ossObjectName="image", **parameters)

    def service(self, action, service="baselineCheck_global", **parameters) -> Reply:
        """Call an operation that takes Service and ServiceParameters, as the SDK does: in the query."""
        return self.call(action, query={"Service": service, "ServiceParameters": json.dumps(parameters)})

    def submit(self, content: bytes, **parameters) -> str:
        """Queue an image that is put straight into the store, and return the id of its task."""
        self.emulator.state.objects.put("bucket", "image", content)
        reply = self.service("ImageAsyncModeration", ossBucketName="bucket", ossObjectName="image", **parameters)
        assert reply.body["Code"] == 200, reply.body
        return reply.body["Data"]["ReqId"]

    def result(self, req_id: str, action: str = "DescribeImageModerationResult") -> Reply:
        """Ask for a task's result until there is one."""
        for _ in range(500):
            reply = self.call(action, query={"ReqId": req_id})
            if reply.body["Code"] != 280:
                return reply
            time.sleep(0.02)
        raise AssertionError("the task does not end")

    def _headers(self, action: str, body: str, key: AccessKey) -> dict[str, str | None]:
        now = time.gmtime(self.emulator.state.clock())
        return {
            "host": self.emulator.endpoint.removeprefix("http://"),
            "x-acs-action": action,
            "x-acs-version": "2022-03-02",
            "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(body.encode()).hexdigest(),
            "x-acs-security-token": key.security_token,
            "content-type": FORM if body else None,
        }


def _authorization(headers: Mapping[str, str], query: Mapping[str, str], key: AccessKey) -> str:
    from alibabacloud_tea_openapi.utils import Utils

    request = SimpleNamespace(method="POST", pathname="/", query=query, headers=headers)
    payload = headers.get("x-acs-content-sha256", "")
    return Utils.get_authorization(request, "ACS3-HMAC-SHA256", payload, key.access_key_id, key.access_key_secret)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def emulator(clock) -> Iterator[Emulator]:
    with Emulator(clock=clock, fetch=Fetch.PRIVATE) as running:
        yield running


@pytest.fixture
def connect(emulator) -> Iterator[Callable[..., Caller]]:
    callers = []

    def new_caller(other=None):
        service = other or emulator
        callers.append(Caller(service, service.access_key))
        return callers[-1]

    yield new_caller
    for caller in callers:
        caller.connection.close()


@pytest.fixture
def caller(connect) -> Caller:
    return connect()


def _code(kind: str, text: str) -> Image.Image:
    barcode = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    return Image.fromarray(np.array(zxingcpp.write_barcode_to_image(barcode, scale=5)))


def _encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _animation(count: int, with_code: int, kind: str = "GIF") -> bytes:
    code = _code("QRCode", "hello").convert("RGB")
    # Each frame has a grey of its own: equal ones would be written as one.
    frames = [Image.new("RGB", code.size, (100 + index,) * 3) for index in range(count)]
    frames[with_code] = code
    options = {"lossless": True} if kind == "WEBP" else {}
    return _encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)


def _long(parts: int, with_code: int, *, across: bool = False) -> bytes:
    code = _code("QRCode", "hello").convert("RGB")
    side = max(code.size) + 60
    page = Image.new("RGB", (parts * side, side) if across else (side, parts * side), "white")
    start = with_code * side + 30
    page.paste(code, (start, 30) if across else (30, start))
    return _encoded(page)


@pytest.fixture
def draw():
    """Pictures made on the spot.

    `code` draws a barcode, `gradient` a plain picture, `encoded` gives bytes; `animation` and `long` give the bytes of
    several frames or slices, of which one holds a QR code.
    """
    return SimpleNamespace(
        code=_code,
        gradient=lambda: Image.linear_gradient("L").resize((300, 200)).convert("RGB"),
        encoded=_encoded,
        animation=_animation,
        long=_long,
    )


@pytest.fixture
def only_codes(monkeypatch, emulator):
    """Let the engine look for QR codes only, which is quick."""
    monkeypatch.setattr(emulator._server.service.engine, "_detectors", (QrCodeDetector(),))
