"""The fault matrix: what the client makes of a service that fails, and how often it asks."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from email.utils import formatdate
from hashlib import sha256
from typing import Any

import pytest
from faults import JUDGED, Answer, FaultServer, Late, Reset, body, faults, gateway

from moderate_cli.client import Credentials, GreenClient, Timeouts
from moderate_cli.client.client import with_failover
from moderate_cli.client.limits import RateKey, RateLimits, Retrier, RetryPolicy
from moderate_cli.common.errors import ServiceError
from moderate_cli.models import ImageUrl, Verdict

IMAGE = ImageUrl("https://example.com/a.png")
HTML = Answer(502, b"<html><body>Bad Gateway</body></html>", {"Content-Type": "text/html"})
CUT_JSON = Answer(200, b'{"Code": 200, "Data": {"RiskLevel": "hi')
EMPTY = Answer(200, b"")
TRUNCATED = Answer(JUDGED.status, JUDGED.body, cut=10)


class Waits(list[float]):
    """Takes the place of sleep, and remembers."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def _client(server: FaultServer | str, waits: Waits | None = None, **options: Any) -> GreenClient:
    retrier = Retrier(RetryPolicy(retries=3), sleep=waits if waits is not None else Waits(), jitter=lambda: 1.0)
    return GreenClient(
        options.pop("credentials", Credentials("AKID", "AKSECRET")),
        endpoint=server if isinstance(server, str) else server.endpoint,
        retrier=retrier,
        timeouts=Timeouts(read=2.0 if isinstance(server, str) else server.patience),
        limits=RateLimits(sleep=lambda _seconds: None),
        **options,
    )


def _judge(client: GreenClient) -> Verdict:
    with client:
        return client.image_moderation("baselineCheck_global", IMAGE)


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (Reset, 2),
        (Late, 2),
        (TRUNCATED, 2),
        (CUT_JSON, 2),
        (EMPTY, 2),
        (HTML, 2),
        (gateway("InternalError", 500), 2),
        (gateway("ServiceUnavailable", 503), 2),
        (gateway("Throttling.User", 400), 2),
        (gateway("SignatureNonceUsed", 400), 2),
        (body(403), 2),
        (body(404), 2),
        (body(405), 2),
        (body(500), 2),
    ],
    ids=lambda value: getattr(value, "__name__", None) or (str(value)[:60] if isinstance(value, int) else None),
)
def test_a_passing_fault_costs_one_more_attempt(fault: Answer, attempts: int) -> None:
    with faults(fault, JUDGED) as server:
        verdict = _judge(_client(server))
        assert verdict.call.attempts == attempts == len(server.requests)
    assert verdict.risk_level == "high"
    nonces = {headers["x-acs-signature-nonce"] for _, _, headers in server.requests}
    assert len(nonces) == attempts


@pytest.mark.parametrize(
    ("fault", "code", "attempts", "fatal"),
    [
        (Reset, "connection_lost", 2, False),
        (Late, "read_timeout", 2, False),
        (TRUNCATED, "connection_lost", 2, False),
        (CUT_JSON, "unreadable_answer", 2, False),
        (EMPTY, "unreadable_answer", 2, False),
        (Answer(200, b"[]"), "unreadable_answer", 2, False),
        (HTML, "unreadable_answer", 4, False),
        (Answer(403, b"<html>Sign in</html>"), "unreadable_answer", 1, False),
        (Answer(302, b"", {"Location": "https://example.com/"}), "unreadable_answer", 1, False),
        (gateway("InternalError", 500), "InternalError", 4, False),
        (gateway("ServiceUnavailable", 503), "ServiceUnavailable", 4, False),
        (gateway("Throttling", 429), "Throttling", 4, False),
        (gateway("InvalidAccessKeyId.NotFound", 404), "InvalidAccessKeyId.NotFound", 1, True),
        (gateway("Forbidden.RAM", 403), "Forbidden.RAM", 1, True),
        (Answer(414, b"URI Too Long"), "request_too_long", 1, False),
        (Answer(431, b""), "request_too_long", 1, False),
        (body(400), "parameter_missing", 1, False),
        (body(403), "rate_limited", 4, False),
        (body(404), "download_failed", 2, False),
        (body(405), "download_timeout", 2, False),
        (body(406), "too_large", 1, False),
        (body(408), "not_permitted", 1, True),
        (body(500), "service_failed", 4, False),
    ],
)
def test_a_lasting_fault_ends_as_designed(fault: Answer, code: str, attempts: int, fatal: bool) -> None:
    with faults(fault) as server, pytest.raises(ServiceError) as caught:
        _judge(_client(server))
    assert (caught.value.code, caught.value.attempts, caught.value.fatal) == (code, attempts, fatal)
    assert len(server.requests) == attempts
    assert "\n" not in caught.value.message


def test_a_refused_connection_is_tried_as_often_as_the_policy_says() -> None:
    with faults(JUDGED) as server:
        endpoint = server.endpoint
    with pytest.raises(ServiceError) as caught:
        _judge(_client(endpoint))
    assert (caught.value.code, caught.value.attempts) == ("connection_failed", 4)


@pytest.mark.parametrize("status", [414, 431, 400])
def test_a_request_that_is_too_long_names_the_switch(status: int) -> None:
    with faults(Answer(status, b"<html>Request-URI Too Large</html>")) as server, pytest.raises(ServiceError) as caught:
        _judge(_client(server))
    assert "params_in: form" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("asked", "wait"), [("80", 0.08), ("2000", 2.0), ("600000", 120.0), ("0", 0.5), ("-1", 0.5), ("soon", 0.5)]
)
def test_the_service_says_how_long_to_wait_in_milliseconds(asked: str, wait: float) -> None:
    waits = Waits()
    with faults(gateway("Throttling.User", 400, **{"x-acs-retry-after": asked}), JUDGED) as server:
        assert _judge(_client(server, waits)).call.attempts == 2
    assert waits == [wait]


@pytest.mark.parametrize("fault", [gateway("Throttling.User", 400), body(403), Answer(429, b"<html></html>")])
def test_a_throttled_account_is_asked_more_slowly(fault: Answer) -> None:
    limits = RateLimits(sleep=lambda _seconds: None)
    with faults(fault, JUDGED) as server:
        client = GreenClient(
            Credentials("AKID", "SECRET"), endpoint=server.endpoint, limits=limits, retrier=Retrier(sleep=Waits())
        )
        limiter = limits.limiter(RateKey("AKID", client.endpoint, "ImageModeration", 100))
        before = limiter.state.rate
        client.image_moderation("baselineCheck", IMAGE)
    assert 0 < limiter.state.rate < before


@pytest.mark.parametrize("skew", [-7200, 7200])
def test_a_wrong_clock_is_corrected_once_from_the_date_header(skew: int) -> None:
    service_time = time.time() - skew

    def strict(handler: Any) -> Answer:
        sent = time.mktime(time.strptime(handler.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        if abs(sent - service_time) > 900:
            return gateway("InvalidTimeStamp.Expired", 400, Date=formatdate(service_time, usegmt=True))
        return JUDGED

    with faults(strict) as server, _client(server) as client:
        assert client.image_moderation("s", IMAGE).call.attempts == 2
        assert client.image_moderation("s", IMAGE).call.attempts == 1


def test_a_clock_that_stays_wrong_ends_the_run() -> None:
    date = formatdate(time.time() - 7200, usegmt=True)
    with (
        faults(gateway("InvalidTimeStamp.Expired", 400, Date=date)) as server,
        pytest.raises(ServiceError, match="120 minutes ahead") as caught,
    ):
        _judge(_client(server))
    assert (caught.value.attempts, caught.value.fatal) == (2, True)


class Rotating:
    """Credentials that change when the service refuses them."""

    origin = "a test"

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)

    def current(self) -> Credentials:
        return Credentials(self.keys[0], "SECRET", f"token-of-{self.keys[0]}")

    def renew(self, refused: Credentials) -> bool:
        if len(self.keys) > 1 and refused.access_key_id == self.keys[0]:
            self.keys.pop(0)
        return refused.access_key_id != self.keys[0]


def test_a_token_that_expires_during_the_run_is_renewed() -> None:
    def strict(handler: Any) -> Answer:
        fresh = handler.headers["x-acs-security-token"] == "token-of-new"
        return JUDGED if fresh else gateway("InvalidSecurityToken.Expired", 400)

    with faults(strict) as server, _client(server, credentials=Rotating("old", "new")) as client:
        assert client.image_moderation("s", IMAGE).call.attempts == 2
        assert client.image_moderation("s", IMAGE).call.attempts == 1


def test_a_token_that_cannot_be_renewed_ends_the_run() -> None:
    with faults(gateway("InvalidSecurityToken.Expired", 400)) as server, pytest.raises(ServiceError) as caught:
        _judge(_client(server, credentials=Rotating("only")))
    assert (caught.value.attempts, caught.value.fatal) == (1, True)


def _token(server_of: Callable[[], FaultServer]) -> Callable[[Any], Answer]:
    def token(_handler: Any) -> Answer:
        endpoint = server_of().endpoint
        data = {
            "AccessKeyId": "STS.x",
            "AccessKeySecret": "s",
            "SecurityToken": "t",
            "BucketName": "bucket",
            "FileNamePrefix": "upload/",
            "Expiration": int(time.time()) + 3600,
            "OssInternetEndPoint": endpoint,
        }
        return body(200, data)

    return token


def _file() -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(b"a picture"))  # type: ignore[arg-type]


OSS_403 = Answer(403, b"<Error><Code>SecurityTokenExpired</Code><Message>m</Message></Error>")
OSS_OK = Answer(200, b"", {"ETag": '"x"'})


@pytest.mark.parametrize(
    ("puts", "requests"),
    [
        ([OSS_OK], ["POST", "PUT"]),
        ([OSS_403, "token", OSS_OK], ["POST", "PUT", "POST", "PUT"]),
        ([Answer(503, b""), OSS_OK], ["POST", "PUT", "PUT"]),
        ([Reset, OSS_OK], ["POST", "PUT", "PUT"]),
    ],
)
def test_an_upload_that_fails_is_tried_again(puts: list[Any], requests: list[str]) -> None:
    token = _token(lambda: server)
    with faults(token, *[token if put == "token" else put for put in puts]) as server, _client(server) as client:
        assert client.upload(_file(), extension=".png").key.startswith("upload/")
        assert [command for command, _, _ in server.requests] == requests


def test_an_upload_that_stays_refused_is_a_failure_with_the_code_of_oss() -> None:
    token = _token(lambda: server)
    with (
        faults(token, OSS_403, token, OSS_403) as server,
        _client(server) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.upload(_file())
    assert (caught.value.code, caught.value.http_status, caught.value.attempts) == ("oss_SecurityTokenExpired", 403, 2)
    assert not caught.value.fatal


def test_the_same_bytes_are_uploaded_once() -> None:
    token = _token(lambda: server)
    with faults(token, OSS_OK) as server, _client(server) as client:
        places = {client.upload(_file(), sha256=sha256(_file().read()).hexdigest()) for _ in range(5)}
        assert len(places) == 1
        other = sha256(b"other").hexdigest()
        assert client.upload(io.BufferedReader(io.BytesIO(b"other")), sha256=other) not in places
        assert [command for command, _, _ in server.requests] == ["POST", "PUT", "PUT"]


@pytest.mark.parametrize("fault", [body(500), gateway("InternalError", 500), HTML])
def test_another_region_answers_where_one_fails(fault: Answer) -> None:
    with faults(fault) as failing, faults(JUDGED) as other:
        clients = [_client(failing, region="cn-shanghai"), _client(other, region="cn-beijing")]
        verdict = with_failover(clients, lambda client: client.image_moderation("s", IMAGE))
    assert verdict.call.region == "cn-beijing"
    assert len(failing.requests) == 4


@pytest.mark.parametrize("fault", [body(404), body(408), gateway("Throttling", 429), Reset])
def test_another_region_is_not_asked_for_other_reasons(fault: Answer) -> None:
    with faults(fault) as failing, faults(JUDGED) as other, pytest.raises(ServiceError):
        with_failover([_client(failing), _client(other)], lambda client: client.image_moderation("s", IMAGE))
    assert not other.requests


def test_the_last_region_has_the_last_word() -> None:
    with faults(body(500)) as one, faults(body(408)) as two, pytest.raises(ServiceError) as caught:
        with_failover([_client(one), _client(two)], lambda client: client.image_moderation("s", IMAGE))
    assert caught.value.api_code == 408
