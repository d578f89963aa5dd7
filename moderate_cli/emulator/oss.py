"""The emulated OSS: PutObject in path style with signature V1, for the holder of an upload token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from moderate_cli.emulator.faults import OssError
from moderate_cli.emulator.keys import is_same
from moderate_cli.emulator.messages import Response
from moderate_cli.emulator.state import CLOCK_TOLERANCE

if TYPE_CHECKING:
    from moderate_cli.emulator.keys import UploadToken
    from moderate_cli.emulator.messages import Request
    from moderate_cli.emulator.state import State


def put_object(state: State, request: Request) -> Response:
    """Store the object that an authorised request brings."""
    if request.method != "PUT" or urlsplit(request.target).query:
        raise OssError("NotImplemented", "The emulator knows no operation of OSS but PutObject.", 501)
    bucket, _, key = (unquote(part) for part in request.path.removeprefix("/").partition("/"))
    token = _authenticate(state, request, bucket, key)
    if bucket != token.bucket:
        raise OssError("NoSuchBucket", "The specified bucket does not exist.", 404)
    if not key.startswith(token.prefix) or key == token.prefix:
        raise OssError("AccessDenied", f"The upload token is for keys that start with {token.prefix}")
    digest = hashlib.md5(request.body, usedforsecurity=False).digest()
    _check_digest(request.header("content-md5"), digest)
    state.objects.put(bucket, key, request.body)
    return Response(200, {"ETag": f'"{digest.hex().upper()}"', "x-oss-request-id": _request_id()})


def error_answer(error: OssError, host: str) -> Response:
    """Tell an error in XML, as OSS does."""
    request_id = _request_id()
    parts = {"Code": error.code, "Message": error.message, "RequestId": request_id, "HostId": host}
    elements = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'.encode()
    return Response(error.status, {"Content-Type": "application/xml", "x-oss-request-id": request_id}, body)


def _authenticate(state: State, request: Request, bucket: str, key: str) -> UploadToken:
    """Return the upload token with which a request is signed, or refuse the request."""
    scheme, _, credentials = request.header("authorization").partition(" ")
    if not scheme:
        raise OssError("AccessDenied", "Anonymous access is not possible here.")
    access_key_id, colon, signature = credentials.strip().partition(":")
    if scheme != "OSS" or not colon:
        raise OssError("InvalidArgument", "The emulator verifies signature V1 in the Authorization header.", 400)
    token = state.upload_token(access_key_id)
    if token is None:
        raise OssError("InvalidAccessKeyId", "The access key id does not exist in our records.")
    if not is_same(token.security_token, request.header("x-oss-security-token")):
        raise OssError("InvalidSecurityToken", "The security token does not belong to the access key id.")
    now = state.clock()
    if now >= token.expiration:
        raise OssError("SecurityTokenExpired", "The security token has expired.")
    _check_date(_date(request), now)
    if not is_same(_signature(token.access_key_secret, request, f"/{bucket}/{key}"), signature):
        raise OssError("SignatureDoesNotMatch", "The request signature that we calculated is another one.")
    return token


def _date(request: Request) -> str:
    """Return the date that is signed: x-oss-date takes the place of Date."""
    return request.header("x-oss-date") or request.header("date")


def _check_date(value: str, now: float) -> None:
    """Refuse a date that is no HTTP date, and one too far from the service's clock."""
    try:
        sent = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError):
        raise OssError("AccessDenied", "The request needs a valid Date header.") from None
    if abs(now - sent) > CLOCK_TOLERANCE:
        raise OssError("RequestTimeTooSkewed", "The time of the request differs too much from the server's.")


def _signature(secret: str, request: Request, resource: str) -> str:
    """Compute signature V1 over the method, four headers, the x-oss-* headers and the unencoded resource."""
    own = sorted((name, value) for name, value in request.headers.items() if name.startswith("x-oss-"))
    lines = [
        request.method,
        request.header("content-md5"),
        request.header("content-type"),
        _date(request),
        *(f"{name}:{value}" for name, value in own),
        resource,
    ]
    # V1 is HMAC-SHA1 by definition; the SDK signs with it unless told otherwise.
    digest = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _check_digest(sent: str, actual: bytes) -> None:
    """Refuse a body that does not have the MD5 which the client announced."""
    if sent and sent != base64.b64encode(actual).decode():
        raise OssError("InvalidDigest", "The Content-MD5 that was sent is not that of the body.", 400)


def _request_id() -> str:
    """Make an id in the form that OSS uses."""
    return secrets.token_hex(12).upper()
