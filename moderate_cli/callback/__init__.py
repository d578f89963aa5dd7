"""Callbacks: the service pushes the result of a task to an address of ours, with a checksum that only it can make."""

from moderate_cli.callback.checksum import ALGORITHMS, Algorithm, checksum, verify
from moderate_cli.callback.message import Callback, CallbackError, parse_callback, read_verdict_of
from moderate_cli.callback.reception import Refusal
from moderate_cli.callback.server import CallbackServer

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
