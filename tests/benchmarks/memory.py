"""Target 11: the peak of the whole program's memory over a long manifest and over a short one, in four formats.

The plan of one shard of a thousand is measured over ten times as many lines. A million real calls would take three
hours at the quota, so the calls are those of `stubbed.py`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from dispatch import write_manifest
from measuring import MODERATE, peak_memory, world
from report import Figure

_STUBBED = str(Path(__file__).with_name("stubbed.py"))
_SHORT = 1_000
_TIMEOUT = 3_000.0


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield a figure for each format, of 1,000,000 lines."""
    long = 20_000 if quick else 1_000_000
    for form in ("json", "jsonl", "csv", "table"):
        ours, seconds = _peak(long, form)
        theirs = median(_peak(_SHORT, form)[0] for _ in range(1 if quick else 5))
        yield Figure(
            target=11,
            name=f"peak memory of {long:,} lines, -f {form}",
            ours=ours,
            peer=f"the same on {_SHORT:,}",
            theirs=theirs,
            unit="MB",
            bound=1.15,
            note=f"{seconds:,.0f} s",
        )
    long, short = (20_000, 2_000) if quick else (10_000_000, 10_000)
    ours, seconds = _shard_peak(long)
    yield Figure(
        target=11,
        name=f"peak memory of {long:,} lines, -n --shard 7/1000",
        ours=ours,
        peer=f"the same on {short:,}",
        theirs=median(_shard_peak(short)[0] for _ in range(1 if quick else 5)),
        unit="MB",
        bound=1.10,
        note=f"{seconds:,.0f} s",
    )


def _shard_peak(lines: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = folder / "manifest.jsonl"
        write_manifest(manifest, lines)
        command = [MODERATE, "sync", "-n", "--files-from", str(manifest), "--shard", "7/1000", "-f", "jsonl"]
        return peak_memory([*command, "-o", str(folder / "out")], world(folder), timeout=_TIMEOUT)


def _peak(lines: int, form: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = folder / "manifest.jsonl"
        write_manifest(manifest, lines)
        command = [sys.executable, _STUBBED, "sync", "--files-from", str(manifest), "-f", form]
        command += ["-o", str(folder / "out"), "--qps", "10000"]
        return peak_memory(command, world(folder, {"MODERATE_ENDPOINT": "127.0.0.1:9"}), timeout=_TIMEOUT)
