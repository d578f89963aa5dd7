"""What the service of the benchmarks counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Counts:
    """What happened; `connections` over TLS are counted once they are agreed upon.

    `starts` are the times at which calls came, `refused` of them, and `ends` those at which they were answered: none
    for a call whose client went away before. `asked` tells of each call the number of its connection and what its
    image is called. `most_calls` and `most_uploads` are the highest numbers at once, `upload_seconds` the time with any
    upload under way, and `overlap_seconds` that with uploads and calls.
    """

    connections: int = 0
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    asked: list[tuple[int, str]] = field(default_factory=list)
    refused: int = 0
    uploads: int = 0
    most_calls: int = 0
    most_uploads: int = 0
    upload_seconds: float = 0.0
    overlap_seconds: float = 0.0

    @property
    def calls(self) -> int:
        """How many calls came."""
        return len(self.starts)

    @property
    def span(self) -> float:
        """Seconds from the first call to the last."""
        return self.starts[-1] - self.starts[0] if self.starts else 0.0


class Meter:
    """Counts calls and uploads as they come and go; all times are those of one clock, given by the caller."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._calls = 0
        self._uploads = 0
        self._since = 0.0

    def look(self) -> dict[str, Any]:
        """Return the counts."""
        return asdict(self.counts)

    def take(self) -> dict[str, Any]:
        """Return the counts, and begin again."""
        counts = self.look()
        self.counts = Counts()
        return counts

    def begin(self, kind: str, now: float) -> None:
        """Count what begins: a `call` or an `upload`."""
        self._pass_time(now)
        if kind == "call":
            self._calls += 1
            self.counts.starts.append(now)
            self.counts.most_calls = max(self.counts.most_calls, self._calls)
        else:
            self._uploads += 1
            self.counts.uploads += 1
            self.counts.most_uploads = max(self.counts.most_uploads, self._uploads)

    def end(self, kind: str, now: float, *, is_answered: bool) -> None:
        """Count what is answered or cut off."""
        self._pass_time(now)
        if kind == "call":
            self._calls -= 1
            self.counts.ends += [now] * is_answered
        else:
            self._uploads -= 1

    def _pass_time(self, now: float) -> None:
        if self._uploads:
            self.counts.upload_seconds += now - self._since
            self.counts.overlap_seconds += (now - self._since) * bool(self._calls)
        self._since = now
