"""Which calls does the Green API accept? The others are refused with the code of the vendor's gateway.

The codes come from the error tables of several products of the vendor, which agree on the names but not on each
HTTP status; Green publishes no list of its own. The most frequent status of each is used here.

Signature V3 (ACS3-HMAC-SHA256) is verified by the vendor's description of it. This is deliberately not the client's
code: each side is tested against the other and against the vendor's SDK.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from moderate_cli.emulator.messages import GatewayError
from moderate_cli.emulator.state import CLOCK_TOLERANCE, is_same

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from moderate_cli.emulator.messages import Request
    from moderate_cli.emulator.state import AccessKey, State

ALGORITHM = "ACS3-HMAC-SHA256"
API_VERSION = "2022-03-02"
MANAGEMENT_VERSION = "2022-09-26"
_VERSIONS = (API_VERSION, MANAGEMENT_VERSION)

_REQUIRED = (
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^,\s]+), *SignedHeaders=(?P<names>[^,\s]+), *Signature=(?P<hex>[0-9a-f]{{64}})"
)


def admit(request: Request, state: State) -> None:
    """Accept a signed call, or raise the GatewayError that the vendor's gateway would respond with."""
    _check_headers(request)
    authorization = _read_authorization(request)
    _check_date(request.header("x-acs-date"), state.clock())
    key = state.key(authorization.access_key_id)
    if key is None:
        raise GatewayError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
    _check_security_token(request.header("x-acs-security-token"), key)
    _check_signed_headers(request, authorization)
    _check_body(request)
    _check_signature(request, authorization, key)
    # Last, so that a request which was not signed with the key cannot use up a nonce.
    if not state.is_new_nonce(key.access_key_id, request.header("x-acs-signature-nonce")):
        raise GatewayError("SignatureNonceUsed", "Specified signature nonce was used already.")


def _check_headers(request: Request) -> None:
    """Refuse another method or version, and a call without one of the required headers."""
    if request.method != "POST":
        raise GatewayError("UnsupportedHTTPMethod", f"The method {request.method} is not supported; use POST.")
    for name in _REQUIRED:
        if not request.header(name):
            raise GatewayError("MissingParameter", f"The request header {name} is mandatory.")
    if request.header("x-acs-version") not in _VERSIONS:
        raise GatewayError("InvalidVersion", f"Specified version is not valid; there is {' and '.join(_VERSIONS)}.")


def _read_authorization(request: Request) -> Authorization:
    """Return the parts of the Authorization header."""
    if not request.header("authorization"):
        raise GatewayError("MissingAccessKeyId", "The request header Authorization is mandatory.")
    authorization = parse_authorization(request.header("authorization"))
    if authorization is None:
        form = f"{ALGORITHM} Credential=...,SignedHeaders=...,Signature=..."
        raise GatewayError("IncompleteSignature", f"The request header Authorization must have the form {form}")
    return authorization


def _check_date(value: str, now: float) -> None:
    """Refuse a date in another format, and one too far from the service's clock."""
    sent = _unix_time(value)
    if sent is None:
        message = "Specified time stamp is not well formatted; the form is YYYY-MM-DDThh:mm:ssZ."
        raise GatewayError("InvalidTimeStamp.Format", message)
    if abs(now - sent) > CLOCK_TOLERANCE:
        raise GatewayError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def _unix_time(value: str) -> float | None:
    """Return the Unix time of a date in the one accepted format, or None."""
    if not _DATE.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC).timestamp()
    except ValueError:
        return None


def _check_security_token(sent: str, key: AccessKey) -> None:
    """Refuse a token where the key has none, none where it has one, and another than the key's."""
    if not is_same(sent, key.security_token or ""):
        code = "InvalidSecurityToken.MismatchWithAccessKey"
        raise GatewayError(code, "Specified security token does not belong to the access key.")


def _check_signed_headers(request: Request, authorization: Authorization) -> None:
    """Refuse a call that leaves unsigned what signature V3 covers: host, content-type and x-acs-*."""
    covered = [name for name in request.headers if name.startswith("x-acs-") or name in ("host", "content-type")]
    for name in sorted(covered):
        if name not in authorization.signed_headers:
            raise GatewayError("IncompleteSignature", f"The request header {name} must be in SignedHeaders.")


def _check_body(request: Request) -> None:
    """Refuse a body other than the one that was signed."""
    actual = hashlib.sha256(request.body).hexdigest()
    if request.header("x-acs-content-sha256") != actual:
        message = f"The SHA-256 of the body differs from x-acs-content-sha256; the server's is {actual}."
        raise GatewayError("SignatureDoesNotMatch", message)


def _check_signature(request: Request, authorization: Authorization, key: AccessKey) -> None:
    """Refuse a signature that the key's secret does not give."""
    text = string_to_sign(request.method, request.path, request.query, request.headers, authorization.signed_headers)
    if not is_same(sign(key.access_key_secret, text), authorization.signature):
        seen = text.replace("\n", " ")
        message = f"Specified signature is not matched with our calculation. server StringToSign is [{seen}]"
        raise GatewayError("SignatureDoesNotMatch", message)


class Authorization(Struct, frozen=True):
    """The parts of an Authorization header."""

    access_key_id: str
    signed_headers: frozenset[str]
    signature: str


def parse_authorization(value: str) -> Authorization | None:
    """Parse an Authorization header; None where it does not have the form of V3."""
    match = _AUTHORIZATION.fullmatch(value.strip())
    if match is None:
        return None
    names = frozenset(match["names"].lower().split(";"))
    return Authorization(match["key"], names, match["hex"])


def string_to_sign(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    signed_headers: Iterable[str],
) -> str:
    """Build the text that a client signs, from a request's decoded query and its headers in lower case."""
    names = sorted(signed_headers)
    canonical_headers = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in names)
    canonical_query = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(query))
    payload_hash = headers.get("x-acs-content-sha256", "")
    canonical = "\n".join((method, path, canonical_query, canonical_headers, ";".join(names), payload_hash))
    return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def sign(secret: str, text: str) -> str:
    """Compute the signature of a text in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _encode(text: str) -> str:
    """Percent-encode by RFC 3986: only letters, digits and - _ . ~ stay."""
    return quote(text, safe="~")
