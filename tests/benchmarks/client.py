"""Targets 1 to 3: what a call costs the processor, and how many connections and seconds a cold start takes.

Both clients have 32 threads and speak TLS, each in a process of its own. The calls of a cold start take 300 ms, the
others no time. That the modules of either are loaded before is its start-up, which targets 7 and 8 measure.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callers import THREADS
from measuring import in_turns, run, world
from report import Figure
from serving import Served, serving

_CALLERS = str(Path(__file__).with_name("callers.py"))
_CALL_MS = 300


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of the client beside those of the vendor's SDK."""
    rounds = 1 if quick else 5
    yield _cpu(rounds, calls=320 if quick else 6400)
    yield from _cold(rounds)


def _cpu(rounds: int, *, calls: int) -> Figure:
    with serving() as service:
        ours, theirs = in_turns(
            rounds, *(lambda which=which: _told(which, service, calls)["cpu_ms"] for which in ("moderate", "sdk"))
        )
    return Figure(
        target=1,
        name=f"processor a call, {THREADS} threads, TLS",
        ours=ours,
        peer="the vendor's SDK, sync",
        theirs=theirs,
        unit="ms",
        bound=0.85,
    )


def _cold(rounds: int) -> Iterator[Figure]:
    connections: dict[str, int] = {}

    def first(which: str) -> float:
        seconds = _told(which, service, 0)["first"]
        connections[which] = max(connections.get(which, 0), service.take().connections)
        return seconds

    with serving(call_ms=_CALL_MS) as service:
        ours, theirs = in_turns(rounds, lambda: first("moderate"), lambda: first("sdk"))
    yield Figure(
        target=2,
        name=f"connections for {THREADS} first calls at once",
        ours=connections["moderate"],
        peer="the threads",
        theirs=THREADS,
        bound=1.0,
        note=f"the most of {rounds} rounds; the vendor's SDK, sync: {connections['sdk']}",
    )
    yield Figure(
        target=3,
        name=f"until the first {THREADS} answers, cold",
        ours=ours * 1000,
        peer="the time that the service takes",
        theirs=_CALL_MS,
        unit="ms",
        bound=1.7,
        note=f"the vendor's SDK, sync: {theirs * 1000:.0f} ms",
    )


def _told(which: str, service: Served, calls: int) -> dict[str, Any]:
    assert service.bundle
    command = [sys.executable, _CALLERS, which, service.address, service.bundle, str(calls)]
    with tempfile.TemporaryDirectory() as folder:
        done = run(command, world(Path(folder), service.variables), timeout=120).expect(0)
    return json.loads(done.stdout)
