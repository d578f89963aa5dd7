"""A past for the commands that tell of it, and a person who answers their questions."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builders import NO_EXT, failed, judged, skipped
from results import Result, Terminal

from moderate_cli.environment import Environment
from moderate_cli.main import run
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

    def add(self, when: str, source: str, *labels: str, level: str | None = "none", **changes: Any) -> None:
        """Store a verdict; `changes` are the record's."""
        self._now = at(when)
        said = to_record(judged(level, *labels, source=source)) | {"request_id": f"R-{source}"} | changes
        self.store.add_result(None, said)

    def add_failed(self, when: str) -> None:
        """Store an input that failed and one that was skipped."""
        self._now = at(when)
        self.store.add_result(None, to_record(failed("broken.png")) | {"request_id": None})
        self.store.add_result(None, to_record(skipped("notes.txt")) | {"request_id": None})


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Give a store to write into."""
    writer = Writer(path)
    with writer.store:
        yield writer


def write_past(path: Path) -> Path:
    """Write a store with the results of two months; two services, two engines, and inputs without a verdict."""
    gun = {"label": "violent_gun", "confidence": 70.0, "description": None, "risk_level": None}
    both = [
        {"service": "baselineCheck", "labels": [], "risk_level": "none", "ext": NO_EXT},
        {
            "service": "tonalityImprove",
            "labels": [gun | {"service": None, "where": None}],
            "risk_level": "medium",
            "ext": NO_EXT,
        },
    ]
    batch = {"services": ["baselineCheck", "tonalityImprove"], "per_service": both}
    with writing(path) as writer:
        writer.add("2025-11-30T23:59:59", "photos/gun.png", "violent_gun", level="high", data_id="d1")
        writer.add("2025-12-01T00:00:00", "photos/clean.png")
        writer.add("2025-12-01T10:00:00", "photos/both.png", "violent_gun", "contraband_drug", level="low")
        writer.add("2025-12-01T11:00:00", "other/local.png", engine="local", data_id="d2")
        writer.add("2025-12-02T00:00:00", "other/batch.png", level="medium", **batch)
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
