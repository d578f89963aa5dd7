"""What a request to the service is made of, and what comes back; how it travels is the transport's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds: for a connection, and for the answer once the request is sent."""

    connect: float = 3.0
    read: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of one call, where they travel."""

    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (names in any case), the bytes of the body, and when it was asked for.

    `secrets` are those with which it was asked for, which no answer may repeat.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: float
    secrets: tuple[str | None, ...] = field(default=(), repr=False)

    @property
    def clock_skew(self) -> float | None:
        """By how many seconds this machine is ahead of the service, where a Date header tells."""
        from email.utils import parsedate_to_datetime  # 7 ms that only a wrong clock needs

        try:
            return self.sent_at - parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return None
