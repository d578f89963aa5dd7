"""Answers that are errors: of the gateway, inside the body, or no answer of the service at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moderate_cli.catalog import load_data
from moderate_cli.client.responses import Response, parse_json, read_body
from moderate_cli.common.errors import ExitCode, ServiceError


def _response(body: object, status: int = 200, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers, content, sent_at=1_767_323_045)


def _error(body: object, status: int = 200, **headers: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        read_body(_response(body, status, **headers))
    return caught.value


@pytest.mark.parametrize("body", [{"Code": 200}, {"Code": "200"}, {"code": 200}, {"Code": " 200 "}, {"Code": 200.0}])
def test_code_200_in_any_writing_is_an_answer(body: dict[str, object]) -> None:
    assert read_body(_response(body)) == (200, body)


@pytest.mark.parametrize("body", [{"Code": 280}, {"Code": "280 "}, {"code": 280}])
def test_code_280_in_any_writing_is_a_task_that_is_running(body: dict[str, object]) -> None:
    assert read_body(_response(body)) == (280, body)


@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 302, 304])
def test_only_the_status_200_is_final(status: int) -> None:
    error = _error({"Code": 200, "Data": {"RiskLevel": "none"}}, status)
    assert (error.code, error.http_status, error.retryable) == ("unreadable_answer", status, False)
    assert error.message == f"the body of the response is not that of a final response (HTTP {status})"


@pytest.mark.parametrize("code", [{"a": 1}, ["Throttling"], True, None, ""])
def test_a_code_of_the_gateway_that_is_no_text_is_its_status(code: object) -> None:
    error = _error({"Code": code, "Message": {"b": 2}, "RequestId": ["R"]}, 503)
    assert (error.code, error.request_id, error.retryable) == ("http_503", None, True)


@pytest.mark.parametrize("asked", ["9" * 5_000, "-5", "0", "1.5", "soon", "٣", ""])
def test_a_wait_that_is_no_number_of_milliseconds_is_none(asked: str) -> None:
    assert _error({"Code": "Throttling"}, 400, **{"x-acs-retry-after": asked}).retry_after is None


def test_a_wait_is_told_in_milliseconds() -> None:
    assert _error({"Code": "Throttling"}, 400, **{"x-acs-retry-after": "1500"}).retry_after == 1.5


def test_what_an_answer_says_is_told_on_one_line_that_is_not_long() -> None:
    error = _error({"Code": 500, "Msg": "a\n\tb " + "x" * 5_000, "RequestId": "R" * 5_000})
    assert "\n" not in error.message
    assert len(error.message) < 400
    assert len(error.request_id or "") == 200


@pytest.mark.parametrize(
    ("code", "name", "retryable", "exit_code"),
    [
        (400, "parameter_missing", False, ExitCode.INCOMPLETE),
        (403, "rate_limited", True, ExitCode.INCOMPLETE),
        (404, "download_failed", True, ExitCode.INCOMPLETE),
        (405, "download_timeout", True, ExitCode.INCOMPLETE),
        (406, "too_large", False, ExitCode.INCOMPLETE),
        (408, "not_permitted", False, ExitCode.FATAL),
        (500, "service_failed", True, ExitCode.INCOMPLETE),
        (777, "api_777", True, ExitCode.INCOMPLETE),
        (499, "api_499", False, ExitCode.INCOMPLETE),
    ],
)
def test_a_code_inside_the_body_is_an_error(code: int, name: str, retryable: bool, exit_code: ExitCode) -> None:
    error = _error({"Code": code, "Msg": "said\nso", "RequestId": "R1"})
    assert (error.code, error.api_code, error.retryable, error.exit_code) == (name, code, retryable, exit_code)
    assert error.request_id == "R1"
    assert error.message.endswith(f"(code {code}: said so)")


@pytest.mark.parametrize(
    ("code", "status", "retryable", "exit_code"),
    [
        ("InvalidAccessKeyId.NotFound", 404, False, ExitCode.FATAL),
        ("SignatureDoesNotMatch", 400, False, ExitCode.FATAL),
        ("InvalidSecurityToken.Expired", 400, False, ExitCode.FATAL),
        ("Forbidden.RAM", 403, False, ExitCode.FATAL),
        ("SignatureNonceUsed", 400, True, ExitCode.INCOMPLETE),
        ("Throttling.User", 400, True, ExitCode.INCOMPLETE),
        ("ServiceUnavailable", 503, True, ExitCode.INCOMPLETE),
        ("SomethingNew", 400, False, ExitCode.INCOMPLETE),
        ("SomethingNew", 408, True, ExitCode.INCOMPLETE),
        ("SomethingNew", 429, True, ExitCode.INCOMPLETE),
        ("SomethingNew", 502, True, ExitCode.INCOMPLETE),
    ],
)
def test_the_gateways_code_decides_and_not_its_status(
    code: str, status: int, retryable: bool, exit_code: ExitCode
) -> None:
    error = _error({"Code": code, "Message": "words", "RequestId": "R2"}, status)
    assert (error.code, error.http_status, error.retryable, error.exit_code) == (code, status, retryable, exit_code)
    assert error.request_id == "R2"


def test_the_text_of_a_bad_signature_is_not_repeated() -> None:
    error = _error({"Code": "SignatureDoesNotMatch", "Message": "x-acs-security-token:CANARY"}, 400)
    assert "CANARY" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("date", "words"),
    [("Fri, 02 Jan 2026 02:44:05 GMT", "20 minutes ahead"), ("Fri, 02 Jan 2026 03:34:05 GMT", "30 minutes behind")],
)
def test_a_wrong_clock_is_measured_against_the_answer(date: str, words: str) -> None:
    assert words in _error({"Code": "InvalidTimeStamp.Expired"}, 400, Date=date).message


@pytest.mark.parametrize(
    ("content", "status", "words", "retryable"),
    [
        (b"", 200, "empty", True),
        (b"", 502, "empty", True),
        (b"<html>Bad Gateway</html>", 502, "not JSON", True),
        (b"<html>Sign in</html>", 403, "not JSON", False),
        (b"<html>Request Time-out</html>", 408, "not JSON", True),
        (b"", 408, "empty", True),
        (b'{"Code": 200, "Data": {', 200, "not JSON", True),
        (b"[]", 200, "not a JSON object", True),
        (b'"ok"', 200, "not a JSON object", True),
        (b"{}", 200, "without a readable Code", True),
        (b'{"Code": "ok"}', 200, "without a readable Code", True),
        (b"\xff\xfe", 200, "not JSON", True),
        (b"[" * 100_000, 200, "not JSON", True),
        (b'{"Code":200,"Data":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, 200, "not JSON", True),
        (b'{"Code": NaN}', 200, "without a readable Code", True),
        (b'{"Code": 200, "Code": 200}', 200, "not JSON", True),
        (b'{"Code": 200, "Data": {"RiskLevel": "none", "RiskLevel": "high"}}', 200, "not JSON", True),
        (b'{"Code": 20' + b"0" * 5_000 + b"}", 200, "not JSON", True),
        (b"null", 200, "not a JSON object", True),
    ],
)
def test_a_body_that_is_no_answer_is_an_error_of_its_own(
    content: bytes, status: int, words: str, retryable: bool
) -> None:
    error = _error(content, status)
    assert error.code == "unreadable_answer"
    assert words in error.message
    assert error.retryable is retryable
    assert error.max_attempts == (2 if status == 200 else None)


BODY_CODES = [entry for entry in load_data("codes.json")["body"] if entry["code"] not in {200, 280}]


@pytest.mark.parametrize("entry", BODY_CODES)
def test_every_code_of_the_table_ends_as_it_says(entry: dict[str, Any]) -> None:
    error = _error({"Code": str(entry["code"]), "Message": "words"})
    assert (error.code, error.api_code) == (entry["name"], entry["code"])
    assert (error.retryable, error.fatal) == (entry["retryable"], entry["fatal"])
    assert error.max_attempts == entry.get("max_attempts")
    assert error.hint == entry["remedy"]
    assert entry["meaning"] in error.message


@pytest.mark.parametrize("entry", load_data("codes.json")["gateway"], ids=lambda entry: entry["prefix"])
def test_every_code_of_the_gateway_ends_as_it_says(entry: dict[str, Any]) -> None:
    error = _error({"Code": entry["prefix"] + ".Detail", "Message": "words"}, 400)
    assert (error.retryable, error.fatal, error.hint) == (entry["retryable"], entry["fatal"], entry["remedy"])
    assert error.max_attempts == entry.get("max_attempts")
    assert error.throttled == entry["prefix"].startswith("Throttling")


def test_a_code_of_the_gateway_may_have_a_bound_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"prefix": "Rare", "meaning": "m", "remedy": None, "retryable": True, "max_attempts": 2, "fatal": False}
    monkeypatch.setattr("moderate_cli.client.responses.load_data", lambda name: {"gateway": [row]})
    assert _error({"Code": "Rare.ForThisTestOnly"}, 400).max_attempts == 2


def test_half_of_a_character_in_an_answer_is_replaced() -> None:
    text = r'{"a\ud800": ["b\udfff", {"c": "\ud83d\ude00"}]}'
    for each in (text, text.encode(), text.encode("utf-16")):
        assert parse_json(each) == {"a\ufffd": ["b\ufffd", {"c": "\U0001f600"}]}
    assert parse_json(b'"\xed\xa0\x80"') == "\ufffd"
