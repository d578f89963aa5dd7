"""Credentials that the emulated services know: access keys and upload tokens."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

UPLOAD_BUCKET = "oss-cip-local"
"""The bucket of every upload token; the vendor's are named after their region, such as oss-cip-shanghai."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key pair for the Green API; one with a security token is a temporary (STS) credential."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)

    @classmethod
    def random(cls) -> AccessKey:
        """Make a key pair that nobody can guess."""
        return cls(f"LOCAL{secrets.token_hex(10).upper()}", secrets.token_urlsafe(24))


@dataclass(frozen=True, slots=True)
class UploadToken:
    """A grant to put objects under one prefix of one bucket, until it expires."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    bucket: str
    prefix: str
    expiration: int

    @classmethod
    def random(cls, expiration: int) -> UploadToken:
        """Make a grant with a prefix of its own that ends at a Unix time."""
        return cls(
            access_key_id=f"STS.{secrets.token_hex(10).upper()}",
            access_key_secret=secrets.token_urlsafe(24),
            security_token=secrets.token_urlsafe(48),
            bucket=UPLOAD_BUCKET,
            prefix=f"upload/{secrets.token_hex(6)}/",
            expiration=expiration,
        )


def is_same(left: str, right: str) -> bool:
    """Compare two secrets or signatures in a time that tells nothing about either."""
    return hmac.compare_digest(left.encode(), right.encode())
