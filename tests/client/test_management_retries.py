"""Which management calls are made again after an answer was lost, and how an image's upload fails."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import responses
from faults import Answer, Late, Reset, faults, gateway

from moderate_cli.client import (
    Credentials,
    ManagementClient,
    OutcomeUnknownError,
    RateLimits,
    Retrier,
    RetryPolicy,
    ServiceError,
    Timeouts,
)
from moderate_cli.client.library_upload import UploadGrant
from moderate_cli.client.management_calls import ManagementOperation
from moderate_cli.common.masking import Secrets

TIME = {"since": datetime(2026, 3, 1, tzinfo=UTC), "until": datetime(2026, 3, 2, tzinfo=UTC)}
Call = Callable[[ManagementClient], Any]


def _body(**content: Any) -> Answer:
    return Answer(200, json.dumps({"Code": 200, "RequestId": "R", **content}).encode())


PAGE = {"Items": [], "TotalCount": 0}
DONE = _body(Data=True)
COUNTS = {"SuccessCount": 1}
HARMLESS: dict[ManagementOperation, tuple[Call, Answer]] = {
    ManagementOperation.LIST_SERVICES: (lambda client: client.services(), _body(Data=[])),
    ManagementOperation.GET_BINDINGS: (lambda client: client.service("s"), _body(Data={})),
    ManagementOperation.GET_SCOPE: (lambda client: client.scope("s", "x"), _body(Option={})),
    ManagementOperation.GET_SCENE_LABELS: (lambda client: client.scene_labels("s"), _body(Data=[])),
    ManagementOperation.UPDATE_SERVICE: (lambda client: client.update_service("s", ignored=["k"]), DONE),
    ManagementOperation.RENAME_SERVICE: (lambda client: client.rename_service("s", "t", "d"), DONE),
    ManagementOperation.LIST_IMAGE_LIBRARIES: (lambda client: client.image_libraries(), _body(LibList=[])),
    ManagementOperation.UPDATE_IMAGE_LIBRARY: (
        lambda client: client.update_image_library("7", name="n", comment="c"),
        DONE,
    ),
    ManagementOperation.LIST_IMAGES: (lambda client: list(client.library_images("7")), _body(**PAGE)),
    ManagementOperation.SET_EXEMPTIONS: (lambda client: client.set_exemptions("s", {"7": True}), DONE),
    ManagementOperation.LIST_KEYWORD_LIBRARIES: (lambda client: client.keyword_libraries(), _body(Data=[])),
    ManagementOperation.RENAME_KEYWORD_LIBRARY: (lambda client: client.rename_keyword_library("k", "n"), DONE),
    ManagementOperation.LIST_KEYWORDS: (lambda client: list(client.keywords("k")), _body(Data=PAGE)),
    ManagementOperation.LIST_RESULTS: (lambda client: list(client.results(**TIME)), _body(Data=PAGE)),
    ManagementOperation.GIVE_FEEDBACK: (lambda client: client.give_feedback("R", "missOut"), DONE),
    ManagementOperation.GET_USAGE: (lambda client: client.usage(**TIME), _body(Data={})),
    ManagementOperation.GET_BUY_STATUS: (lambda client: client.buy_status("c"), _body(Data={"Buy": True})),
}
UNSAFE: dict[ManagementOperation, tuple[Call, Answer]] = {
    ManagementOperation.COPY_SERVICE: (lambda client: client.copy_service("s", "t", "d"), DONE),
    ManagementOperation.CREATE_IMAGE_LIBRARY: (
        lambda client: client.create_image_library("n", "c"),
        _body(Data={"LibId": "7"}),
    ),
    ManagementOperation.REMOVE_IMAGES: (lambda client: client.remove_images("7", ["1"]), DONE),
    ManagementOperation.CREATE_KEYWORD_LIBRARY: (
        lambda client: client.create_keyword_library("n"),
        _body(Data={"LibId": "k"}),
    ),
    ManagementOperation.DELETE_KEYWORD_LIBRARY: (lambda client: client.delete_keyword_library("k"), DONE),
    ManagementOperation.ADD_KEYWORDS: (
        lambda client: client.add_keywords("k", ["a"]),
        _body(Data={"KeywordsResult": COUNTS}),
    ),
    ManagementOperation.REMOVE_KEYWORDS: (lambda client: client.remove_keywords("k", ["1"]), DONE),
}
# What an image needs is tried below, with its upload.
OF_UPLOADS = {ManagementOperation.GET_UPLOAD_GRANT, ManagementOperation.ADD_IMAGE}

HTML = Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})
LOST = {
    "reset": Reset,
    "cut off": Answer(200, DONE.body, cut=10),
    "html": HTML,
}
# Nobody can say whether these were carried out.
FAILED = {
    "503": gateway("ServiceUnavailable", 503),
    "504": gateway("ServiceTimeout", 504),
    "html with 502": Answer(502, b"<html>"),
    "body code 500": Answer(200, json.dumps({"Code": 500, "Msg": "m"}).encode()),
    "nonce": gateway("SignatureNonceUsed", 400),
}
# These were not.
REFUSED = {
    "throttled": gateway("Throttling.User", 400),
    "throttled by status": gateway("Other", 429),
    "throttled with 503": gateway("Throttling", 503),
    "408": gateway("RequestTimeout", 408),
    "html with 408": Answer(408, b"<html>"),
}


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _client(endpoint: str, *, retries: int = 3, patience: float = 60.0) -> ManagementClient:
    clock = Clock()
    return ManagementClient(
        Credentials("AKID", "AKSECRET"),
        endpoint=endpoint,
        retrier=Retrier(RetryPolicy(retries=retries), sleep=clock.sleep),
        timeouts=Timeouts(read=patience),
        limits=RateLimits(monotonic=lambda: clock.now, sleep=clock.sleep),
    )


def test_every_operation_is_harmless_or_not() -> None:
    others = OF_UPLOADS | {ManagementOperation.GET_IMPORT_RESULT}
    assert HARMLESS.keys() | UNSAFE.keys() | others == set(ManagementOperation)


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
@pytest.mark.parametrize("operation", HARMLESS)
def test_a_harmless_call_is_repeated_after_a_lost_answer(operation: ManagementOperation, lost: Any) -> None:
    call, answer = HARMLESS[operation]
    with faults(lost, lost, lost, answer) as server, _client(server.endpoint) as client:
        call(client)
    assert [headers["x-acs-action"] for _, _, headers in server.requests] == [operation] * 4
    assert len({headers["x-acs-signature-nonce"] for _, _, headers in server.requests}) == 4


def test_what_comes_too_late_is_lost_too() -> None:
    with faults(Late, _body(Data=[])) as server, _client(server.endpoint, patience=server.patience) as client:
        assert client.services() == []
        assert len(server.requests) == 2
    with faults(Late) as server, _client(server.endpoint, patience=0.3) as client, pytest.raises(OutcomeUnknownError):
        client.copy_service("s", "t", "d")
    assert len(server.requests) == 1


@pytest.mark.parametrize("failed", FAILED.values(), ids=FAILED)
@pytest.mark.parametrize("operation", [ManagementOperation.LIST_SERVICES, ManagementOperation.RENAME_SERVICE])
def test_a_harmless_call_is_repeated_after_a_failure(operation: ManagementOperation, failed: Any) -> None:
    call, answer = HARMLESS[operation]
    with faults(failed, failed, answer) as server, _client(server.endpoint) as client:
        call(client)
    assert len(server.requests) == 3


@pytest.mark.parametrize("lost", [*LOST.values(), *FAILED.values()], ids=[*LOST, *FAILED])
@pytest.mark.parametrize("operation", UNSAFE)
def test_a_call_that_would_do_a_second_thing_is_not_repeated(operation: ManagementOperation, lost: Any) -> None:
    call, answer = UNSAFE[operation]
    with (
        faults(lost, answer) as server,
        _client(server.endpoint) as client,
        pytest.raises(OutcomeUnknownError) as caught,
    ):
        call(client)
    error = caught.value
    assert len(server.requests) == 1
    assert (error.code, error.attempts, error.retryable, error.fatal) == ("outcome_unknown", 1, False, False)
    assert error.message.startswith(f"{operation} may have been carried out: ")
    assert error.hint == "read the account's state before you repeat it"


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("operation", UNSAFE)
def test_what_was_refused_is_tried_again(operation: ManagementOperation, refused: Any) -> None:
    call, answer = UNSAFE[operation]
    with faults(refused, refused, answer) as server, _client(server.endpoint) as client:
        call(client)
    assert len(server.requests) == 3


@pytest.mark.parametrize("operation", UNSAFE)
def test_a_clock_is_put_right_and_then_the_call_is_made(operation: ManagementOperation) -> None:
    call, answer = UNSAFE[operation]
    skewed = gateway("InvalidTimeStamp.Expired", 400, Date=formatdate(time.time() - 7200, usegmt=True))
    with faults(skewed, answer) as server, _client(server.endpoint) as client:
        call(client)
    assert len(server.requests) == 2


def test_a_connection_that_was_never_made_is_tried_again() -> None:
    with faults(DONE) as server:
        endpoint = server.endpoint
    with _client(endpoint) as client, pytest.raises(ServiceError) as caught:
        client.copy_service("s", "t", "d")
    assert (caught.value.code, caught.value.attempts) == ("connection_failed", 4)


@pytest.mark.parametrize("answer", [gateway("Forbidden.RAM", 403), Answer(200, b'{"Code": 404, "Msg": "no lib"}')])
@pytest.mark.parametrize("operation", [ManagementOperation.LIST_SERVICES, ManagementOperation.COPY_SERVICE])
def test_a_refusal_is_final(operation: ManagementOperation, answer: Answer) -> None:
    with faults(answer) as server, _client(server.endpoint) as client, pytest.raises(ServiceError) as caught:
        (HARMLESS | UNSAFE)[operation][0](client)
    assert caught.value.code != "outcome_unknown"
    assert len(server.requests) == 1


def _grant(endpoint: str, **changes: Any) -> Answer:
    grant = {
        "AccessId": "STS.a",
        "Policy": "POLICY-SECRET",
        "Signature": "SIGNATURE-SECRET",
        "SecurityToken": "TOKEN-SECRET",
    }
    return _body(**(grant | {"Host": endpoint, "Key": "upload/1.jpg", "Expire": 900} | changes))


def _add(*posts: Any, added: Any = None, **changes: Any) -> tuple[Any, list[str]]:
    """Return the id or the error of an image that is added, and what was asked for."""
    added = added or _body(Data={"ImgId": "9"})
    with faults(_grant_of_this_server(**changes), *posts, added) as server, _client(server.endpoint) as client:
        found: Any
        try:
            found = client.add_image("7", io.BytesIO(b"pixels"), "a.jpg")
        except ServiceError as error:
            found = error
        return found, [headers.get("x-acs-action", "post") for _, _, headers in server.requests]


def _grant_of_this_server(**changes: Any) -> Callable[[BaseHTTPRequestHandler], Answer]:
    return lambda handler: _grant(f"http://{handler.headers['Host']}", **changes)


STORED = Answer(204)
XML = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>TOKEN-SECRET POLICY-SECRET</Message></Error>"


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_upload_is_stored(status: int) -> None:
    assert _add(Answer(status)) == ("9", ["GetUploadInfo", "post", "AddImages2Lib"])


@pytest.mark.parametrize(
    "lost", [Reset, Answer(503, XML % b"ServiceUnavailable"), Answer(400, XML % b"RequestTimeout")]
)
def test_an_upload_is_sent_again_under_the_same_key(lost: Any) -> None:
    assert _add(lost, STORED) == ("9", ["GetUploadInfo", "post", "post", "AddImages2Lib"])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(403, XML % b"AccessDenied"), "oss_AccessDenied"),
        (Answer(403, XML % b"TOKEN-SECRET"), "oss__"),
        (Answer(400, XML % b"EntityTooLarge"), "oss_EntityTooLarge"),
        (Answer(403, b"<html>no</html>"), "upload_failed"),
        (Answer(302, b"", {"Location": "http://127.0.0.1:9/elsewhere"}), "upload_redirected"),
        (Answer(303, b"", {"Location": "/"}), "upload_redirected"),
        (Answer(404), "upload_failed"),
    ],
)
def test_an_upload_that_is_refused_is_one_error(answer: Answer, code: str) -> None:
    error, asked = _add(answer)
    assert isinstance(error, ServiceError)
    assert error.code == code
    assert asked == ["GetUploadInfo", "post"]
    for text in (error.message, str(error.hint), error.code, str(error.request_id)):
        assert "SECRET" not in text


@pytest.mark.parametrize("secret", ["POLICY-SECRET", "SIGNATURE-SECRET", "TOKEN-SECRET"])
def test_no_answer_repeats_the_secrets_of_a_grant(secret: str) -> None:
    said = f"{secret} {secret.lower()} {secret.replace('-', '%2D')} {secret.replace('-', '&#45;')}"
    xml = Answer(400, f"<Error><Code>{secret}</Code><Message>{said}</Message></Error>".encode())
    for added in (_body(Code=400, Msg=said, RequestId=secret), xml):
        error, _ = _add(STORED, added=added)
        assert isinstance(error, ServiceError)
        assert "secret" not in f"{error.message} {error.code} {error.hint} {error.request_id}".lower()
    error, _ = _add(STORED, Host=f"http://x.example/{secret}")
    assert "secret" not in error.message.lower()


@pytest.mark.parametrize(
    "host",
    [
        "http://bucket.oss-cn-shanghai.aliyuncs.com",
        "https://aliyuncs.com.evil.example",
        "https://evil.example/bucket.oss-cn-shanghai.aliyuncs.com",
        "https://bucket.oss-cn-shanghai.aliyuncs.com@evil.example",
        "https://evil.example#.aliyuncs.com",
        "ftp://bucket.oss-cn-shanghai.aliyuncs.com",
        "//bucket.oss-cn-shanghai.aliyuncs.com",
        "https://evil.example\\.aliyuncs.com",
    ],
)
def test_an_image_is_sent_to_oss_only(host: str) -> None:
    error, asked = _add(STORED, Host=host)
    assert isinstance(error, ServiceError)
    assert error.code == "untrusted_upload_endpoint"
    assert asked == ["GetUploadInfo"]


@pytest.mark.parametrize("name", ["AccessId", "Policy", "Signature", "Host", "Key"])
@pytest.mark.parametrize("value", [None, "", 7])
def test_a_grant_that_lacks_something_is_a_failure(name: str, value: Any) -> None:
    error, asked = _add(STORED, **{name: value})
    assert isinstance(error, ServiceError)
    assert error.code == "unreadable_answer"
    assert asked == ["GetUploadInfo"]


@pytest.mark.parametrize("lost", [*LOST.values(), *FAILED.values()], ids=[*LOST, *FAILED])
def test_an_image_may_have_been_added(lost: Any) -> None:
    error, asked = _add(STORED, added=lost)
    assert isinstance(error, OutcomeUnknownError)
    assert asked == ["GetUploadInfo", "post", "AddImages2Lib"]


def test_an_image_without_an_id_may_have_been_added() -> None:
    assert isinstance(_add(STORED, added=_body(Data={}))[0], OutcomeUnknownError)


def test_a_grant_is_asked_for_again() -> None:
    answers = (Reset, HTML, _grant_of_this_server(), STORED, _body(Data={"ImgId": "9"}))
    with faults(*answers) as server, _client(server.endpoint) as client:
        assert client.add_image("7", io.BytesIO(b"x"), "a.png") == "9"


def test_a_grant_keeps_its_secrets() -> None:
    grant = UploadGrant.read(json.loads(_grant("https://b.oss-cn-shanghai.aliyuncs.com").body), Secrets())
    assert "SECRET" not in repr(grant)
    assert grant.address == "https://b.oss-cn-shanghai.aliyuncs.com/"


@responses.activate
def test_the_largest_image_is_sent_whole() -> None:
    content = bytes(range(256)) * (4 * 1024 * 4)
    green, oss = "https://green-cip.ap-southeast-1.aliyuncs.com/", "https://b.oss-cn-shanghai.aliyuncs.com/"
    responses.post(green, body=_grant(oss).body)
    responses.post(oss, status=204)
    responses.post(green, body=_body(Data={"ImgId": 9}).body)
    with ManagementClient(Credentials("AKID", "AKSECRET")) as client:
        assert client.add_image("7", io.BytesIO(content), "a.png") == "9"
    assert len(content) == 4 * 1024 * 1024
    assert content in responses.calls[1].request.body
