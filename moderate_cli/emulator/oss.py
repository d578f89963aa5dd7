"""The emulated OSS in path style: PutObject for holders of upload tokens, and a look into buckets for accounts."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape

from moderate_cli.catalogue.regions import DEFAULT_REGION
from moderate_cli.emulator import buckets
from moderate_cli.emulator.faults import OssError
from moderate_cli.emulator.keys import is_same
from moderate_cli.emulator.messages import Response
from moderate_cli.emulator.oss_signatures import read_authorization
from moderate_cli.emulator.state import CLOCK_TOLERANCE

if TYPE_CHECKING:
    from moderate_cli.emulator.keys import AccessKey, UploadToken
    from moderate_cli.emulator.messages import Request
    from moderate_cli.emulator.oss_signatures import Authorization
    from moderate_cli.emulator.state import State


def answer(state: State, request: Request) -> Response:
    """Carry out an operation of OSS, or raise OssError."""
    bucket, _, key = (unquote(part) for part in request.path.removeprefix("/").partition("/"))
    parameters = dict(request.query)
    if request.method == "PUT" and not parameters:
        return _put_object(state, request, bucket, key)
    if request.method == "GET" and not key:
        if parameters.get("list-type") == "2":
            _check_account(state, request, bucket)
            return _xml(200, buckets.list_objects(state, bucket, parameters))
        if "bucketInfo" in parameters:
            region = _check_account(state, request, bucket).region or DEFAULT_REGION
            return _xml(200, buckets.bucket_info(state, bucket, region))
    message = "The emulator knows no operations of OSS but PutObject, ListObjectsV2 and GetBucketInfo."
    raise OssError("NotImplemented", message, 501)


def error_answer(error: OssError, host: str) -> Response:
    """Tell an error in XML, as OSS does."""
    request_id = _request_id()
    parts = {"Code": error.code, "Message": error.message, "RequestId": request_id, "HostId": host}
    elements = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    return _xml(error.status, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>', request_id)


def _xml(status: int, body: str, request_id: str | None = None) -> Response:
    headers = {"Content-Type": "application/xml", "x-oss-request-id": request_id or _request_id()}
    return Response(status, headers, body.encode())


def _put_object(state: State, request: Request, bucket: str, key: str) -> Response:
    """Store the object that an authorised request brings."""
    authorization = read_authorization(request, f"/{bucket}/{key}")
    token = state.upload_token(authorization.access_key_id)
    if token is None:
        raise _unknown_key()
    _check(state, request, authorization, token, expiration=token.expiration)
    if bucket != token.bucket:
        raise OssError("NoSuchBucket", "The specified bucket does not exist.", 404)
    if not key.startswith(token.prefix) or key == token.prefix:
        raise OssError("AccessDenied", f"The upload token is for keys that start with {token.prefix}")
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    _check_digest(request.header("content-md5"), digest)
    state.objects.put(bucket, key, request.body)
    return Response(200, {"ETag": f'"{digest.hex().upper()}"', "x-oss-request-id": _request_id()})


def _check_account(state: State, request: Request, bucket: str) -> Authorization:
    """Let the owner of the account look into a bucket, or refuse the request."""
    authorization = read_authorization(request, f"/{bucket}/")
    key = state.key(authorization.access_key_id)
    if key is None:
        if state.upload_token(authorization.access_key_id):
            raise OssError("AccessDenied", "The upload token is for putting objects only.")
        raise _unknown_key()
    _check(state, request, authorization, key)
    return authorization


def _check(
    state: State,
    request: Request,
    authorization: Authorization,
    known: AccessKey | UploadToken,
    expiration: float | None = None,
) -> None:
    """Refuse a request that was not made with the key, not by now, or not any more."""
    if not is_same(known.security_token or "", request.header("x-oss-security-token")):
        raise OssError("InvalidSecurityToken", "The security token does not belong to the access key id.")
    now = state.clock()
    if expiration is not None and now >= expiration:
        raise OssError("SecurityTokenExpired", "The security token has expired.")
    if abs(now - authorization.sent_at) > CLOCK_TOLERANCE:
        raise OssError("RequestTimeTooSkewed", "The time of the request differs too much from the server's.")
    if not is_same(authorization.expected(known.access_key_secret), authorization.signature):
        raise OssError("SignatureDoesNotMatch", "The request signature that we calculated is another one.")


def _unknown_key() -> OssError:
    return OssError("InvalidAccessKeyId", "The access key id does not exist in our records.")


def _check_digest(sent: str, actual: bytes) -> None:
    """Refuse a body that does not have the MD5 which the client announced."""
    if sent and sent != base64.b64encode(actual).decode():
        raise OssError("InvalidDigest", "The Content-MD5 that was sent is not that of the body.", 400)


def _request_id() -> str:
    """Make an id in the form that OSS uses."""
    return secrets.token_hex(12).upper()
