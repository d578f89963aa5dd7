"""The only door to Redis: short timeouts, one retry for a connection that was closed meanwhile, and no secrets told."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from moderate_cli.common.errors import UsageError
from moderate_cli.common.installation import install_command
from moderate_cli.common.masking import without_password

EXTRA = "scale"

_TIMEOUT = 2.0  # seconds to connect and for an answer, which takes a millisecond: calls wait meanwhile


def open_redis(address: str) -> tuple[Any, type[Exception]]:
    """Return a client, which connects on first use, and the class of its errors.

    Raises UsageError where the package is missing, or for an address that it cannot use.
    """
    try:
        redis = import_module("redis")
        retry, backoff = import_module("redis.retry"), import_module("redis.backoff")
    except ImportError as error:
        raise UsageError(
            "the package for Redis is not installed", code="no_redis", hint=install_command(EXTRA)
        ) from error
    try:
        client = redis.Redis.from_url(
            address,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=retry.Retry(backoff.NoBackoff(), 1),
        )
    except (ValueError, TypeError):  # whose message may hold a part of the address
        raise UsageError(f"{without_password(address)} is no address of Redis", hint="redis://HOST:PORT/DB") from None
    errors: type[Exception] = redis.RedisError
    return client, errors
