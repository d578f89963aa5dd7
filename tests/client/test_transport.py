"""What leaves and what comes back, with HTTP faked at the edge."""

from __future__ import annotations

import gc
import gzip
import io
import socket
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests
import responses
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from moderate_cli.client import Credentials, Timeouts
from moderate_cli.client.parameters import API_VERSION, Endpoint, Parameters
from moderate_cli.client.transport import MAX_RESPONSE, Transport
from moderate_cli.common.errors import ServiceError

URL = "https://green-cip.ap-southeast-1.aliyuncs.com/"


CREDENTIALS = Credentials("AKID", "AKSECRET")


def _transport(endpoint: str = "green-cip.ap-southeast-1.aliyuncs.com") -> Transport:
    return Transport(Endpoint.parse(endpoint), version=API_VERSION, timeouts=Timeouts(), clock=lambda: 1_767_323_045)


@responses.activate
def test_a_form_travels_in_the_body() -> None:
    responses.post(URL, body=b"{}")
    _transport().send("ImageModeration", Parameters(form={"Service": "a b", "ServiceParameters": "{}"}), CREDENTIALS)
    request = responses.calls[0].request
    assert request.body == b"Service=a+b&ServiceParameters=%7B%7D"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.url == URL


@responses.activate
def test_a_query_travels_in_the_url_without_body_or_content_type() -> None:
    responses.post(URL, body=b"{}")
    _transport().send("ImageBatchModeration", Parameters(query={"b": "x y*", "a": "1"}), CREDENTIALS)
    request = responses.calls[0].request
    assert request.url == f"{URL}?a=1&b=x%20y%2A"
    assert not request.body
    assert "content-type" not in request.headers


@responses.activate
def test_the_documented_headers_are_sent_and_signed() -> None:
    responses.post(URL, body=b"{}")
    transport = _transport()
    for _ in range(2):
        transport.send("DescribeUploadToken", Parameters(), CREDENTIALS)
    first, second = (call.request.headers for call in responses.calls)
    assert first["x-acs-date"] == "2026-01-02T03:04:05Z"
    assert first["x-acs-version"] == "2022-03-02"
    assert first["accept"] == "application/json"
    assert first["x-acs-signature-nonce"] != second["x-acs-signature-nonce"]
    signed = first["Authorization"].split("SignedHeaders=")[1].split(",")[0]
    assert signed == "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"


@responses.activate
def test_an_answer_keeps_status_headers_and_bytes() -> None:
    responses.post(URL, body=b"oops", status=503, headers={"Date": "Fri, 02 Jan 2026 03:00:05 GMT"})
    answer = _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS)
    assert (answer.status, answer.body, answer.clock_skew) == (503, b"oops", 240)


TEXT = b'{"Code": 200}' * 1000  # of more than one piece, packed by level 0
timeless = partial(gzip.compress, mtime=0)  # the time would be a part of the names of tests
RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    {
        "one member": ("gzip", timeless(TEXT)),
        "several members": (
            "x-gzip",
            b"".join(timeless(TEXT[at : at + 999], compresslevel=0) for at in range(0, 13_000, 999)),
        ),
        "an empty member": ("gzip", timeless(b"") + timeless(TEXT)),
        "zlib": ("deflate", zlib.compress(TEXT)),
        "deflate": ("deflate", RAW.compress(TEXT) + RAW.flush()),
    }.values(),
)
@responses.activate
def test_a_packed_answer_is_unpacked_to_its_end(encoding: str, packed: bytes) -> None:
    responses.post(URL, body=packed, headers={"Content-Encoding": encoding})
    assert _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS).body == TEXT


@responses.activate
def test_a_packed_answer_without_content_is_empty() -> None:
    responses.post(URL, body=b"", headers={"Content-Encoding": "gzip"})
    assert _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS).body == b""


@pytest.mark.parametrize(
    "packed",
    [
        timeless(TEXT)[:-1],
        timeless(TEXT)[:-8],  # without its CRC and length
        timeless(TEXT)[:-4] + b"\0\0\0\0",
        timeless(TEXT) + b"junk",
        timeless(TEXT) + b"\0",
        timeless(TEXT) + timeless(TEXT)[:5],
        timeless(TEXT) + zlib.compress(TEXT),
        zlib.compress(TEXT)[:-4],
        zlib.compress(TEXT) + zlib.compress(TEXT),
        zlib.compress(TEXT) + b"j",
        TEXT,
    ],
)
@responses.activate
def test_a_packed_answer_that_was_not_read_whole_is_unreadable(packed: bytes) -> None:
    """What is missing may be the finding (faults.md, R8)."""
    responses.post(URL, body=packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(ServiceError) as caught:
        _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS)
    assert caught.value.code == "unreadable_answer"


@pytest.mark.parametrize("members", [1, 100])
@responses.activate
def test_an_answer_of_many_members_is_bounded_as_a_whole(members: int) -> None:
    packed = gzip.compress(bytes(MAX_RESPONSE // members + 1)) * members
    responses.post(URL, body=packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(ServiceError, match="longer than 8 MB"):
        _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS)


@responses.activate
def test_a_redirect_is_not_followed() -> None:
    responses.post(URL, status=302, headers={"Location": "https://elsewhere.example/"})
    assert _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS).status == 302
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    ("raised", "code", "retryable"),
    [
        (requests.exceptions.ConnectTimeout(), "connection_failed", True),
        (requests.exceptions.ReadTimeout(), "read_timeout", True),
        (requests.exceptions.SSLError("certificate verify failed"), "tls_failed", False),
        (requests.exceptions.ProxyError(), "proxy_failed", True),
        (requests.exceptions.ConnectionError(ConnectionResetError(104, "Connection reset")), "connection_lost", True),
        (requests.exceptions.ChunkedEncodingError(), "connection_lost", True),
    ],
)
@responses.activate
def test_a_missing_answer_is_one_clear_error(raised: Exception, code: str, retryable: bool) -> None:
    responses.post(URL, body=raised)
    with pytest.raises(ServiceError) as caught:
        _transport().send("ImageModeration", Parameters(form={"Service": "x"}), CREDENTIALS)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    # What was sent may have been judged and billed, and a proxy that refuses twice will go on so.
    capped = code in {"read_timeout", "connection_lost", "proxy_failed"}
    assert caught.value.max_attempts == (2 if capped else None)


def test_a_refused_connection_is_named_in_the_systems_words() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ServiceError, match="Connection refused"):
        _transport(f"http://127.0.0.1:{port}").send("ImageModeration", Parameters(), CREDENTIALS)


def test_verification_of_certificates_cannot_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle.pem")
    seen = {}
    monkeypatch.setattr(HTTPAdapter, "send", lambda _self, _request, **settings: seen.update(settings) or _answer())
    _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS)
    assert seen["verify"] == "/bundle.pem"
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    _transport().send("DescribeUploadToken", Parameters(), CREDENTIALS)
    assert seen["verify"] is True
    assert seen["timeout"] == (3.0, 10.0)


def test_each_thread_has_one_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    used: dict[int, set[int]] = {}

    def send(adapter: HTTPAdapter, _request: requests.PreparedRequest, **_settings: object) -> requests.Response:
        used.setdefault(threading.get_ident(), set()).add(id(adapter))
        return _answer()

    monkeypatch.setattr(HTTPAdapter, "send", send)
    transport = _transport()
    together = threading.Barrier(4)

    def work(_number: int) -> None:
        together.wait()
        for _ in range(3):
            transport.send("DescribeUploadToken", Parameters(), CREDENTIALS)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(used) == 4
    assert all(len(sessions) == 1 for sessions in used.values())
    assert len(set.union(*used.values())) == 4


def test_the_session_of_a_thread_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPAdapter, "send", lambda *_arguments, **_settings: _answer())
    transport = _transport()
    for _ in range(3):
        thread = threading.Thread(target=transport.send, args=("DescribeUploadToken", Parameters(), CREDENTIALS))
        thread.start()
        thread.join()
    gc.collect()
    assert len(transport._sessions) == 0
    transport.send("DescribeUploadToken", Parameters(), CREDENTIALS)
    assert len(transport._sessions) == 1


def _answer() -> requests.Response:
    answer = requests.Response()
    answer.status_code = 200
    answer.raw = HTTPResponse(io.BytesIO(b"{}"), preload_content=False)
    return answer
