"""Whether the service can be reached at all: what the failures of inputs say about those that are to follow."""

from __future__ import annotations

from msgspec import Struct

from moderate_cli.common.errors import ModerateError
from moderate_cli.models import Failed, Outcome

NO_CONNECTION = frozenset({"connection_failed", "proxy_failed", "tls_failed"})
"""The codes of errors of calls that reached nothing."""

ENOUGH_FAILURES = 8
"""How many inputs that found no connection, each after all its attempts, are enough."""


class Unreachable(Struct):
    """Whether the service cannot be reached at all, by the failures of inputs that had all their attempts.

    It `is_so` once enough inputs failed alike for want of a connection before any found one, whatever comes later.
    """

    reason: str | None = None
    failures: int = 0
    was_reached: bool = False
    is_so: bool = False

    def is_so_after(self, outcome: Outcome) -> bool:
        """Count one outcome, and tell whether the service cannot be reached by now."""
        if not isinstance(outcome, Failed) or not _found_no_connection(outcome.error):
            self.was_reached |= outcome.call.attempts > 0
            return self.is_so
        if outcome.error.message != self.reason:
            self.reason, self.failures = outcome.error.message, 0
        self.failures += 1
        self.is_so |= not self.was_reached and self.failures >= ENOUGH_FAILURES
        return self.is_so

    def start_round(self) -> None:
        """Count from nothing the failures of inputs that are tried once more; what was reached stays reached."""
        self.reason, self.failures = None, 0


def _found_no_connection(error: ModerateError) -> bool:
    if error.code == "upload_failed":
        return getattr(error, "http_status", None) is None
    return error.code in NO_CONNECTION
