"""Which objects are in a bucket of S3, and by which address may the service download one? Signed here, for an hour.

No byte of an image passes through this machine. Credentials, region and endpoint are those of AWS' own variables, or of
the instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from moderate_cli.common.errors import InputError, UsageError
from moderate_cli.common.installation import install_command
from moderate_cli.common.loopback import is_loopback

EXTRA = "s3"

_FOR = timedelta(hours=1)  # longer than any retry waits: an address is signed when its image is next
_PAGE = 1000  # objects: the most that S3 gives at once


class S3Bucket(Protocol):
    """A bucket whose objects can be listed and signed."""

    def sign(self, key: str) -> str:
        """Return an address from which anybody may download an object for an hour; raises InputError."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with a prefix, page by page; raises InputError."""


class UnsignedBucket:
    """A bucket of a run that sends nothing: addresses that nobody signed, and no listing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def sign(self, key: str) -> str:
        """Return the address of an object, without a signature."""
        return f"https://{self._name}.s3.amazonaws.com/{quote(key, errors='surrogateescape')}"

    def keys(self, prefix: str) -> Iterator[str]:
        """Raise InputError: this needs credentials."""
        raise InputError(
            "a dry run does not list s3:// prefixes", code="s3_not_listed", hint="name an inventory by --files-from"
        )


class ObstoreBucket:
    """A bucket by the package obstore; raises UsageError where that is missing."""

    def __init__(self, name: str, variables: Mapping[str, str]) -> None:
        self._name = name
        try:
            self._obstore = import_module("obstore")
            stores = import_module("obstore.store")
        except ImportError as error:
            raise UsageError(
                "the package for S3 is not installed", code="no_s3", hint=install_command(EXTRA)
            ) from error
        self._errors = (import_module("obstore.exceptions").BaseError, ValueError)
        endpoint = urlsplit(variables.get("AWS_ENDPOINT_URL", ""))
        options = {"allow_http": True} if is_loopback(endpoint.hostname or "") else {}
        self._store: Any = stores.S3Store(name, client_options=options)

    def sign(self, key: str) -> str:
        """Return an address from which anybody may download an object for an hour; raises InputError."""
        try:
            return str(self._obstore.sign(self._store, "GET", key, _FOR))
        except self._errors as error:
            raise self._failed("sign an address in", error) from error

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with a prefix, page by page; raises InputError.

        Like a path, a prefix of obstore ends with a whole part, which it does here: it ends with a slash or is empty.
        """
        try:
            for page in self._obstore.list(self._store, prefix=prefix or None, chunk_size=_PAGE):
                yield from (found["path"] for found in page)
        except self._errors as error:
            raise self._failed("list", error) from error

    def _failed(self, what: str, error: Exception) -> InputError:
        reason = str(error).partition("\n")[0][:200]
        hint = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"
        return InputError(f"cannot {what} s3://{self._name}: {reason}", code="s3_failed", hint=hint)
