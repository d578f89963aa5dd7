"""AccessKeys: what a request is signed with, and where the current ones come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from moderate_cli.errors import CredentialsError


@dataclass(frozen=True, slots=True)
class Credentials:
    """An AccessKey pair, with a security token where it is a temporary one; its text form hides the secrets.

    `expiration` is in Unix seconds. Raises CredentialsError for what cannot stand in a header, without repeating it.
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    expiration: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that no key has, and a temporary key without its token, which no service would accept."""
        for name, value in (("ID", self.access_key_id), ("secret", self.access_key_secret)):
            if not _is_plain(value):
                raise CredentialsError(f"the AccessKey {name} is empty or has characters that no key has")
        if self.security_token is not None and not _is_plain(self.security_token):
            raise CredentialsError("the security token is empty or has characters that no token has")
        if self.access_key_id.startswith(_TEMPORARY) and self.security_token is None:
            hint = "set ALIBABA_CLOUD_SECURITY_TOKEN too, or use a permanent key"
            raise CredentialsError(
                "the AccessKey is a temporary one (STS.), and its security token is missing", hint=hint
            )


_TEMPORARY = "STS."
# Quotes are what a file of variables leaves around a value that some other program would have taken them off.
_NEVER = frozenset(" \"'`")


def _is_plain(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable() and _NEVER.isdisjoint(value)


class CredentialSource(Protocol):
    """Something that knows credentials; many threads ask it at once."""

    @property
    def origin(self) -> str:
        """Where the credentials come from, for people; never a value."""
        ...

    def current(self) -> Credentials:
        """Return credentials that are good for the next call, renewed before they expire; raises CredentialsError."""
        ...

    def renew(self, refused: Credentials) -> bool:
        """Get others after the service called some expired; False where there are no others to be had."""
        ...


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """Credentials that were given once and for all."""

    credentials: Credentials
    origin: str = "given by the program"

    def current(self) -> Credentials:
        """Return the credentials."""
        return self.credentials

    def renew(self, refused: Credentials) -> bool:
        """Tell that there are no others."""
        return False
