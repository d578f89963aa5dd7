"""From an HTTP answer to the body of a judged call, or to the error that it means (green-api.md, section 3)."""

from __future__ import annotations

import json
from typing import Any

from moderate_cli.catalogue.codes import body_code, gateway_code
from moderate_cli.client.exchange import Answer
from moderate_cli.errors import ServiceError
from moderate_cli.verdicts import Json

_LONGEST_QUOTE = 200


IN_PROGRESS = 280
_TOO_LONG = {414, 431}
_FORM_HINT = "send the parameters in the body: params_in: form in moderate.yaml"


def read_body(answer: Answer) -> dict[str, Any]:
    """Return the JSON body of an answer whose code is 200, or 280 for a task that is still running.

    Raises ServiceError for errors of the gateway (HTTP 400 and above), for codes inside the body, and for bodies that
    are empty, cut off, no JSON, or no object.
    """
    if answer.status in _TOO_LONG:
        message = f"the request is too long for the gateway (HTTP {answer.status})"
        raise ServiceError(message, code="request_too_long", http_status=answer.status, hint=_FORM_HINT)
    body = _json_object(answer)
    if answer.status >= 400:
        raise _gateway_error(answer, body)
    code = _code(body, answer)
    if code not in {200, IN_PROGRESS}:
        raise _body_error(code, body, answer)
    return body


def _json_object(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body, parse_constant=lambda _: None)  # NaN and Infinity are no JSON
    except ValueError as error:
        raise _unreadable(answer, "no JSON" if answer.body.strip() else "empty") from error
    if not isinstance(body, dict):
        raise _unreadable(answer, "no JSON object")
    return body


def _unreadable(answer: Answer, what: str) -> ServiceError:
    return ServiceError(
        f"the answer's body is {what} (HTTP {answer.status})",
        code="unreadable_answer",
        hint=_FORM_HINT if answer.status == 400 else "a proxy or load balancer may have answered in its place",
        http_status=answer.status,
        retryable=answer.status >= 500 or answer.status in {200, 429},
        max_attempts=2 if answer.status == 200 else None,  # such a call may have been judged and billed
        retry_after=_retry_after(answer),
        throttled=answer.status == 429,
    )


def _code(body: dict[str, Any], answer: Answer) -> int:
    try:
        return int(str(field_of(body, "Code")))
    except ValueError as error:
        raise _unreadable(answer, "without a readable Code") from error


def field_of(body: Json, *names: str) -> Any:
    """Return the first of some fields that is there and not null; names are found in any case."""
    for name in names:
        value = body.get(name)
        if value is not None:
            return value
    wanted = [name.lower() for name in names]
    for name, value in body.items():
        if value is not None and name.lower() in wanted:
            return value
    return None


def _body_error(code: int, body: dict[str, Any], answer: Answer) -> ServiceError:
    facts = body_code(code)
    said = _quoted(field_of(body, "Msg", "Message"))
    return ServiceError(
        f"{facts.meaning} (code {code}{said})",
        code=facts.name,
        hint=facts.remedy,
        api_code=code,
        http_status=answer.status,
        request_id=field_of(body, "RequestId"),
        retryable=facts.retryable,
        fatal=facts.fatal,
        max_attempts=facts.max_attempts,
        retry_after=_retry_after(answer),
        throttled=facts.name == "rate_limited",
    )


def _gateway_error(answer: Answer, body: dict[str, Any]) -> ServiceError:
    code = str(field_of(body, "Code") or f"http_{answer.status}")
    facts = gateway_code(code, answer.status)
    # The gateway's text on a bad signature repeats the signed request, security token and all.
    said = "" if code.startswith("SignatureDoesNotMatch") else _quoted(field_of(body, "Message"))
    skew = _clock_skew(answer) if code.startswith("InvalidTimeStamp") else None
    return ServiceError(
        f"{skew or facts.meaning} ({code}{said})",
        code=code,
        hint=facts.remedy,
        http_status=answer.status,
        request_id=field_of(body, "RequestId"),
        retryable=facts.retryable,
        fatal=facts.fatal,
        retry_after=_retry_after(answer),
        throttled=code.startswith("Throttling") or answer.status == 429,
        clock_skew=answer.clock_skew if code.startswith("InvalidTimeStamp") else None,
    )


def _retry_after(answer: Answer) -> float | None:
    """Return in seconds what the service asks for in milliseconds; what is no positive integer is ignored."""
    asked = str(answer.headers.get("x-acs-retry-after", ""))
    return int(asked) / 1000 if asked.isascii() and asked.isdecimal() and int(asked) > 0 else None


def _quoted(text: object) -> str:
    """Return the service's own words, on one line and not too many of them."""
    words = " ".join(str(text or "").split())
    return f": {words[:_LONGEST_QUOTE]}" if words else ""


def _clock_skew(answer: Answer) -> str | None:
    """Say by how much this machine's clock is off, where the answer tells the service's time."""
    if answer.clock_skew is None:
        return None
    minutes = abs(answer.clock_skew) / 60
    return f"this machine's clock is {minutes:.0f} minutes {'ahead' if answer.clock_skew > 0 else 'behind'}"
