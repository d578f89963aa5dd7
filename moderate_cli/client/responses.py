"""From an HTTP answer to the body of a judged call, or to the error that it means (green-api.md, section 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from html import unescape
from math import isfinite
from typing import Any

from msgspec import Struct

from moderate_cli.catalog import load_data
from moderate_cli.client.transport import Answer
from moderate_cli.common.errors import ServiceError
from moderate_cli.common.masking import mask_tree
from moderate_cli.models import Json, Verdict


class CodeFacts(Struct, frozen=True, kw_only=True):
    """What is known about one code.

    `max_attempts` is how many attempts of one call may end so, where that is less than the policy's number of attempts;
    `fatal` codes end the run, since every further call would end alike.
    """

    name: str
    meaning: str
    remedy: str | None
    retryable: bool
    fatal: bool
    billed: bool = False
    max_attempts: int | None = None


@cache
def _table(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = load_data("codes.json")[name]
    return entries


@cache
def body_code(code: int) -> CodeFacts:
    """Return what a code inside an answer's body means; an unknown one from 500 up is worth another try."""
    for entry in _table("body"):
        if entry["code"] == code:
            return CodeFacts(**{key: value for key, value in entry.items() if key != "code"})
    remedy = "see the vendor's table of codes"
    return CodeFacts(
        name=f"api_{code}", meaning=f"unknown code {code}", remedy=remedy, retryable=code >= 500, fatal=False
    )


@cache
def gateway_code(code: str, http_status: int) -> CodeFacts:
    """Return what a code of the gateway means; unknown ones are judged by their status.

    408 (the request arrived too slowly), 429 and 5xx are worth another try. The status 408 is not the body's code 408.
    """
    for entry in _table("gateway"):
        if code.startswith(entry["prefix"]):
            return CodeFacts(name=code, **{key: value for key, value in entry.items() if key != "prefix"})
    retryable = http_status in {408, 429} or http_status >= 500
    return CodeFacts(name=code, meaning=f"HTTP {http_status}", remedy=None, retryable=retryable, fatal=False)


_MAX_QUOTE_LENGTH = 200
_MAX_MESSAGE_LENGTH = 1_000
_MAX_WORD_LENGTH = 100
_MAX_XML = 65_536  # bytes
_MAX_NUMBER_LENGTH = 18  # digits: Python itself refuses to read a number with thousands
_DEEPEST = 100  # objects and lists inside each other; the service's own answers have ten or so
_OK = 200
IN_PROGRESS = 280
_TOO_LONG = {414, 431}
_FORM_HINT = "send the parameters in the body: params_in: form in moderate.yaml"


def read_body(answer: Answer) -> tuple[int, dict[str, Any]]:
    """Return the code of an answer and its JSON body: 200, or 280 for a task that is still running.

    Raises ServiceError for errors of the gateway (HTTP 400 and above), for codes inside the body, for bodies that are
    empty, cut off, no JSON, or no object, and for other statuses than 200, the only one that is final and billed.
    """
    if answer.status in _TOO_LONG:
        message = f"the request is too long for the gateway (HTTP {answer.status})"
        raise ServiceError(message, code="request_too_long", http_status=answer.status, hint=_FORM_HINT)
    body = _json_object(answer)
    if answer.status >= 400:
        raise _gateway_error(answer, body)
    if answer.status != _OK:
        raise _unreadable(answer, "not that of a final answer")
    code = _code(body, answer)
    if code not in {_OK, IN_PROGRESS}:
        raise _body_error(code, body, answer)
    return code, body


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds; raises ValueError for anything else, and for names that stand twice in an object.

    NaN, Infinity and numbers beyond them are no numbers of JSON, and stay the text that they are. What is nested deeper
    than any answer is none for us.
    """
    try:
        value = json.loads(text, parse_constant=str, parse_float=_float, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError("nested too deep")


def _float(text: str) -> float | str:
    number = float(text)
    return number if isfinite(number) else text


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # which of them is meant, nobody can tell
        raise ValueError("a name stands twice in an object")
    return found


class UnreadableAnswerError(ServiceError):
    """An answer with the code 200 that is no verdict; `verdict` is what of it could be read.

    It is not sent again by itself: the service would say the same, and bill it again.
    """

    def __init__(self, what: str, verdict: Verdict | None = None) -> None:
        super().__init__(
            f"the answer cannot be read: {what}"[:_MAX_MESSAGE_LENGTH],
            code="unreadable_answer",
            hint="--raw shows the answer; report it if the service wrote it",
            http_status=_OK,
            request_id=verdict.request_id if verdict else None,
        )
        self.verdict = verdict


def _json_object(answer: Answer) -> dict[str, Any]:
    try:
        body = parse_json(answer.body)
    except ValueError as error:
        if answer.status >= 400 and (said := _xml_error(answer.body)):
            return said
        raise _unreadable(answer, "no JSON" if answer.body.strip() else "empty") from error
    if not isinstance(body, dict):
        raise _unreadable(answer, "no JSON object")
    # Most secrets are masked in the bytes already; an escape can hide one from that look.
    return dict(mask_tree(body, answer.secrets)) if b"\\" in answer.body else body


def _xml_error(body: bytes) -> dict[str, Any]:
    """Return what an error in XML says, as the gateway answers where it does not think of JSON; nothing for no error.

    Its three fields are looked for and nothing is parsed: what is between may be anything.
    """
    text = body[:_MAX_XML].decode("utf-8", "replace")
    if "<Error" not in text:
        return {}
    found = {name: re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message", "RequestId")}
    return {name: unescape(match[1].strip()) for name, match in found.items() if match}


def _unreadable(answer: Answer, what: str) -> ServiceError:
    return ServiceError(
        f"the answer's body is {what} (HTTP {answer.status})",
        code="unreadable_answer",
        hint=_FORM_HINT if answer.status == 400 else "a proxy or load balancer may have answered in its place",
        http_status=answer.status,
        retryable=answer.status >= 500 or answer.status in {200, 408, 429},
        max_attempts=2 if answer.status == 200 else None,  # such a call may have been judged and billed
        retry_after=_retry_after(answer),
        throttled=answer.status == 429,
    )


def _code(body: dict[str, Any], answer: Answer) -> int:
    """Return the code in a body; raises ServiceError where there is none, or where several say different things."""
    codes = set(map(_whole, fields_of(body, "Code")))
    code = codes.pop() if len(codes) == 1 else None
    if code is None:
        raise _unreadable(answer, "without a readable Code")
    return code


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    try:
        return int(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except ValueError:
        return None


def fields_of(body: Json, *names: str) -> list[Any]:
    """Return all fields with some names that are there and not null; names are found in any case."""
    wanted = {name.lower() for name in names}
    return [value for name, value in body.items() if value is not None and name.strip().lower() in wanted]


def field_of(body: Json, *names: str) -> Any:
    """Return the first of some fields that is there and not null; names are found in any case."""
    for name in names:
        value = body.get(name)
        if value is not None:
            return value
    return next(iter(fields_of(body, *names)), None)


def quoted(value: object) -> str:
    """Return something that came from outside as a short text on one line, in quotes."""
    text = value if isinstance(value, str) else repr(value)
    words = " ".join(text.split())
    return repr(words if len(words) <= _MAX_QUOTE_LENGTH else f"{words[:_MAX_QUOTE_LENGTH]}...")


def _word(value: object) -> str | None:
    """Return the code of an error as the one word that it should be: it becomes a part of lines, rows and ids."""
    return re.sub(r"[^\w.-]+", "_", _text(value) or "", flags=re.ASCII)[:_MAX_WORD_LENGTH].strip("_") or None


def _text(value: object) -> str | None:
    """Return a text or a number of an error as text; anything else says nothing."""
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value)[:_MAX_QUOTE_LENGTH] if is_text and value != "" else None


def _body_error(code: int, body: dict[str, Any], answer: Answer) -> ServiceError:
    facts = body_code(code)
    said = _said(field_of(body, "Msg", "Message"))
    return ServiceError(
        f"{facts.meaning} (code {code}{said})",
        code=facts.name,
        hint=facts.remedy,
        api_code=code,
        http_status=answer.status,
        request_id=_text(field_of(body, "RequestId")),
        retryable=facts.retryable,
        fatal=facts.fatal,
        max_attempts=facts.max_attempts,
        retry_after=_retry_after(answer),
        throttled=facts.name == "rate_limited",
    )


def _gateway_error(answer: Answer, body: dict[str, Any]) -> ServiceError:
    code = _word(field_of(body, "Code")) or f"http_{answer.status}"
    facts = gateway_code(code, answer.status)
    # The gateway's text on a bad signature repeats the signed request, security token and all.
    said = "" if code.startswith("SignatureDoesNotMatch") else _said(field_of(body, "Message"))
    skew = _clock_skew(answer) if code.startswith("InvalidTimeStamp") else None
    return ServiceError(
        f"{skew or facts.meaning} ({code}{said})",
        code=code,
        hint=facts.remedy,
        http_status=answer.status,
        request_id=_text(field_of(body, "RequestId")),
        retryable=facts.retryable,
        fatal=facts.fatal,
        retry_after=_retry_after(answer),
        throttled=code.startswith("Throttling") or answer.status == 429,
        clock_skew=answer.clock_skew if code.startswith("InvalidTimeStamp") else None,
    )


def _retry_after(answer: Answer) -> float | None:
    """Return in seconds what the service asks for in milliseconds; what is no positive integer is ignored."""
    asked = str(answer.headers.get("x-acs-retry-after", ""))
    is_number = asked.isascii() and asked.isdecimal() and len(asked) <= _MAX_NUMBER_LENGTH
    return int(asked) / 1000 if is_number and int(asked) > 0 else None


def _said(text: object) -> str:
    """Return the service's own words, on one line and not too many of them."""
    words = " ".join(str(text or "").split())
    return f": {words[:_MAX_QUOTE_LENGTH]}" if words else ""


def _clock_skew(answer: Answer) -> str | None:
    """Say by how much this machine's clock is off, where the answer tells the service's time."""
    if answer.clock_skew is None:
        return None
    minutes = abs(answer.clock_skew) / 60
    return f"this machine's clock is {minutes:.0f} minutes {'ahead' if answer.clock_skew > 0 else 'behind'}"
