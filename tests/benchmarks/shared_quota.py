"""Target 16: how much of one quota several processes use that share it by a file or by Redis, and how much is refused.

Each process is the installed command on its part of the calls, by `--shard`. The wall is the time from the first call
to the last as the service saw them.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from counting import Counts
from measuring import MODERATE, run, world
from quotas import QUOTAS
from report import Figure
from serving import serving

sys.path.append(str(Path(__file__).parents[1]))
from redis_server import running_redis

_CONFIGURED = 100
_CALL_MS = 300


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of 4 and 8 processes, of both places and all windows; and with half of the true quota."""
    calls = 60 if quick else 6_000
    places = ("file", "redis") if shutil.which("redis-server") else ("file",)
    for processes in (2,) if quick else (4, 8):
        for place in places:
            for window in ("sliding log",) if quick else QUOTAS:
                yield from _figures(place, window, processes, calls, _CONFIGURED)
    if not quick:
        for place in places:
            yield from _figures(place, "sliding log", 4, calls, _CONFIGURED // 2)


def _figures(place: str, window: str, processes: int, calls: int, quota: int) -> Iterator[Figure]:
    counts = _run(place, window, processes, calls, quota)
    is_half = quota < _CONFIGURED
    name = f"{'half the ' if is_half else ''}quota, {processes} by {place}, {window}"
    yield Figure(
        target=16,
        name=f"{name}, used",
        ours=(counts.calls - counts.refused - 1) / counts.span,
        peer="the true quota",
        theirs=quota,
        unit="calls/s",
        bound=0.90 if is_half else 0.97,
        side="or more",
        note=f"{calls:,} calls",
    )
    yield Figure(
        target=16,
        name=f"{name}, throttled",
        ours=counts.refused,
        peer="all calls",
        theirs=counts.calls,
        bound=0.01 if is_half else 0.0,
    )


def _run(place: str, window: str, processes: int, calls: int, quota: int) -> Counts:
    with (
        ExitStack() as stack,
        tempfile.TemporaryDirectory() as name,
        serving(call_ms=_CALL_MS, window=window, per_second=quota) as service,
        ThreadPoolExecutor(processes) as pool,
    ):
        folder = Path(name)
        urls = folder / "urls.txt"
        urls.write_text("".join(f"https://example.com/{number}.png\n" for number in range(calls)))
        address = f"file:{folder / 'quota'}"
        if place == "redis":
            address = stack.enter_context(running_redis()).address

        def judge(number: int) -> None:
            command = [MODERATE, "sync", "--files-from", str(urls), "--shard", f"{number}/{processes}"]
            command += ["-o", str(folder / f"{number}.jsonl"), "-q", "--qps", str(_CONFIGURED), "--quota", address]
            variables = {**service.variables, "MODERATE_STORE": str(folder / f"{number}.db")}
            run(command, world(folder, variables), timeout=900).expect(0)

        list(pool.map(judge, range(1, processes + 1)))
        return service.take()
