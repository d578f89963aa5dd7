"""Callbacks: the service pushes the result of a task to a URL of ours, with a checksum that only it can make."""

from moderate_cli.callback.payload import (
    ALGORITHMS,
    Algorithm,
    Callback,
    CallbackError,
    checksum,
    parse_callback,
    read_verdict_of,
    verify,
)
from moderate_cli.callback.receiver import CallbackServer, Refusal

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Callback",
    "CallbackError",
    "CallbackServer",
    "Refusal",
    "checksum",
    "parse_callback",
    "read_verdict_of",
    "verify",
]
