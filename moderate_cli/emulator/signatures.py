"""The server's side of signature V3 (ACS3-HMAC-SHA256), from the vendor's description of it.

This is deliberately not the client's code: each side is tested against the other and against the vendor's SDK.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALGORITHM = "ACS3-HMAC-SHA256"

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^,\s]+), *SignedHeaders=(?P<names>[^,\s]+), *Signature=(?P<hex>[0-9a-f]{{64}})"
)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The parts of an Authorization header."""

    access_key_id: str
    signed_headers: frozenset[str]
    signature: str


def parse_authorization(value: str) -> Authorization | None:
    """Take an Authorization header apart; None where it does not have the form of V3."""
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
