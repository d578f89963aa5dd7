"""What did the emulator answer of late? The newest results of judging calls, as the management API tells them."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.emulator.management_parameters import RESOURCE, in_words, unknown
from moderate_cli.models import NO_FINDING

MAX_RESULTS = 50_000
"""Results that are kept: "a maximum of 50,000 data entries" (vendor's console guide, December 2025)."""

_DAY = 24 * 60 * 60
LIFETIME, COUNTED = 30 * _DAY, 365 * _DAY
"""Seconds for which a result is told, "the last 30 days", and for which it is counted, "one year" (the same)."""

_MAX_EXT = 2_000  # characters of the JSON of Ext; a longer one is left out, so that 50,000 results stay small


class ScanResult(Struct, frozen=True, gc=False):
    """One service's verdict on one image or post; `found` has label, confidence and description of each finding."""

    request_id: str
    data_id: str
    service: str
    url: str
    at: float
    level: str
    found: tuple[tuple[str, str, str], ...]
    ext: str
    feedback: str = ""

    @property
    def labels(self) -> list[str]:
        """The labels, which are nonLabel alone where nothing was found."""
        return [label for label, _, _ in self.found]

    @property
    def is_hit(self) -> bool:
        """Whether something was found."""
        return any(label != NO_FINDING for label in self.labels)

    def described(self) -> dict[str, Any]:
        """Describe it as GetScanResult does."""
        results = [{"Label": label, "Confidence": score, "Description": text} for label, score, text in self.found]
        return {
            "RequestId": self.request_id,
            "DataId": self.data_id,
            "ServiceCode": self.service,
            "ResourceType": RESOURCE,
            "ImageUrl": self.url,
            "Labels": ",".join(self.labels),
            "Result": results,
            "RiskLevel": self.level,
            "ScanResult": json.dumps(results, ensure_ascii=False),
            "Ext": self.ext,
            "ExtFeedback": self.feedback,
            "RequestTime": in_words(self.at),
            "GmtCreate": in_words(self.at),
            "RequestFrom": "api",
        }


class ScanResults:
    """The newest results, in the order of time; safe to use from many threads."""

    def __init__(self, clock: Callable[[], float], capacity: int = MAX_RESULTS) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._results: deque[ScanResult] = deque(maxlen=capacity)

    def add(self, request_id: str, services: Sequence[str], url: str, data: Mapping[str, Any]) -> None:
        """Keep what was answered to a call: the Data of its result, which may have a part for each service."""
        now = self._clock()
        parts = {part.get("Service", ""): part for part in data.get("Results", ())}
        results = [_result(request_id, name, url, now, data, parts.get(name, data)) for name in services]
        with self._lock:
            self._results.extend(results)

    def between(self, first: float | None, last: float | None, max_age: float) -> list[ScanResult]:
        """Return the results of a time, the oldest first; `max_age` is in seconds."""
        start = max(first or 0, self._clock() - max_age)
        with self._lock:
            kept = list(self._results)
        # Answers tell whole seconds.
        return [result for result in kept if result.at >= start and (last is None or int(result.at) <= last)]

    def give_feedback(self, request_id: str, feedback: str) -> None:
        """Keep what somebody says of the results of a call; raises BodyError for a call that is not known."""
        with self._lock:
            places = [place for place, result in enumerate(self._results) if result.request_id == request_id]
            for place in places:
                self._results[place] = replace(self._results[place], feedback=feedback)
        if not places:
            raise unknown("result with the request id", request_id)

    def count(self) -> int:
        """Return how many results are kept."""
        return len(self._results)

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._results.clear()


def _result(
    request_id: str, service: str, url: str, at: float, data: Mapping[str, Any], part: Mapping[str, Any]
) -> ScanResult:
    found = dict.fromkeys(
        (str(one.get("Label", "")), str(one.get("Confidence", "")), str(one.get("Description", "")))
        for one in _findings(part)
    )
    ext = {name: value for name, value in (part.get("Ext") or {}).items() if name != "LocalEngine"}
    text = json.dumps(ext, ensure_ascii=False) if ext else ""
    return ScanResult(
        request_id=request_id,
        data_id=data.get("DataId", ""),
        service=service,
        url=url,
        at=at,
        level=str(part.get("RiskLevel", "")),
        found=tuple(found),
        ext=text if len(text) <= _MAX_EXT else "",
    )


def _findings(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the findings of a result; those of a post are below its parts."""
    if "MainData" not in part:
        yield from part.get("Result") or ()
        return
    waiting = [part["MainData"], *part.get("CommentDatas", ())]
    found: list[Mapping[str, Any]] = []
    while waiting:
        one = waiting.pop()
        found += one.get("Result") or ()
        waiting += one.get("CommentDatas", ())
    hits = [one for one in found if one.get("Label") != NO_FINDING]
    yield from hits or islice(found, 1)
