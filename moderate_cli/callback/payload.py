"""What a callback says, and whether it is genuine: a form with ReqId, Checksum and Content, the JSON of a result.

The vendor's pages of the OSS variant write the names in lower case and have no ReqId. No page shows the shape of the
content: it is taken for the body of DescribeImageModerationResult, or the `Data` of that body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.client.responses import (
    IN_PROGRESS,
    Response,
    field_of,
    fields_of,
    parse_json,
    quoted,
    read_body,
)
from moderate_cli.client.verdicts import read_verdict
from moderate_cli.common.digests import sm3
from moderate_cli.common.errors import ModerateError
from moderate_cli.common.masking import repr_without
from moderate_cli.models import Call, Json, Verdict

Algorithm = Literal["SHA256", "SM3"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

_MAX_FIELDS = 32


def checksum(uid: str, seed: str, content: str, algorithm: Algorithm = "SHA256") -> str:
    """Return the checksum in lower-case hexadecimal; `uid` is the id of the account, not of a RAM user.

    It is a plain hash of uid, seed and content. The vendor's page calls the SM3 one "HMAC-SM3", but there is no key,
    and its example is the digest of plain SM3.

    Raises NoSm3Error for SM3 if this Python has none.
    """
    data = "".join((uid, seed, content)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(data).hexdigest() if algorithm == "SHA256" else sm3(data)


def verify(given: str, uid: str, seed: str, content: str, algorithm: Algorithm = "SHA256") -> bool:
    """Tell whether a checksum, in either case, is right; the comparison takes constant time.

    Raises NoSm3Error as `checksum` does.
    """
    expected = checksum(uid, seed, content, algorithm)
    return hmac.compare_digest(given.lower().encode("utf-8", "surrogateescape"), expected.encode())


class CallbackError(ModerateError):
    """What was pushed is not a readable callback."""

    def __init__(self, message: str, *, code: str = "unreadable_callback", hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)


class Callback(Struct, frozen=True):
    """A readable callback, whether its checksum is right or not.

    `req_id` comes from the content if that names it, because the checksum covers the content and not the form: one that
    only the form names may be forged, and has `is_signed` False. `content` is the text that the checksum covers, `body`
    the JSON object in it.
    """

    req_id: str | None
    checksum: str
    content: str
    body: Json
    is_signed: bool = True

    def __repr__(self) -> str:
        return repr_without(self, "body")


class Form(Struct, frozen=True):
    """The fields of a pushed form, its content not yet parsed."""

    req_id: str | None
    checksum: str
    content: str

    def open(self) -> Callback:
        """Return the callback with its content parsed.

        Raises CallbackError if that is not a JSON object, or names two tasks.
        """
        body = _json_object(self.content)
        data = field_of(body, "Data")
        inside = [part for part in (data, body) if isinstance(part, Mapping)]
        signed = _ids(inside, "ReqId") or _ids(inside, "TaskId")
        if len(signed) > 1:
            raise CallbackError(f"the callback's content is about several tasks: {', '.join(map(quoted, signed))}")
        return Callback(next(iter(signed), self.req_id), self.checksum, self.content, body, is_signed=bool(signed))


def parse_callback(form: bytes) -> Callback:
    """Return the callback in a form, as it was received or recorded; raises CallbackError if there is none."""
    return parse_form(form.rstrip(b"\r\n")).open()  # a recording may end with a newline, a form does not


def parse_form(form: bytes) -> Form:
    """Return the fields of a form, whose names may be in any case; raises CallbackError if one is missing."""
    fields: dict[str, str] = {}
    pairs = form.split(b"&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise CallbackError("the form has too many fields for a callback")
    for pair in pairs:
        name, _, value = (_decoded(part) for part in pair.partition(b"="))
        if fields.setdefault(name.lower(), value) != value:
            raise CallbackError("the form has a field twice, with different values")
    missing = [name for name in ("Checksum", "Content") if not fields.get(name.lower())]
    if missing:
        raise CallbackError(f"the form has no {' and no '.join(missing)}", hint="ReqId=...&Checksum=...&Content=...")
    return Form(fields.get("reqid") or None, fields["checksum"].strip(), fields["content"])


def read_verdict_of(callback: Callback, call: Call, *, data_id: str | None = None, post: Json | None = None) -> Verdict:
    """Return the verdict in a callback; `data_id` and `post` are those with which its task was queued.

    Raises ServiceError for a body that reports a failure, or whose verdict cannot be read: an unknown shape must not
    pass for an image without findings. Raises CallbackError for a task that is still being judged.
    """
    body = callback.body
    if field_of(body, "Code") is not None:
        code, _ = read_body(Response(200, {}, callback.content.encode(), 0.0))
        if code == IN_PROGRESS:
            raise CallbackError("the callback says that the task is still being judged", code="callback_too_early")
    if not fields_of(body, "Data"):
        body = {"Data": body, "RequestId": field_of(body, "RequestId")}
    verdict = read_verdict(body, call, data_id=data_id, post=post, req_id=callback.req_id)
    return replace(verdict, req_id=callback.req_id, raw=callback.body)


def _ids(parts: Iterable[Json], name: str) -> dict[str, None]:
    return dict.fromkeys(value for part in parts for value in fields_of(part, name) if isinstance(value, str) and value)


def _decoded(part: bytes) -> str:
    try:
        return unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CallbackError("the form is not valid UTF-8") from error


def _json_object(content: str) -> dict[str, Any]:
    try:
        body = parse_json(content)
    except ValueError as error:
        raise CallbackError("the callback's content is not JSON") from error
    if not isinstance(body, dict):
        raise CallbackError("the callback's content is not a JSON object")
    return body
