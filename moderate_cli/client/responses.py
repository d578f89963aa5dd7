"""What came back: from an HTTP response to the JSON body of an accepted call, or to the error that it means.

Codes: the vendor's tables, in catalog/codes.json with their source and date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from math import isfinite
from typing import Any

from msgspec import Struct

from moderate_cli.catalog import load_data
from moderate_cli.common.errors import ServiceError
from moderate_cli.common.masking import mask_address, mask_tree, mentions, repr_without
from moderate_cli.common.text import well_formed_json
from moderate_cli.models import Json, Submission, Verdict

IN_PROGRESS = 280  # the code in the body for a task that is still running

_OK = 200
_TOO_LONG = {414, 431}
_FORM_HINT = "send the parameters in the body: params_in: form in moderate.yaml"
_MAX_QUOTE_LENGTH = 200  # characters
_MAX_MESSAGE_LENGTH = 1_000  # characters
_MAX_WORD_LENGTH = 100  # characters
_MAX_XML = 65_536  # bytes
_MAX_NUMBER_LENGTH = 18  # digits: Python itself refuses to parse a number of thousands of digits
_MAX_DEPTH = 100  # objects and lists inside each other; the service's own responses have about ten


class Response(Struct, frozen=True):
    """An HTTP response: status, headers (names in any case), body, and when it was asked for, in Unix seconds.

    Nothing that is shown may repeat `secrets`, those of its request, or those `granted` by earlier responses.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: float
    secrets: tuple[str | None, ...] = ()
    granted: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return repr_without(self, "body", "secrets", "granted")

    @property
    def clock_skew(self) -> float | None:
        """By how many seconds this machine's clock is ahead of the service's, None without a readable Date header."""
        from email.utils import parsedate_to_datetime  # only a wrong clock needs it

        try:
            return self.sent_at - parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return None


class CodeFacts(Struct, frozen=True, kw_only=True):
    """What is known about one code.

    `max_attempts` is how many attempts of one call may end with it, if that is less than the retry policy allows.
    A `fatal` code ends the run, since every further call would end the same way.
    """

    name: str
    meaning: str
    remedy: str | None
    retryable: bool
    fatal: bool
    billed: bool = False
    max_attempts: int | None = None


# The vendor's service has one code for both; our own engine says which it is.
_UNSUPPORTED = 407
_SAYS_DAMAGED = ": image is damaged"
_DAMAGED = CodeFacts(
    name="damaged",
    meaning="the image is damaged",
    remedy="open it in a viewer and save it again, or download it again",
    retryable=False,
    fatal=False,
)


@cache
def body_code(code: int) -> CodeFacts:
    """Return what a code inside a body means; an unknown code is retryable from 500 up."""
    for entry in _codes("body"):
        if entry["code"] == code:
            return CodeFacts(**{key: value for key, value in entry.items() if key != "code"})
    remedy = "see the vendor's table of codes"
    return CodeFacts(
        name=f"api_{code}", meaning=f"unknown code {code}", remedy=remedy, retryable=code >= 500, fatal=False
    )


@cache
def gateway_code(code: str, http_status: int) -> CodeFacts:
    """Return what a code of the gateway means; an unknown one is judged by its HTTP status.

    408 (the request arrived too slowly), 429 and 5xx are retryable. HTTP status 408 is not the body's code 408.
    """
    for entry in _codes("gateway"):
        if code.startswith(entry["prefix"]):
            return CodeFacts(name=code, **{key: value for key, value in entry.items() if key != "prefix"})
    retryable = http_status in {408, 429} or http_status >= 500
    return CodeFacts(name=code, meaning=f"HTTP {http_status}", remedy=None, retryable=retryable, fatal=False)


def _codes(table: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = load_data("codes.json")[table]
    return entries


class UnreadableResponseError(ServiceError):
    """A response with the code 200 that is not readable; `verdict` or `submission` is what could be read of it.

    It is not retried: the service would answer the same, and bill it again. A submission without an id has the id "".
    """

    def __init__(self, what: str, verdict: Verdict | None = None, *, submission: Submission | None = None) -> None:
        self.verdict = verdict
        self.submission = submission
        is_queued = f"the service queued it as {self.req_id}: `moderate poll` asks for the result"
        read = verdict or submission
        super().__init__(
            f"unreadable response: {what}"[:_MAX_MESSAGE_LENGTH],
            code="unreadable_answer",
            hint=is_queued if self.req_id else "--raw shows the response; report it if the service wrote it",
            http_status=_OK,
            request_id=read.request_id if read else None,
        )

    @property
    def req_id(self) -> str | None:
        """The id of the task that the service has queued all the same, and bills."""
        return (self.submission.req_id or None) if self.submission else None


class OutcomeUnknownError(ServiceError):
    """A call that must not be repeated blindly may have been carried out: whoever made it must read the state first."""

    def __init__(self, operation: str, cause: ServiceError) -> None:
        super().__init__(
            f"{operation} may have been carried out: {cause.message}",
            code="outcome_unknown",
            hint="read the account's state before you repeat it",
            api_code=cause.api_code,
            http_status=cause.http_status,
            request_id=cause.request_id,
        )


def read_body(response: Response) -> tuple[int, dict[str, Any]]:
    """Return the code inside a response and its JSON body: 200, or 280 for a task that is still running.

    Raises ServiceError for errors of the gateway (HTTP 400 and above), for error codes inside the body, for a body that
    is empty, cut off, not JSON or not an object, and for any status but 200, the only one that is final and billed.
    """
    body = _final_json(response)
    code = _code(body, response)
    if code not in {_OK, IN_PROGRESS}:
        raise _body_error(code, body, response)
    return code, body


def read_management_body(response: Response) -> tuple[int, dict[str, Any]]:
    """Return 200 and the JSON body of an accepted call of the management API.

    Its codes are those of HTTP, not those of the moderation operations, and some of its operations have none (models
    of the vendor's SDK for 2022-09-26, 1.13.5). Raises ServiceError as `read_body` does, and for `Success: false`.
    """
    body = _final_json(response)
    for name in ("Code", "HttpStatusCode"):
        code = _code(body, response, name) if fields_of(body, name) else _OK
        if code != _OK:
            raise _management_error(code, body, response)
    if not all(map(is_true, fields_of(body, "Success"))):
        message = _message(field_of(body, "Msg", "Message"))
        raise ServiceError(
            f"the service did not carry out the call{message}",
            code="not_carried_out",
            hint="the message is the service's own",
            http_status=response.status,
            request_id=_text(field_of(body, "RequestId")),
        )
    return _OK, body


def grant_in(response: Response) -> dict[str, Any]:
    """Return the JSON body of an accepted response that grants access, with its secrets: they may be granted again."""
    return dict(mask_tree(parse_json(response.body), response.secrets))


def is_true(value: object) -> bool:
    """Tell whether a value of the API is true, as a boolean or as text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _final_json(response: Response) -> dict[str, Any]:
    """Return the JSON body of a response with the status 200; raises ServiceError for any other."""
    if response.status in _TOO_LONG:
        message = f"the request is too long for the gateway (HTTP {response.status})"
        raise ServiceError(message, code="request_too_long", http_status=response.status, hint=_FORM_HINT)
    body = _json_object(response)
    if response.status >= 400:
        raise _gateway_error(response, body)
    if response.status != _OK:
        raise _unreadable(response, "not that of a final response")
    return body


def _json_object(response: Response) -> dict[str, Any]:
    try:
        body = parse_json(response.body)
    except ValueError as error:
        if response.status >= 400 and (fields := xml_error(response.body)):
            return dict(mask_tree(fields, (*response.secrets, *response.granted)))
        raise _unreadable(response, "not JSON" if response.body.strip() else "empty") from error
    if not isinstance(body, dict):
        raise _unreadable(response, "not a JSON object")
    secrets, content = (*response.secrets, *response.granted), response.body
    if b"\\u" in content:  # any letter may be written by its code
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return dict(mask_tree(body, secrets)) if mentions(content, secrets) else body


def xml_error(body: bytes) -> dict[str, Any]:
    """Return the fields of an error in XML, as of OSS and sometimes of the gateway; empty if it is not one.

    Only its three fields are searched for, and nothing is parsed: anything may stand between them.
    """
    text = body[:_MAX_XML].decode("utf-8", "replace")
    if "<Error" not in text:
        return {}
    from html import unescape  # 1 ms that only an XML error needs

    found = {name: re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message", "RequestId")}
    return {name: unescape(match[1].strip()) for name, match in found.items() if match}


def _unreadable(response: Response, what: str) -> ServiceError:
    return ServiceError(
        f"the body of the response is {what} (HTTP {response.status})",
        code="unreadable_answer",
        hint=_FORM_HINT if response.status == 400 else "a proxy or load balancer may have answered in its place",
        http_status=response.status,
        retryable=response.status >= 500 or response.status in {200, 408, 429},
        max_attempts=2 if response.status == 200 else None,  # such a call may have been judged and billed
        retry_after=_retry_after(response),
        throttled=response.status == 429,
    )


def _code(body: dict[str, Any], response: Response, name: str = "Code") -> int:
    """Return the code in a body; raises ServiceError if there is none, or several that differ."""
    codes = set(map(whole_number, fields_of(body, name)))
    code = codes.pop() if len(codes) == 1 else None
    if code is None:
        raise _unreadable(response, f"without a readable {name}")
    return code


def whole_number(value: object) -> int | None:
    """Return a number of up to 18 digits or its text as an integer, None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()  # Python would also take underscores, and the digits of other scripts
    return int(text) if re.fullmatch("[+-]?[0-9]{1,18}", text) else None


def _word(value: object) -> str | None:
    """Return the code of an error as one word, None for an empty one: it becomes part of lines, rows and ids."""
    return re.sub(r"[^\w.-]+", "_", _text(value) or "", flags=re.ASCII)[:_MAX_WORD_LENGTH].strip("_") or None


def _text(value: object) -> str | None:
    """Return a text or a number as text, None for anything else."""
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value)[:_MAX_QUOTE_LENGTH] if is_text and value != "" else None


def _body_error(code: int, body: dict[str, Any], response: Response) -> ServiceError:
    facts, message = body_code(code), _message(field_of(body, "Msg", "Message"))
    if code == _UNSUPPORTED and message.startswith(_SAYS_DAMAGED):
        facts, message = _DAMAGED, message.removeprefix(_SAYS_DAMAGED)
    return ServiceError(
        f"{facts.meaning} (code {code}{message})",
        code=facts.name,
        hint=facts.remedy,
        api_code=code,
        http_status=response.status,
        request_id=_text(field_of(body, "RequestId")),
        retryable=facts.retryable,
        fatal=facts.fatal,
        max_attempts=facts.max_attempts,
        retry_after=_retry_after(response),
        throttled=facts.name == "rate_limited",
    )


def _management_error(code: int, body: dict[str, Any], response: Response) -> ServiceError:
    return ServiceError(
        f"{'the service failed' if code >= 500 else 'the service refused the call'}"
        f" (code {code}{_message(field_of(body, 'Msg', 'Message'))})",
        code=f"api_{code}",
        hint="try again later" if code >= 500 else "the message is the service's own",
        api_code=code,
        http_status=response.status,
        request_id=_text(field_of(body, "RequestId")),
        retryable=code >= 500 or code == 429,
        retry_after=_retry_after(response),
        throttled=code == 429,
    )


def _gateway_error(response: Response, body: dict[str, Any]) -> ServiceError:
    code = _word(field_of(body, "Code")) or f"http_{response.status}"
    facts = gateway_code(code, response.status)
    # The gateway's text on a bad signature repeats the signed request, security token and all.
    message = "" if code.startswith("SignatureDoesNotMatch") else _message(field_of(body, "Message"))
    skew = response.clock_skew if code.startswith("InvalidTimeStamp") else None
    return ServiceError(
        f"{facts.meaning if skew is None else _skew_in_words(skew)} ({code}{message})",
        code=code,
        hint=facts.remedy,
        http_status=response.status,
        request_id=_text(field_of(body, "RequestId")),
        retryable=facts.retryable,
        fatal=facts.fatal,
        max_attempts=facts.max_attempts,
        retry_after=_retry_after(response),
        throttled=code.startswith("Throttling") or response.status == 429,
        clock_skew=skew,
    )


def _retry_after(response: Response) -> float | None:
    """Return the delay that the service asks for in seconds (it sends milliseconds), None unless it is positive."""
    asked = str(response.headers.get("x-acs-retry-after", ""))
    is_number = asked.isascii() and asked.isdecimal() and len(asked) <= _MAX_NUMBER_LENGTH
    return int(asked) / 1000 if is_number and int(asked) > 0 else None


def _message(text: object) -> str:
    """Return the service's own message to be appended, on one line and shortened."""
    words = mask_address(" ".join(str(text or "").split()))
    return f": {words[:_MAX_QUOTE_LENGTH]}" if words else ""


def _skew_in_words(seconds: float) -> str:
    """Return by how much this machine's clock is off."""
    return f"this machine's clock is {abs(seconds) / 60:.0f} minutes {'ahead' if seconds > 0 else 'behind'}"


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    NaN, Infinity and numbers too large for a float are not JSON, and are returned as text; every text is `well_formed`.
    Raises ValueError for text that is not JSON, for a name that occurs twice in an object, and for nesting deeper than
    in any real response.
    """
    try:
        value = json.loads(text, parse_constant=str, parse_float=_float, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return well_formed_json(value)
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
    if len(found) < len(pairs):  # nobody can tell which one is meant
        raise ValueError("a name occurs twice in an object")
    return found


def fields_of(body: Json, *names: str) -> list[Any]:
    """Return the values of all fields with one of the names, in any case, that are not null."""
    wanted = {name.lower() for name in names}
    return [value for name, value in body.items() if value is not None and name.strip().lower() in wanted]


def field_of(body: Json, *names: str) -> Any:
    """Return the first value, by the order of the names, in any case, that is not null; None if there is none."""
    for name in names:
        value = body.get(name)
        if value is not None:
            return value
    return next(iter(fields_of(body, *names)), None)


def quoted(value: object) -> str:
    """Return a value from outside as short text on one line, in quotes."""
    text = value if isinstance(value, str) else repr(value)
    words = " ".join(text.split())
    return repr(words if len(words) <= _MAX_QUOTE_LENGTH else f"{words[:_MAX_QUOTE_LENGTH]}...")
