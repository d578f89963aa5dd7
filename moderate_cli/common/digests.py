"""SM3 (GB/T 32905-2016), if Python's OpenSSL has it."""

from __future__ import annotations

import hashlib

from moderate_cli.common.errors import ModerateError


class NoSm3Error(ModerateError):
    """A checksum needs SM3, which is not available."""

    def __init__(self) -> None:
        super().__init__(
            "this Python's OpenSSL has no SM3",
            code="no_sm3",
            hint="submit tasks with --crypt-type SHA256, or use a Python whose OpenSSL has SM3",
        )


def sm3(data: bytes) -> str:
    """Return the SM3 digest of some bytes in lower-case hexadecimal; raises NoSm3Error if it is not available."""
    try:
        return hashlib.new("sm3", data).hexdigest()
    except ValueError as error:  # built without it, or held to FIPS
        raise NoSm3Error from error
