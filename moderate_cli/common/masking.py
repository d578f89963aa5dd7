"""Masking of secrets, and of the signatures in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

MASK = "***"

# The parameters of presigned URLs that grant access until they expire: OSS (V1, V4), S3, Google Cloud Storage, Azure.
_SIGNED = re.compile(
    r"([?&](?:x-oss-signature|x-oss-security-token|x-amz-signature|x-amz-security-token|x-goog-signature"
    r"|signature|security-token|sig)=)[^&#\s]*",
    re.IGNORECASE,
)
_MIN_LENGTH = 8  # characters of a secret: a shorter one could occur in any text


def mask_address(text: str) -> str:
    """Return a text with the signatures in its URLs masked."""
    return _SIGNED.sub(rf"\1{MASK}", text) if "=" in text else text


def without_password(address: str) -> str:
    """Return an address without what stands before its host and after its path."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def has_password(address: str) -> bool:
    """Tell whether an address may hold a password."""
    parts = urlsplit(address)
    return "@" in parts.netloc or bool(parts.query)


def mask_bytes(content: bytes, secrets: Iterable[str | None]) -> bytes:
    """Return bytes with some secrets masked."""
    for secret in _long_enough(secrets):
        content = content.replace(secret.encode(), MASK.encode())
    return content


def mask_text(text: str, secrets: Iterable[str | None]) -> str:
    """Return a text with some secrets masked."""
    for secret in _long_enough(secrets):
        text = text.replace(secret, MASK)
    return text


def mask_tree(value: Any, secrets: Iterable[str | None]) -> Any:
    """Return parsed JSON with some secrets masked in keys and values."""
    known = tuple(secrets)
    match value:
        case str():
            return mask_text(value, known)
        case list():
            return [mask_tree(part, known) for part in value]
        case dict():
            return {mask_text(name, known): mask_tree(part, known) for name, part in value.items()}
    return value


def _long_enough(secrets: Iterable[str | None]) -> Iterator[str]:
    return (secret for secret in secrets if secret and len(secret) >= _MIN_LENGTH)


def repr_without(value: Struct, *hidden: str) -> str:
    """Return the repr of an instance without the `hidden` fields, which are secret or long."""
    shown = (f"{name}={getattr(value, name)!r}" for name in value.__struct_fields__ if name not in hidden)
    return f"{type(value).__name__}({', '.join(shown)})"
