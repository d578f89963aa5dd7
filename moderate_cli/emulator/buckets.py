"""What can the emulated OSS do? PutObject and PostObject with upload tokens, listing and GetObject for accounts.

Buckets are in the path, and exist as long as an object is in them. Signatures V1 and V4 in the Authorization header,
and V4 in an address, are verified by the vendor's description of them; V2 is left out, because the vendor withdrew it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from msgspec import Struct

from moderate_cli.catalog.services import DEFAULT_REGION
from moderate_cli.emulator.messages import OssError, Response
from moderate_cli.emulator.state import CLOCK_TOLERANCE, is_same
from moderate_cli.emulator.upload_forms import post_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moderate_cli.emulator.messages import Request
    from moderate_cli.emulator.state import AccessKey, Listed, State, UploadToken

_MAX_KEYS = 1000  # objects of one page
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_V4 = "OSS4-HMAC-SHA256"
_SCOPE = re.compile(r"(?P<key>[^/]+)/(?P<scope>\d{8}/(?P<region>[^/]+)/oss/aliyun_v4_request)")
# Parameters that V1 signs, of those that the emulator knows.
_SIGNED_PARAMETERS = frozenset({"bucketInfo", "continuation-token"})
_SIGNATURE = "x-oss-signature"  # of an address: the one parameter that it does not sign
_OF_ADDRESSES = frozenset(
    f"x-oss-{name}"
    for name in ("additional-headers", "credential", "date", "expires", "security-token", "signature-version")
) | {_SIGNATURE}
_OPERATIONS = "PutObject, PostObject, GetObject, ListObjectsV2 and GetBucketInfo"
_MAX_EXPIRES = 7 * 24 * 60 * 60  # seconds, of an address that is signed with V4


def answer(state: State, request: Request) -> Response:
    """Carry out an operation of OSS; raises OssError."""
    bucket, _, key = (unquote(part) for part in request.path.removeprefix("/").partition("/"))
    parameters = dict(request.query)
    if request.method == "PUT" and not parameters:
        return _put_object(state, request, bucket, key)
    if request.method == "POST" and not key and not parameters:
        return Response(post_object(state, request, bucket), {"x-oss-request-id": _request_id()})
    if request.method == "GET" and not key:
        if parameters.get("list-type") == "2":
            _check_account(state, request, f"/{bucket}/")
            return _xml(200, list_objects(state, bucket, parameters))
        if "bucketInfo" in parameters:
            region = _check_account(state, request, f"/{bucket}/").region or DEFAULT_REGION
            return _xml(200, bucket_info(state, bucket, region))
    if request.method == "GET" and key and parameters.keys() <= _OF_ADDRESSES:
        return _get_object(state, request, bucket, key)
    raise OssError("NotImplemented", f"The emulator knows no operations of OSS but {_OPERATIONS}.", 501)


def error_answer(error: OssError, host: str) -> Response:
    """Return an error in XML, as OSS does."""
    request_id = _request_id()
    parts = {"Code": error.code, "Message": error.message, "RequestId": request_id, "HostId": host}
    elements = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
    return _xml(error.status, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>', request_id)


def _xml(status: int, body: str, request_id: str | None = None) -> Response:
    headers = {"Content-Type": "application/xml", "x-oss-request-id": request_id or _request_id()}
    return Response(status, headers, body.encode())


def _request_id() -> str:
    """Return a new id in the form that OSS uses."""
    return secrets.token_hex(12).upper()


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


def _get_object(state: State, request: Request, bucket: str, key: str) -> Response:
    """Return an object to the owner of the account, or to whoever has an address that the owner signed."""
    _check_account(state, request, f"/{bucket}/{key}")
    _check_bucket(state, bucket)
    content = state.objects.get(bucket, key)
    if content is None:
        raise OssError("NoSuchKey", "The specified key does not exist.", 404)
    headers = {"Content-Type": "application/octet-stream", "x-oss-request-id": _request_id()}
    return Response(200, headers, content)


def _check_digest(sent: str, actual: bytes) -> None:
    """Raise OssError for a body without the MD5 that the client announced."""
    if sent and sent != base64.b64encode(actual).decode():
        raise OssError("InvalidDigest", "The Content-MD5 that was sent is not that of the body.", 400)


def _check_account(state: State, request: Request, resource: str) -> Authorization:
    """Let the owner of the account read `/bucket/` or `/bucket/key`; raises OssError for others."""
    authorization = read_authorization(request, resource)
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
    """Raise OssError for a wrong key, an expired token or a wrong time."""
    if not is_same(known.security_token or "", authorization.security_token):
        raise OssError("InvalidSecurityToken", "The security token does not belong to the access key id.")
    now = state.clock()
    if expiration is not None and now >= expiration:
        raise OssError("SecurityTokenExpired", "The security token has expired.")
    if authorization.good_for is not None and now - authorization.sent_at >= authorization.good_for:
        raise OssError("AccessDenied", "Request has expired.")
    if authorization.good_for is None and abs(now - authorization.sent_at) > CLOCK_TOLERANCE:
        raise OssError("RequestTimeTooSkewed", "The time of the request differs too much from the server's.")
    if not is_same(authorization.expected(known.access_key_secret), authorization.signature):
        raise OssError("SignatureDoesNotMatch", "The request signature that we calculated is different.")


def _unknown_key() -> OssError:
    return OssError("InvalidAccessKeyId", "The access key id does not exist in our records.")


def list_objects(state: State, bucket: str, parameters: dict[str, str]) -> str:
    """Return one page of the objects whose keys start with a prefix, in the order of their UTF-8 names.

    Raises OssError for an unknown bucket and for parameters that are unknown or wrong.
    """
    _check_bucket(state, bucket)
    for name in ("delimiter", "start-after"):
        if parameters.get(name):
            raise OssError("NotImplemented", f"The emulator does not know the parameter {name}.", 501)
    size = parameters.get("max-keys") or "100"
    if not (size.isascii() and size.isdecimal() and 1 <= int(size) <= _MAX_KEYS):
        raise OssError("InvalidArgument", f"max-keys must be from 1 to {_MAX_KEYS}.", 400)
    prefix, after = parameters.get("prefix", ""), _key_of(parameters.get("continuation-token", ""))
    found = state.objects.listing(bucket, prefix, after, int(size) + 1)
    page, is_truncated = found[: int(size)], len(found) > int(size)
    encode = quote if parameters.get("encoding-type") == "url" else str
    parts = {
        "Name": escape(bucket),
        "Prefix": escape(encode(prefix)),
        "MaxKeys": size,
        "EncodingType": escape(parameters.get("encoding-type", "")),
        "IsTruncated": str(is_truncated).lower(),
        "KeyCount": str(len(page)),
    }
    if is_truncated:
        parts["NextContinuationToken"] = _token_of(page[-1].key)
    body = _elements(parts) + "".join(f"<Contents>{_contents(one, encode(one.key))}</Contents>" for one in page)
    return f"{_DECLARATION}<ListBucketResult>{body}</ListBucketResult>"


def bucket_info(state: State, bucket: str, region: str) -> str:
    """Return the information on a bucket, which is in whatever region the client uses; raises OssError."""
    _check_bucket(state, bucket)
    parts = {
        "CreationDate": _time(0),
        "ExtranetEndpoint": f"oss-{region}.aliyuncs.com",
        "IntranetEndpoint": f"oss-{region}-internal.aliyuncs.com",
        "Location": f"oss-{region}",
        "Name": escape(bucket),
        "StorageClass": "Standard",
        "Owner": "<DisplayName>local</DisplayName><ID>local</ID>",
        "AccessControlList": "<Grant>private</Grant>",
    }
    return f"{_DECLARATION}<BucketInfo><Bucket>{_elements(parts)}</Bucket></BucketInfo>"


def _check_bucket(state: State, bucket: str) -> None:
    if not state.objects.listing(bucket, "", "", 1):
        raise OssError("NoSuchBucket", "The specified bucket does not exist.", 404)


def _contents(one: Listed, key: str) -> str:
    parts = {
        "Key": escape(key),
        "LastModified": _time(one.stored_at),
        "ETag": f'"{one.etag}"',
        "Type": "Normal",
        "Size": str(one.size),
        "StorageClass": "Standard",
    }
    return _elements(parts)


def _elements(parts: dict[str, str]) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in parts.items())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _token_of(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _key_of(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(f"{token}{'=' * (-len(token) % 4)}").decode()
    except ValueError:
        raise OssError("InvalidArgument", "The continuation token is not valid.", 400) from None


class Authorization(Struct, frozen=True):
    """The signature of a request: its key, its time (Unix seconds), its region (V4), and how to verify it.

    `expected` computes the signature that a secret gives. That of an address is `good_for` so many seconds.
    """

    access_key_id: str
    signature: str
    sent_at: float
    expected: Callable[[str], str]
    region: str | None = None
    security_token: str = ""
    good_for: int | None = None


def read_authorization(request: Request, resource: str) -> Authorization:
    """Parse the signature of a request for `/bucket/key`, in its header or its address; raises OssError."""
    scheme, _, credentials = request.header("authorization").partition(" ")
    address = dict(request.query)
    if not scheme and _SIGNATURE in address:
        return _read_address(request, resource, address)
    if not scheme:
        raise OssError("AccessDenied", "Anonymous access is not possible here.")
    token = request.header("x-oss-security-token")
    if scheme == _V4:
        return _read_v4(request, resource, credentials, token)
    access_key_id, colon, signature = credentials.strip().partition(":")
    if scheme != "OSS" or not colon:
        message = "The emulator verifies signatures V1 and V4 in the Authorization header."
        raise OssError("InvalidArgument", message, 400)
    sent_at = _date_of(_date(request), parsedate_to_datetime)
    return Authorization(
        access_key_id, signature, sent_at, lambda secret: _sign_v1(secret, request, resource), security_token=token
    )


def _date_of(value: str, parse: Callable[[str], datetime]) -> float:
    try:
        return parse(value).timestamp()
    except (TypeError, ValueError):
        raise OssError("AccessDenied", "The request needs a valid Date header.") from None


def _date(request: Request) -> str:
    """Return the date that is signed: x-oss-date takes the place of Date."""
    return request.header("x-oss-date") or request.header("date")


def _sign_v1(secret: str, request: Request, resource: str) -> str:
    """Compute signature V1 over the method, four headers, the x-oss-* headers and the unencoded resource."""
    own = sorted((name, value) for name, value in request.headers.items() if name.startswith("x-oss-"))
    signed = sorted((name, value) for name, value in request.query if name in _SIGNED_PARAMETERS)
    parameters = "&".join(f"{name}={value}" if value else name for name, value in signed)
    lines = [
        request.method,
        request.header("content-md5"),
        request.header("content-type"),
        _date(request),
        *(f"{name}:{value}" for name, value in own),
        f"{resource}?{parameters}" if parameters else resource,
    ]
    # V1 is HMAC-SHA1 by definition; the SDK signs with it unless told otherwise.
    digest = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _read_v4(request: Request, resource: str, credentials: str, token: str) -> Authorization:
    parts = dict(part.strip().partition("=")[::2] for part in credentials.split(","))
    credential = _SCOPE.fullmatch(parts.get("Credential", ""))
    if credential is None or "Signature" not in parts:
        raise OssError("InvalidArgument", "The Authorization header does not have the form of signature V4.", 400)
    canonical = partial(_canonical, request, resource, parts.get("AdditionalHeaders", ""))
    payload = request.header("x-oss-content-sha256")
    return Authorization(
        credential["key"],
        parts["Signature"],
        _date_of(_date(request), _v4_date),
        lambda secret: _sign_v4(secret, credential["scope"], _date(request), canonical(payload)),
        credential["region"],
        token,
    )


def _read_address(request: Request, resource: str, address: dict[str, str]) -> Authorization:
    credential = _SCOPE.fullmatch(address.get("x-oss-credential", ""))
    date, expires = address.get("x-oss-date", ""), address.get("x-oss-expires", "")
    is_number = expires.isascii() and expires.isdecimal() and len(expires) <= len(str(_MAX_EXPIRES))
    if credential is None or address.get("x-oss-signature-version") != _V4 or not is_number:
        raise OssError("InvalidArgument", "The address does not have the form of signature V4.", 400)
    canonical = partial(_canonical, request, resource, address.get("x-oss-additional-headers", ""))
    return Authorization(
        credential["key"],
        address[_SIGNATURE],
        _date_of(date, _v4_date),
        lambda secret: _sign_v4(secret, credential["scope"], date, canonical("UNSIGNED-PAYLOAD")),
        credential["region"],
        address.get("x-oss-security-token", ""),
        min(int(expires), _MAX_EXPIRES),
    )


def _v4_date(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _canonical(request: Request, resource: str, additional: str, payload: str) -> str:
    """Return the text of a request as V4 sees it, with the names of further headers that are signed."""
    names = sorted(name for name in additional.lower().split(";") if name)
    query = sorted(
        (quote(name, safe="~"), quote(value, safe="~")) for name, value in request.query if name != _SIGNATURE
    )
    return "\n".join(
        (
            request.method,
            quote(resource, safe="/~"),
            "&".join(f"{name}={value}" if value else name for name, value in query),
            *(f"{name}:{value}" for name, value in _signed_headers(request, names)),
            "",
            ";".join(names),
            payload,
        )
    )


def _signed_headers(request: Request, additional: list[str]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(request.headers.items()):
        if name.startswith("x-oss-") or name in {"content-type", "content-md5", *additional}:
            yield name, value.strip()


def _sign_v4(secret: str, scope: str, date: str, canonical: str) -> str:
    """Compute signature V4 with a key that is derived from the secret for one day, region and product."""
    text = "\n".join((_V4, date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"aliyun_v4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()
