"""How does a browser's form put a file into the emulated OSS? With a policy that was signed for it (PostObject).

GetUploadInfo grants such a form. Fields and errors are those of OSS's page of PostObject; a policy is JSON in Base64,
with a time until which it is valid and conditions on the fields, and its signature is V1: HMAC-SHA1, in Base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from moderate_cli.common.masking import repr_without
from moderate_cli.emulator.messages import OssError
from moderate_cli.emulator.state import is_same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moderate_cli.emulator.messages import Request
    from moderate_cli.emulator.state import State, UploadToken

UPLOAD_SECONDS = 900
"""Until a grant expires: the SDKs' example."""

MAX_BYTES = 20 * 1024 * 1024
"""Of a file that a grant lets pass; a limit of this emulator, where libraries refuse what is too large for them."""

_MAX_KEY = 1023  # bytes (OSS's page on the names of objects)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
_NAME = re.compile(r'[;\s]name="([^"]*)"')
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,200})"?')


class Form(Struct, frozen=True):
    """What a form needs to put one object: its policy with a signature, and the key and the folder of the object."""

    access_key_id: str
    policy: str
    signature: str
    security_token: str
    folder: str
    key: str

    def __repr__(self) -> str:
        return repr_without(self, "policy", "signature", "security_token")


def grant(state: State, name: str) -> Form:
    """Grant one upload; only the suffix of the file's name is in the key, as in the SDKs' example."""
    token = state.issue_upload_token()
    suffix = PurePosixPath(name).suffix
    key = f"{token.prefix}{uuid.uuid4()}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    expiration = datetime.fromtimestamp(state.clock() + UPLOAD_SECONDS, UTC)
    policy = {
        "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "conditions": [
            {"bucket": token.bucket},
            ["starts-with", "$key", token.prefix],
            ["content-length-range", 0, MAX_BYTES],
        ],
    }
    encoded = base64.b64encode(msgspec.json.encode(policy)).decode()
    signature = _sign(token.access_key_secret, encoded)
    return Form(token.access_key_id, encoded, signature, token.security_token, token.prefix, key)


def _sign(secret: str, policy: str) -> str:
    digest = hmac.new(secret.encode(), policy.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def post_object(state: State, request: Request, bucket: str) -> int:
    """Store the file of a form, and return the HTTP status that the form asks for; raises OssError."""
    fields, content = _read_form(request)
    token = state.upload_token(fields.get("OSSAccessKeyId", ""))
    if token is None:
        raise OssError("InvalidAccessKeyId", "The access key id does not exist in our records.")
    if not is_same(token.security_token, fields.get("x-oss-security-token", "")):
        raise OssError("InvalidSecurityToken", "The security token does not belong to the access key id.")
    policy = fields.get("policy", "")
    if not is_same(_sign(token.access_key_secret, policy), fields.get("Signature", "")):
        raise OssError("SignatureDoesNotMatch", "The signature of the policy that we calculated is different.")
    if bucket != token.bucket:
        raise OssError("NoSuchBucket", "The specified bucket does not exist.", 404)
    _check(state, policy, {**fields, "bucket": bucket}, len(content), token)
    state.objects.put(bucket, fields["key"], content)
    status = fields.get("success_action_status", "204")
    return int(status) if status in ("200", "201") else 204


class _Policy(Struct):
    expiration: datetime
    conditions: list[dict[str, str] | list[Any]]


def _check(state: State, encoded: str, fields: Mapping[str, str], size: int, token: UploadToken) -> None:
    """Raise OssError for a form that its policy does not allow."""
    try:
        policy = msgspec.json.decode(base64.b64decode(encoded, validate=True), type=_Policy)
    except (ValueError, msgspec.MsgspecError):
        raise OssError("InvalidPolicyDocument", "The policy is not valid.", 400) from None
    if state.clock() >= min(policy.expiration.timestamp(), token.expiration):
        raise OssError("AccessDenied", "Invalid according to Policy: Policy expired.")
    if not fields.get("key", "").removeprefix(token.prefix):
        raise OssError("InvalidArgument", "The form has no key of an object.", 400)
    if len(fields["key"].encode()) > _MAX_KEY:
        raise OssError("InvalidObjectName", "The length of the object name is invalid.", 400)
    for condition in policy.conditions:
        if not _holds(condition, fields, size):
            raise OssError("AccessDenied", "Invalid according to Policy: Policy Condition failed.")


def _holds(condition: dict[str, str] | list[Any], fields: Mapping[str, str], size: int) -> bool:
    if isinstance(condition, dict):
        return all(fields.get(name) == value for name, value in condition.items())
    kind, *rest = condition
    if kind == "content-length-range":
        return bool(rest[0] <= size <= rest[1])
    value = fields.get(rest[0].removeprefix("$"), "")
    return value.startswith(rest[1]) if kind == "starts-with" else value == rest[1]


def _read_form(request: Request) -> tuple[dict[str, str], bytes]:
    """Return the fields of a form and its file, which is its last part; raises OssError."""
    found = _BOUNDARY.search(request.header("content-type"))
    if found is None or not request.header("content-type").lower().startswith("multipart/form-data"):
        raise OssError("InvalidArgument", "The body is no form of the type multipart/form-data.", 400)
    mark = b"\r\n--" + found[1].encode()
    fields: dict[str, str] = {}
    for part in (b"\r\n" + request.body).split(mark)[1:]:
        if part.startswith(b"--"):
            break
        head, blank, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head.decode("utf-8", "replace"))
        if not blank or name is None:
            break
        if name[1] == "file":
            return fields, content
        fields[name[1]] = content.decode("utf-8", "replace")
    raise OssError("IncompleteBody", "The form has no file as its last part.", 400)
