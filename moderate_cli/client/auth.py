"""How a call is signed: credentials and where they come from, then signature V3 (ACS3-HMAC-SHA256) as pure functions.

Source: the vendor's page "Request syntax and signature method V3", and its SDK as the second witness;
tests/client/test_auth.py checks the page's worked example and vectors made with the SDK. The signed headers are the
page's set, not the SDK's, which also signs `user-agent` and so breaks behind a proxy that rewrites it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

from msgspec import Struct, field

from moderate_cli.common.errors import CredentialsError
from moderate_cli.common.masking import repr_without

ALGORITHM = "ACS3-HMAC-SHA256"
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"

_TEMPORARY_PREFIX = "STS."
_FORBIDDEN = frozenset(" \"'`")  # quotes: what is left of a value copied from a shell script or an .env file


class Credentials(Struct, frozen=True):
    """An AccessKey pair, with a security token if it is temporary; `repr` hides the secrets.

    `expiration` is in Unix seconds. Raises CredentialsError for values that no key has, without repeating them, and
    for a temporary key without its token.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str | None = None
    expiration: float | None = None

    def __repr__(self) -> str:
        return repr_without(self, "access_key_secret", "security_token")

    def __post_init__(self) -> None:
        for name, value in (("ID", self.access_key_id), ("secret", self.access_key_secret)):
            if not _is_plain(value):
                raise CredentialsError(f"the AccessKey {name} is empty or contains invalid characters")
        if self.security_token is not None and not _is_plain(self.security_token):
            raise CredentialsError("the security token is empty or contains invalid characters")
        if self.access_key_id.startswith(_TEMPORARY_PREFIX) and self.security_token is None:
            hint = "set ALIBABA_CLOUD_SECURITY_TOKEN too, or use a permanent key"
            raise CredentialsError("a temporary AccessKey (STS.) needs its security token", hint=hint)


def _is_plain(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable() and _FORBIDDEN.isdisjoint(value)


class CredentialSource(Protocol):
    """Provides credentials; called by many threads at once."""

    @property
    def origin(self) -> str:
        """Where the credentials come from, in words; never a secret."""
        ...

    def current(self) -> Credentials:
        """Return credentials valid for the next call, renewed before they expire; raises CredentialsError."""
        ...

    def renew(self, refused: Credentials) -> bool:
        """Replace credentials that the service refused as expired; return False if there are no others."""
        ...


class FixedCredentials(Struct, frozen=True):
    """Credentials that never change."""

    credentials: Credentials
    origin: str = "given by the program"

    def current(self) -> Credentials:
        """Return the credentials."""
        return self.credentials

    def renew(self, refused: Credentials) -> bool:
        """Return False: there are no others."""
        return False


class UnsignedRequest(Struct, frozen=True, kw_only=True):
    """A call to be signed: `date` is `YYYY-MM-DDThh:mm:ssZ` in UTC, `nonce` any string not used before."""

    host: str
    action: str
    version: str
    date: str
    nonce: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str | None = None
    method: str = "POST"


def percent_encode(text: str) -> str:
    """Percent-encode by RFC 3986: only letters, digits and `-_.~` stay as they are."""
    return quote(text, safe="~")


def canonical_query(query: Mapping[str, str]) -> str:
    """Return the query sorted by name and percent-encoded, as it is signed and sent."""
    return "&".join(f"{percent_encode(name)}={percent_encode(query[name])}" for name in sorted(query))


def form_body(form: Mapping[str, str]) -> bytes:
    """Return a form's body, its fields in the given order."""
    return urlencode(form).encode("ascii")


def headers_to_sign(request: UnsignedRequest, credentials: Credentials) -> dict[str, str]:
    """Return the documented headers, all of which are signed and sent."""
    headers = {
        "host": request.host,
        "x-acs-action": request.action,
        "x-acs-content-sha256": hashlib.sha256(request.body).hexdigest(),
        "x-acs-date": request.date,
        "x-acs-signature-nonce": request.nonce,
        "x-acs-version": request.version,
    }
    if request.content_type is not None:
        headers["content-type"] = request.content_type
    if credentials.security_token is not None:
        headers["x-acs-security-token"] = credentials.security_token
    return headers


def canonical_request(request: UnsignedRequest, headers: Mapping[str, str]) -> str:
    """Return the text whose hash is signed; the names of `headers` are in lower case."""
    names = sorted(headers)
    lines = [request.method, "/", canonical_query(request.query)]
    lines += [f"{name}:{headers[name].strip()}" for name in names]
    lines += ["", ";".join(names), headers["x-acs-content-sha256"]]
    return "\n".join(lines)


def string_to_sign(canonical: str) -> str:
    """Return the text that is signed: the algorithm's name and the hash of the canonical request."""
    return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def signature(secret: str, text: str) -> str:
    """Return the HMAC-SHA256 of a text in hexadecimal; the key is the secret itself, without V1's trailing `&`."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signed_headers(request: UnsignedRequest, credentials: Credentials) -> dict[str, str]:
    """Return all headers that the signed request must carry, including Authorization."""
    headers = headers_to_sign(request, credentials)
    signed = signature(credentials.access_key_secret, string_to_sign(canonical_request(request, headers)))
    names = ";".join(sorted(headers))
    headers["Authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id},SignedHeaders={names},Signature={signed}"
    )
    return headers
