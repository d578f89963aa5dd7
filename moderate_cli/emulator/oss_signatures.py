"""The server's side of the signatures of OSS in the Authorization header, V1 and V4, from the vendor's description.

V2 is left out: the vendor withdrew it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from moderate_cli.emulator.faults import OssError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moderate_cli.emulator.messages import Request

_V4 = "OSS4-HMAC-SHA256"
_SCOPE = re.compile(r"(?P<key>[^/]+)/(?P<scope>\d{8}/(?P<region>[^/]+)/oss/aliyun_v4_request)")
# Parameters that V1 signs, of those that the emulator knows.
_SIGNED_PARAMETERS = frozenset({"bucketInfo", "continuation-token"})


@dataclass(frozen=True, slots=True)
class Authorization:
    """How a request says that it is signed: when (Unix seconds), for which region (V4), and what it should say.

    `expected` computes the signature that the secret of the key makes.
    """

    access_key_id: str
    signature: str
    sent_at: float
    expected: Callable[[str], str]
    region: str | None = None


def read_authorization(request: Request, resource: str) -> Authorization:
    """Take the Authorization header of a request for `/bucket/key` apart; raises OssError."""
    scheme, _, credentials = request.header("authorization").partition(" ")
    if not scheme:
        raise OssError("AccessDenied", "Anonymous access is not possible here.")
    if scheme == _V4:
        return _read_v4(request, resource, credentials)
    access_key_id, colon, signature = credentials.strip().partition(":")
    if scheme != "OSS" or not colon:
        message = "The emulator verifies signatures V1 and V4 in the Authorization header."
        raise OssError("InvalidArgument", message, 400)
    sent_at = _time(_date(request), parsedate_to_datetime)
    return Authorization(access_key_id, signature, sent_at, lambda secret: _sign_v1(secret, request, resource))


def _time(value: str, parse: Callable[[str], datetime]) -> float:
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


def _read_v4(request: Request, resource: str, credentials: str) -> Authorization:
    parts = dict(part.strip().partition("=")[::2] for part in credentials.split(","))
    credential = _SCOPE.fullmatch(parts.get("Credential", ""))
    if credential is None or "Signature" not in parts:
        raise OssError("InvalidArgument", "The Authorization header does not have the form of signature V4.", 400)
    sent_at = _time(_date(request), lambda text: datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    additional = [name for name in parts.get("AdditionalHeaders", "").lower().split(";") if name]
    return Authorization(
        credential["key"],
        parts["Signature"],
        sent_at,
        lambda secret: _sign_v4(secret, credential["scope"], _date(request), _canonical(request, resource, additional)),
        credential["region"],
    )


def _canonical(request: Request, resource: str, additional: list[str]) -> str:
    """Return the text of a request as V4 sees it."""
    query = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in request.query)
    return "\n".join(
        (
            request.method,
            quote(resource, safe="/~"),
            "&".join(f"{name}={value}" if value else name for name, value in query),
            *(f"{name}:{value}" for name, value in _signed_headers(request, additional)),
            "",
            ";".join(sorted(additional)),
            request.header("x-oss-content-sha256"),
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
