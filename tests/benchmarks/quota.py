"""Targets 4 and 5: how much of a quota the installed command uses, and how many of its calls are throttled.

The wall is the time from the first call to the last as the service saw them, which leaves out the start of the process
and the wait for the last answers; the note tells the share over the whole process. The quota is that of each kind of
window in turn, and each call takes 300 ms.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from counting import Counts
from measuring import MODERATE, run, world
from quotas import QUOTAS
from report import Figure
from serving import serving

_CONFIGURED = 100
_CALL_MS = 300


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of a quota that is as configured, and of one that is half of it."""
    rounds = 1 if quick else 3
    for window in QUOTAS:
        yield from _figures(4, window, _CONFIGURED, calls=100 if quick else 1000, rounds=rounds)
    for window in QUOTAS:
        yield from _figures(5, window, _CONFIGURED // 2, calls=150 if quick else 1500, rounds=rounds)


def _figures(target: int, window: str, quota: int, *, calls: int, rounds: int) -> Iterator[Figure]:
    runs = [_run(window, quota, calls) for _ in range(rounds)]
    rate = median((counts.calls - counts.refused - 1) / counts.span for counts, _ in runs)
    refused = median(counts.refused for counts, _ in runs)
    whole = median(calls / seconds for _, seconds in runs)
    workers = max(counts.most_calls for counts, _ in runs)
    is_met_at = (0.97, 0.0) if target == 4 else (0.90, 0.05)
    name = "quota used" if target == 4 else "half the quota used"
    yield Figure(
        target=target,
        name=f"{name}, {window}",
        ours=rate,
        peer="the true quota",
        theirs=quota,
        unit="calls/s",
        bound=is_met_at[0],
        side="or more",
        note=f"{calls:,} calls; {whole / quota:.3f} over the whole process; at most {workers} calls at once",
    )
    yield Figure(
        target=target,
        name=f"throttled, {window}",
        ours=refused,
        peer="all calls",
        theirs=median(counts.calls for counts, _ in runs),
        bound=is_met_at[1],
    )


def _run(window: str, quota: int, calls: int) -> tuple[Counts, float]:
    """Return what the service counted of one run, and how many seconds the process took."""
    with (
        tempfile.TemporaryDirectory() as name,
        serving(call_ms=_CALL_MS, window=window, per_second=quota) as service,
    ):
        folder = Path(name)
        urls = folder / "urls.txt"
        urls.write_text("".join(f"https://example.com/{number}.png\n" for number in range(calls)))
        command = [MODERATE, "sync", "--files-from", str(urls), "-o", str(folder / "out.jsonl"), "-q"]
        command += ["--qps", str(_CONFIGURED)]
        done = run(command, world(folder, service.variables), timeout=300).expect(0)
        return service.take(), done.seconds
