"""A past for the commands that tell of it, and a person who answers their questions."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builders import NO_EXT, call, failed, judged, skipped
from invocation import Result, Terminal
from msgspec.structs import replace

from moderate_cli.common.environment import Environment
from moderate_cli.main import run
from moderate_cli.models import Label, Outcome, RiskLevel, ServiceVerdict
from moderate_cli.records import to_record
from moderate_cli.store import Store


def at(text: str) -> float:
    """A time of UTC in Unix seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Writer:
    """Stores results, each at a time of its own."""

    def __init__(self, path: Path) -> None:
        self._now = 0.0
        self.store = Store.open(path, clock=lambda: self._now)

    def tell(self, when: str, outcome: Outcome, **changes: Any) -> None:
        """Store an outcome; `changes` are the record's."""
        self._now = at(when)
        record = to_record(replace(outcome, at=self._now))
        self.store.add_result(None, record | {"request_id": f"R-{record['source']}"} | changes)

    def add(self, when: str, source: str, *labels: str, level: str | None = "none", **changes: Any) -> None:
        """Store a verdict about one image that is billed for one call; `changes` are the record's."""
        self.tell(when, judged(level, *labels, source=source, billed_calls=1), **changes)

    def add_failed(self, when: str) -> None:
        """Store an input that failed and one that was skipped."""
        self.tell(when, failed("broken.png"), request_id=None)
        self.tell(when, skipped("notes.txt"), request_id=None)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Give a store to write into."""
    writer = Writer(path)
    with writer.store:
        yield writer


def write_past(path: Path) -> Path:
    """Write a store with the results of two months; two services, two engines, and inputs without a verdict."""
    both = (
        ServiceVerdict("baselineCheck", RiskLevel.NONE, (), NO_EXT),
        ServiceVerdict("tonalityImprove", RiskLevel.MEDIUM, (Label("violent_gun", 70.0),), NO_EXT),
    )
    services = call(operation="ImageBatchModeration", services=("baselineCheck", "tonalityImprove"))
    batch = {"call": services, "per_service": both, "billed_calls": 2}
    with writing(path) as writer:
        writer.add("2025-11-30T23:59:59", "photos/gun.png", "violent_gun", level="high", data_id="d1")
        writer.add("2025-12-01T00:00:00", "photos/clean.png")
        writer.add("2025-12-01T10:00:00", "photos/both.png", "violent_gun", "contraband_drug", level="low")
        writer.add("2025-12-01T11:00:00", "other/local.png", engine="local", data_id="d2", billed_calls=0)
        label = Label("violent_gun", 70.0, service="tonalityImprove")
        writer.tell("2025-12-02T00:00:00", judged("medium", label, source="other/batch.png", **batch))
        writer.add_failed("2025-12-02T01:00:00")
    return path


def asked(*arguments: str | Path, answer: str = "", terminal: bool = True, now: float | None = None) -> Result:
    """Run a command line in front of which somebody sits who types an answer."""
    stdin = Terminal(answer) if terminal else io.StringIO(answer)
    streams: dict[str, Any] = {"stdin": stdin, "stdout": io.StringIO(), "stderr": io.StringIO()}
    clock = {} if now is None else {"clock": lambda: now}
    code = run([str(argument) for argument in arguments], Environment(**streams, **clock))
    return Result(code, streams["stdout"].getvalue(), streams["stderr"].getvalue())


def sources(records: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the inputs of some records."""
    return [record["source"] for record in records]
