"""The decision to try again as a table, the loop around it, and the client's use of both; nothing here sleeps."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import pytest
import requests
import responses
from faults import JUDGED, Answer, FaultServer, Late, Reset, body, faults, gateway

from moderate_cli.client import Credentials, GreenClient, Timeouts
from moderate_cli.client.limits import RateLimits, Retrier, RetryPolicy, next_delay
from moderate_cli.client.parameters import Operation
from moderate_cli.client.responses import UnreadableResponseError
from moderate_cli.common.errors import ServiceError
from moderate_cli.models import ImageUrl

POLICY = RetryPolicy(retries=3, first_wait=0.5, longest_wait=20, longest_asked_wait=120)


def _error(code: str = "service_failed", *, retryable: bool = True, **facts: object) -> ServiceError:
    return ServiceError("it failed", code=code, retryable=retryable, **facts)  # type: ignore[arg-type]


FAILED = _error()
RESET = _error("connection_lost", max_attempts=2)
NOT_FETCHED = _error("download_failed", max_attempts=2)
SLOWLY_FETCHED = _error("download_timeout", max_attempts=2)
HTML_502 = _error("unreadable_answer")
HTML_200 = _error("unreadable_answer", max_attempts=2)
FINAL = _error("too_large", retryable=False)


@pytest.mark.parametrize(
    ("errors", "jitter", "wait"),
    [
        pytest.param([FAILED], 1.0, 0.5, id="first wait"),
        pytest.param([FAILED] * 2, 1.0, 1.0, id="second wait"),
        pytest.param([FAILED] * 3, 1.0, 2.0, id="third wait"),
        pytest.param([FAILED, RESET, HTML_502], 1.0, 2.0, id="waits grow with errors of any kind"),
        pytest.param([FAILED], 0.5, 0.25, id="jitter"),
        pytest.param([FAILED] * 3, 0.0, 0.0, id="no wait by chance"),
        pytest.param([FAILED] * 4, 0.5, None, id="total"),
        pytest.param([FAILED, FAILED, NOT_FETCHED, RESET], 0.5, None, id="total of several kinds"),
        pytest.param([_error(max_attempts=9)] * 4, 0.5, None, id="a cap above the total"),
        pytest.param([RESET], 1.0, 0.5, id="reset"),
        pytest.param([RESET, RESET], 1.0, None, id="reset, reset"),
        pytest.param([NOT_FETCHED, NOT_FETCHED], 1.0, None, id="404, 404"),
        pytest.param([FAILED, FAILED, RESET], 1.0, 2.0, id="503, 503, reset"),
        pytest.param([FAILED, NOT_FETCHED], 1.0, 1.0, id="403, 404"),
        pytest.param([FAILED, FAILED, SLOWLY_FETCHED], 1.0, 2.0, id="403, 403, 405"),
        pytest.param([NOT_FETCHED, SLOWLY_FETCHED], 1.0, 1.0, id="404, 405"),
        pytest.param([RESET, FAILED, RESET], 1.0, None, id="reset, 503, reset"),
        pytest.param([RESET, FAILED], 1.0, 1.0, id="reset, 503"),
        pytest.param([RESET, NOT_FETCHED, RESET], 1.0, None, id="reset, 404, reset"),
        pytest.param([FAILED, HTML_200], 1.0, 1.0, id="503, html with 200"),
        pytest.param([HTML_502, HTML_200], 1.0, 1.0, id="html with 502, html with 200"),
        pytest.param([HTML_200, HTML_502], 1.0, 1.0, id="html with 200, html with 502"),
        pytest.param([HTML_200, HTML_502, HTML_200], 1.0, None, id="html with 200, 502, 200"),
        pytest.param([_error(max_attempts=1)], 1.0, None, id="a cap of one"),
        pytest.param([FINAL], 1.0, None, id="final"),
        pytest.param([FAILED, FINAL], 1.0, None, id="503, final"),
        pytest.param([_error(retryable=False, retry_after=1.0)], 1.0, None, id="final, with a wait"),
        pytest.param([_error(retry_after=0.08)], 1.0, 0.08, id="asked wait"),
        pytest.param([FAILED, FAILED, _error(retry_after=2.0)], 0.0, 2.0, id="asked wait without jitter"),
        pytest.param([_error(retry_after=2.0), FAILED], 1.0, 1.0, id="asked wait of an earlier error"),
        pytest.param([_error(retry_after=9999.0)], 0.5, 120.0, id="asked wait over the bound"),
        pytest.param([FAILED, FAILED, FAILED, _error(retry_after=1.0)], 0.5, None, id="asked wait at the total"),
    ],
)
def test_the_decision(errors: list[ServiceError], jitter: float, wait: float | None) -> None:
    assert next_delay(POLICY, errors, jitter) == wait


def test_waits_grow_to_a_bound() -> None:
    patient = RetryPolicy(retries=50)
    assert [next_delay(patient, [FAILED] * count, 1.0) for count in (6, 7, 49)] == [16.0, 20.0, 20.0]


@pytest.mark.parametrize("error", [FAILED, RESET, _error(retry_after=1.0)], ids=["503", "reset", "asked wait"])
def test_no_retries_is_one_attempt(error: ServiceError) -> None:
    assert next_delay(RetryPolicy(retries=0), [error], 0.5) is None


class Attempts:
    """An attempt that raises some errors before it succeeds."""

    def __init__(self, *errors: ServiceError) -> None:
        self.errors = list(errors)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "verdict"


def _run(*errors: ServiceError, recover: Callable[[ServiceError], bool] | None = None) -> tuple[object, list[float]]:
    waits: list[float] = []
    retrier = Retrier(POLICY, sleep=waits.append, jitter=lambda: 1.0)
    try:
        return retrier.run(Attempts(*errors), recover=recover), waits
    except ServiceError as error:
        return error, waits


def test_a_success_tells_its_attempts() -> None:
    assert _run() == (("verdict", 1), [])
    assert _run(_error(), _error()) == (("verdict", 3), [0.5, 1.0])


def test_the_last_error_tells_its_attempts() -> None:
    error, waits = _run(*[_error() for _ in range(9)])
    assert isinstance(error, ServiceError)
    assert error.attempts == 4
    assert waits == [0.5, 1.0, 2.0]


def test_a_cause_that_was_removed_is_tried_at_once_and_does_not_count() -> None:
    clock = _error("InvalidTimeStamp.Expired", retryable=False)
    assert _run(clock, _error(), _error(), _error(), recover=lambda error: "Time" in error.code) == (
        ("verdict", 5),
        [0.5, 1.0, 2.0],
    )


def test_the_same_cause_is_removed_once() -> None:
    error, waits = _run(
        *[_error("InvalidTimeStamp.Expired", retryable=False) for _ in range(3)], recover=lambda _error: True
    )
    assert isinstance(error, ServiceError)
    assert (error.attempts, waits) == (2, [])


def test_an_error_that_was_recovered_from_has_used_up_nothing_of_its_kind() -> None:
    errors = [_error("oss_AccessDenied", max_attempts=2) for _ in range(2)]
    assert _run(*errors, recover=lambda _error: True) == (("verdict", 3), [0.5])


def test_another_error_passes_through() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Retrier(POLICY).run(broken)


class Thing:
    """What an attempt holds, such as a connection."""


@pytest.mark.parametrize("failures", [1, 9], ids=["success after all", "failure"])
def test_what_an_attempt_held_is_let_go_without_the_collector(failures: int) -> None:
    held: list[weakref.ref[Thing]] = []

    def attempt() -> str:
        thing = Thing()
        held.append(weakref.ref(thing))
        if len(held) <= failures:
            raise _error()
        return "verdict"

    gc.disable()
    try:
        with suppress(ServiceError):
            Retrier(POLICY, sleep=lambda _seconds: None).run(attempt)
        assert not [thing for thing in held if thing() is not None]
    finally:
        gc.enable()


IMAGE = ImageUrl("https://example.com/a.png")
UNAVAILABLE = gateway("ServiceUnavailable", 503)
HTML = Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})
BAD_GATEWAY = Answer(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})
CUT_OFF = Answer(JUDGED.status, JUDGED.body, cut=10)
UNREADABLE = body(200, {"RiskLevel": "critical"})
NO_JSON_408 = Answer(408, b"<html>Request Time-out</html>")


def _skewed(handler: Any) -> Answer:
    """Refuse the clock once, by the date of a service that is two hours behind."""
    date = formatdate(time.time() - 7200, usegmt=True)
    return gateway("InvalidTimeStamp.Expired", 400, Date=date)


def _client(server: FaultServer | str, *, retries: int = 3) -> GreenClient:
    return GreenClient(
        Credentials("AKID", "AKSECRET"),
        endpoint=server if isinstance(server, str) else server.endpoint,
        retrier=Retrier(RetryPolicy(retries=retries), sleep=lambda _seconds: None),
        timeouts=Timeouts(read=2.0 if isinstance(server, str) else server.patience),
        limits=RateLimits(sleep=lambda _seconds: None),
    )


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([UNAVAILABLE, UNAVAILABLE, Reset], id="503, 503, reset"),
        pytest.param([UNAVAILABLE, UNAVAILABLE, Late], id="503, 503, time-out"),
        pytest.param([body(403), body(404)], id="403, 404"),
        pytest.param([body(403), body(403), body(405)], id="403, 403, 405"),
        pytest.param([_skewed, UNAVAILABLE, Reset], id="skew, 503, reset"),
        pytest.param([_skewed, UNAVAILABLE, UNAVAILABLE, Reset], id="skew, 503, 503, reset"),
        pytest.param([UNAVAILABLE, HTML], id="503, html"),
        pytest.param([BAD_GATEWAY, HTML], id="html with 502, html with 200"),
        pytest.param([Reset, body(404), UNAVAILABLE], id="reset, 404, 503"),
        pytest.param([gateway("RequestTimeout", 408)] * 3, id="HTTP 408"),
        pytest.param([NO_JSON_408] * 3, id="HTTP 408 without JSON"),
    ],
)
def test_each_kind_of_error_has_a_count_of_its_own(before: list[Any]) -> None:
    with faults(*before, JUDGED) as server, _client(server) as client:
        verdict = client.image_moderation("baselineCheck_global", IMAGE)
    assert verdict.risk_level == "high"
    assert verdict.call.attempts == len(server.requests) == len(before) + 1


@pytest.mark.parametrize(
    ("answers", "code", "attempts"),
    [
        pytest.param([Reset], "connection_lost", 2, id="reset, reset"),
        pytest.param([Reset, UNAVAILABLE, Reset], "connection_lost", 3, id="reset, 503, reset"),
        pytest.param([body(404)], "download_failed", 2, id="404, 404"),
        pytest.param([body(404), body(403), body(404)], "download_failed", 3, id="404, 403, 404"),
        pytest.param([HTML], "unreadable_answer", 2, id="html, html"),
        pytest.param([UNAVAILABLE, UNAVAILABLE, Reset, UNAVAILABLE], "ServiceUnavailable", 4, id="total"),
        pytest.param([_skewed, UNAVAILABLE, Reset, Reset], "connection_lost", 4, id="skew, 503, reset, reset"),
        pytest.param([gateway("RequestTimeout", 408)], "RequestTimeout", 4, id="HTTP 408"),
        pytest.param([NO_JSON_408], "unreadable_answer", 4, id="HTTP 408 without JSON"),
        pytest.param([body(408)], "not_permitted", 1, id="body code 408"),
    ],
)
def test_a_count_that_is_used_up_ends_the_call(answers: list[Any], code: str, attempts: int) -> None:
    with (
        faults(*answers) as server,
        _client(server) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.image_moderation("baselineCheck_global", IMAGE)
    assert (caught.value.code, caught.value.attempts, len(server.requests)) == (code, attempts, attempts)


@pytest.mark.parametrize("answer", [UNAVAILABLE, Reset, body(403), NO_JSON_408], ids=["503", "reset", "403", "408"])
def test_without_retries_the_first_error_is_the_last(answer: Any) -> None:
    with faults(answer) as server, _client(server, retries=0) as client, pytest.raises(ServiceError):
        client.image_moderation("baselineCheck_global", IMAGE)
    assert len(server.requests) == 1


TOKEN = body(
    200,
    {
        "AccessKeyId": "STS.x",
        "AccessKeySecret": "s",
        "SecurityToken": "t",
        "BucketName": "bucket",
        "FileNamePrefix": "upload/",
        "Expiration": 4_000_000_000,
        "OssInternetEndPoint": "https://oss-cn-shanghai.aliyuncs.com",
    },
)
FREE: dict[Operation, tuple[Callable[[GreenClient], object], Answer]] = {
    Operation.DESCRIBE_UPLOAD_TOKEN: (lambda client: client.describe_upload_token(), TOKEN),
    Operation.DESCRIBE_IMAGE_MODERATION_RESULT: (
        lambda client: client.describe_image_moderation_result("R"),
        JUDGED,
    ),
    Operation.DESCRIBE_MULTIMODAL_MODERATION_RESULT: (
        lambda client: client.describe_multimodal_moderation_result("R"),
        body(200, {"RiskLevel": "none", "MainData": {"RiskLevel": "none"}}),
    ),
    Operation.DESCRIBE_IMAGE_RESULT_EXT: (
        lambda client: client.describe_image_result_ext("R", ["textInImage"]),
        body(200, {"CustomImage": []}),
    ),
}
BILLED: dict[Operation, Callable[[GreenClient], object]] = {
    Operation.IMAGE_MODERATION: lambda client: client.image_moderation("s", IMAGE),
    Operation.IMAGE_BATCH_MODERATION: lambda client: client.image_batch_moderation(["s", "t"], IMAGE),
    Operation.IMAGE_ASYNC_MODERATION: lambda client: client.image_async_moderation("s", IMAGE),
    Operation.MULTIMODAL_ASYNC_MODERATION: lambda client: client.multimodal_async_moderation(
        "s", {"mainData": {"content": "words"}}
    ),
}
LOST = pytest.mark.parametrize("lost", [Reset, Late, CUT_OFF, HTML], ids=["reset", "time-out", "cut off", "html"])


def test_every_operation_is_billed_or_free() -> None:
    assert {operation for operation in Operation if operation.is_billed} == BILLED.keys()
    assert set(Operation) - BILLED.keys() == FREE.keys()


@LOST
@pytest.mark.parametrize("operation", FREE)
def test_a_lost_answer_that_cost_nothing_is_asked_for_as_often_as_the_policy_says(
    operation: Operation, lost: Any
) -> None:
    call, answer = FREE[operation]
    with faults(lost, lost, lost, answer) as server, _client(server) as client:
        assert call(client) is not None
    assert len(server.requests) == 4
    assert {headers["x-acs-action"] for _, _, headers in server.requests} == {operation}


@pytest.mark.parametrize("operation", FREE)
def test_a_free_call_ends_with_the_policys_count(operation: Operation) -> None:
    with faults(Reset) as server, _client(server) as client, pytest.raises(ServiceError) as caught:
        FREE[operation][0](client)
    assert (caught.value.code, caught.value.attempts, len(server.requests)) == ("connection_lost", 4, 4)


def test_what_a_free_call_is_told_about_the_image_keeps_its_cap() -> None:
    with faults(body(404)) as server, _client(server) as client, pytest.raises(ServiceError) as caught:
        client.describe_image_moderation_result("R")
    assert (caught.value.code, len(server.requests)) == ("download_failed", 2)


@LOST
@pytest.mark.parametrize("operation", BILLED)
def test_a_lost_answer_that_may_be_billed_is_asked_for_once_more(operation: Operation, lost: Any) -> None:
    with faults(lost) as server, _client(server) as client, pytest.raises(ServiceError) as caught:
        BILLED[operation](client)
    assert (caught.value.attempts, caught.value.repeated, len(server.requests)) == (2, True, 2)


@pytest.mark.parametrize(
    ("answers", "repeated"),
    [
        pytest.param([JUDGED], False, id="at once"),
        pytest.param([UNAVAILABLE, JUDGED], False, id="503"),
        pytest.param([body(404), JUDGED], False, id="404"),
        pytest.param([Reset, JUDGED], True, id="reset"),
        pytest.param([CUT_OFF, JUDGED], True, id="cut off"),
        pytest.param([Late, JUDGED], True, id="time-out"),
        pytest.param([HTML, JUDGED], True, id="html"),
        pytest.param([Reset, UNAVAILABLE, JUDGED], True, id="reset, 503"),
    ],
)
def test_a_call_that_may_be_billed_twice_says_so(answers: list[Any], repeated: bool) -> None:
    with faults(*answers) as server, _client(server) as client:
        assert client.image_moderation("s", IMAGE).call.repeated is repeated


@pytest.mark.parametrize(
    ("answers", "repeated"),
    [
        pytest.param([UNREADABLE], False, id="unreadable"),
        pytest.param([Reset, UNREADABLE], True, id="reset, unreadable"),
        pytest.param([UNAVAILABLE, UNREADABLE], False, id="503, unreadable"),
        pytest.param([Reset, body(280)], True, id="reset, 280"),
    ],
)
def test_an_answer_that_cannot_be_read_tells_its_attempts_and_is_not_asked_for_again(
    answers: list[Any], repeated: bool
) -> None:
    with (
        faults(*answers, JUDGED) as server,
        _client(server) as client,
        pytest.raises(UnreadableResponseError) as caught,
    ):
        client.image_moderation("s", IMAGE)
    assert (caught.value.attempts, caught.value.repeated) == (len(answers), repeated)
    assert len(server.requests) == len(answers)
    if caught.value.verdict:
        assert (caught.value.verdict.call.attempts, caught.value.verdict.call.repeated) == (len(answers), repeated)


def test_an_answer_that_was_lost_last_was_not_sent_again() -> None:
    with (
        faults(UNAVAILABLE, Reset) as server,
        _client(server, retries=1) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.image_moderation("s", IMAGE)
    assert (caught.value.code, caught.value.attempts, caught.value.repeated) == ("connection_lost", 2, False)


@responses.activate
@pytest.mark.parametrize(
    ("refusals", "code", "attempts"), [(1, None, 2), (2, "proxy_failed", 2)], ids=["once", "for ever"]
)
@pytest.mark.parametrize("operation", [Operation.IMAGE_MODERATION, Operation.DESCRIBE_UPLOAD_TOKEN])
def test_a_refusal_by_the_proxy_is_tried_once_more(
    operation: Operation, refusals: int, code: str | None, attempts: int
) -> None:
    endpoint = "green-cip.ap-southeast-1.aliyuncs.com"
    for _ in range(refusals):
        responses.post(f"https://{endpoint}/", body=requests.exceptions.ProxyError())
    responses.post(f"https://{endpoint}/", body=(JUDGED if operation.is_billed else TOKEN).body)
    caught: list[str] = []
    with _client(endpoint) as client:
        try:
            (BILLED | {Operation.DESCRIBE_UPLOAD_TOKEN: FREE[Operation.DESCRIBE_UPLOAD_TOKEN][0]})[operation](client)
        except ServiceError as error:
            caught.append(error.code)
    assert caught == ([code] if code else [])
    assert len(responses.calls) == attempts


def test_each_attempt_has_a_nonce_of_its_own() -> None:
    with faults(UNAVAILABLE, UNAVAILABLE, Reset, JUDGED) as server, _client(server) as client:
        client.image_moderation("s", IMAGE)
    assert len({headers["x-acs-signature-nonce"] for _, _, headers in server.requests}) == 4
