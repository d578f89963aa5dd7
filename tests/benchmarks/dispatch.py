"""Target 12: from a line of a manifest to an outcome that nobody had to work for, beside a bare loop over the lines.

The scan has its default number of threads, and a judge that does nothing.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import in_turns
from report import Figure

from moderate_cli.models import Call, Item, Known, Outcome
from moderate_cli.scanning import Executor
from moderate_cli.settings.schema import SETTINGS
from moderate_cli.sources import SourceList, Sources

_CALL = Call(operation="ImageModeration", services=("baselineCheck_global",), region=None, endpoint="")


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figure of 200,000 lines."""
    lines = 5_000 if quick else 200_000
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.jsonl"
        write_manifest(manifest, lines)
        ours, theirs = in_turns(3 if quick else 7, lambda: _scanned(manifest), lambda: _read(manifest))
    yield Figure(
        target=12,
        name=f"dispatch of one of {lines:,} lines",
        ours=ours / lines * 1e6,
        peer="readline and json.loads",
        theirs=theirs / lines * 1e6,
        unit="µs",
        bound=5,
    )


def write_manifest(path: Path, lines: int) -> None:
    """Write a manifest of addresses, each with an id."""
    with path.open("w") as file:
        for number in range(lines):
            file.write(json.dumps({"source": f"https://example.com/{number}.png", "data_id": f"id-{number}"}) + "\n")


def _judge(item: Item) -> Outcome:
    return Known(item=item, call=_CALL)


def _scanned(manifest: Path) -> float:
    started = time.perf_counter()
    items = Sources([], lists=[SourceList(str(manifest))])
    for _ in Executor(items, _judge, jobs=SETTINGS["jobs"].default):
        pass
    return time.perf_counter() - started


def _read(manifest: Path) -> float:
    started = time.perf_counter()
    with manifest.open() as file:
        while line := file.readline():
            json.loads(line)
    return time.perf_counter() - started
