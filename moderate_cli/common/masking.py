"""What must not leave: the secrets of a run, and the signatures in addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "***"

# The parameters of signed addresses that are as good as a key for as long as they last: OSS (V1 and V4), S3, Google's
# storage and Azure's.
_SIGNED = re.compile(
    r"([?&](?:x-oss-signature|x-oss-security-token|x-amz-signature|x-amz-security-token|x-goog-signature"
    r"|signature|security-token|sig)=)[^&#\s]*",
    re.IGNORECASE,
)
_SHORTEST = 8  # characters of a secret: less would stand in any text


def mask_address(text: str) -> str:
    """Return a text in which the signatures of addresses are masked."""
    return _SIGNED.sub(rf"\1{MASK}", text) if "=" in text else text


def mask_bytes(content: bytes, secrets: Iterable[str | None]) -> bytes:
    """Return what came from outside without some secrets, should it repeat them."""
    for secret in _long_enough(secrets):
        content = content.replace(secret.encode(), MASK.encode())
    return content


def mask_text(text: str, secrets: Iterable[str | None]) -> str:
    """Return a text without some secrets."""
    for secret in _long_enough(secrets):
        text = text.replace(secret, MASK)
    return text


def mask_tree(value: Any, secrets: Iterable[str | None]) -> Any:
    """Return what a JSON text held without some secrets, however they were escaped in it."""
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
    return (secret for secret in secrets if secret and len(secret) >= _SHORTEST)


def repr_without(value: object, *hidden: str) -> str:
    """Return a value of ours as Python would show it, without some of its fields: they are secret, or long."""
    shown = (f"{name}={getattr(value, name)!r}" for name in type(value).__annotations__ if name not in hidden)
    return f"{type(value).__name__}({', '.join(shown)})"
