"""From an HTTP answer to the body of a judged call, or to the error that it means (green-api.md, section 3)."""

from __future__ import annotations

import json
from typing import Any

from moderate_cli.catalogue.codes import body_code, gateway_code
from moderate_cli.client.transport import Answer
from moderate_cli.errors import ServiceError

_LONGEST_QUOTE = 200


def read_body(answer: Answer) -> dict[str, Any]:
    """Return the JSON body of an answer whose code is 200.

    Raises ServiceError for errors of the gateway (HTTP 400 and above), for codes inside the body, and for bodies that
    are empty, cut off, no JSON, or no object.
    """
    body = _json_object(answer)
    if answer.status >= 400:
        raise _gateway_error(answer, body)
    code = _code(body, answer)
    if code != 200:
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
        hint="a proxy or load balancer may have answered in the service's place",
        http_status=answer.status,
        retryable=answer.status >= 500 or answer.status in {200, 429},
    )


def _code(body: dict[str, Any], answer: Answer) -> int:
    try:
        return int(str(_field(body, "Code")))
    except ValueError as error:
        raise _unreadable(answer, "without a readable Code") from error


def _field(body: dict[str, Any], *names: str) -> Any:
    """Return the first of some fields, whose names may come in lower case at the start."""
    for name in names:
        for spelling in (name, name[0].lower() + name[1:]):
            if body.get(spelling) is not None:
                return body[spelling]
    return None


def _body_error(code: int, body: dict[str, Any], answer: Answer) -> ServiceError:
    facts = body_code(code)
    said = _quoted(_field(body, "Msg", "Message"))
    return ServiceError(
        f"{facts.meaning} (code {code}{said})",
        code=facts.name,
        hint=facts.remedy,
        api_code=code,
        http_status=answer.status,
        request_id=_field(body, "RequestId"),
        retryable=facts.retryable,
        fatal=facts.fatal,
    )


def _gateway_error(answer: Answer, body: dict[str, Any]) -> ServiceError:
    code = str(_field(body, "Code") or f"http_{answer.status}")
    facts = gateway_code(code, answer.status)
    # The gateway's text on a bad signature repeats the signed request, security token and all.
    said = "" if code.startswith("SignatureDoesNotMatch") else _quoted(_field(body, "Message"))
    skew = _clock_skew(answer, code)
    return ServiceError(
        f"{skew or facts.meaning} ({code}{said})",
        code=code,
        hint=facts.remedy,
        http_status=answer.status,
        request_id=_field(body, "RequestId"),
        retryable=facts.retryable,
        fatal=facts.fatal,
    )


def _quoted(text: object) -> str:
    """Return the service's own words, on one line and not too many of them."""
    words = " ".join(str(text or "").split())
    return f": {words[:_LONGEST_QUOTE]}" if words else ""


def _clock_skew(answer: Answer, code: str) -> str | None:
    """Say by how much this machine's clock is off, where the answer tells the service's time."""
    if not code.startswith("InvalidTimeStamp") or answer.clock_skew is None:
        return None
    minutes = abs(answer.clock_skew) / 60
    return f"this machine's clock is {minutes:.0f} minutes {'ahead' if answer.clock_skew > 0 else 'behind'}"
