"""Run the shards of a manifest at once, kill some of them at random moments, run these again with `--reuse`, and count.

    python tests/benchmarks/kill_shards.py [SHARDS] [KILLS] [IMAGES]

The reports of all shards, merged by `moderate convert`, must hold one verdict for each line. A call was in flight at a
kill if its verdict is not in the shard's store and it was the last one of its connection, as in `kill_sync.py`.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import IMAGE, MODERATE, run, world
from serving import Served, serving

sys.path.append(str(Path(__file__).parents[1]))
from copies import copies

from moderate_cli.sources import Shard

_SEED = 7
_CALL_MS = 60
_PATIENCE = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of the lines, and what the kills cost: `beyond` are the calls beyond one for each line."""

    lines: int
    killed: int
    judged: int
    records: int
    beyond: int
    in_flight: int


def kill_shards(shards: int, kills: int, images: int) -> Ended:
    """Return the counts of a manifest of so many images, in so many shards, of which some are killed once."""
    jitter = random.Random(_SEED)
    with tempfile.TemporaryDirectory() as name, serving(tls=False, call_ms=_CALL_MS) as service:
        folder = Path(name)
        copies(IMAGE, folder / "images", images)
        manifest = folder / "manifest.jsonl"
        lines = [{"source": str(path), "data_id": path.name} for path in sorted((folder / "images").iterdir())]
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
        processes = {number: _started(folder, service, number, shards) for number in range(1, shards + 1)}
        in_flight = killed = 0
        for number in jitter.sample(sorted(processes), kills):
            _wait_for(folder, number, jitter.randint(1, max(1, images // shards // 2)))
            processes[number].send_signal(signal.SIGKILL)
            if processes[number].wait() == -signal.SIGKILL:
                killed += 1
                time.sleep(0.05)  # in which the service reads what was sent just before
                in_flight += _in_flight(folder, service, number, shards)
                processes[number] = _started(folder, service, number, shards)
        for process in processes.values():
            if process.wait(_PATIENCE):
                raise RuntimeError(f"a shard ended with {process.returncode}")
        parts = [str(folder / f"{number}.jsonl") for number in processes]
        merged = run([MODERATE, "convert", *parts, "-f", "jsonl"], world(folder), timeout=_PATIENCE).expect(0)
        records = [json.loads(line) for line in merged.stdout.splitlines()]
        verdicts = Counter(record["source"] for record in records if record["status"] == "judged")
        return Ended(
            lines=images,
            killed=killed,
            judged=sum(count == 1 for count in verdicts.values()),
            records=len(records),
            beyond=service.take().calls - images,
            in_flight=in_flight,
        )


def _started(folder: Path, service: Served, number: int, shards: int) -> subprocess.Popen[bytes]:
    command = [MODERATE, "sync", "--files-from", str(folder / "manifest.jsonl"), "--shard", f"{number}/{shards}"]
    command += ["--reuse", "forever", "-o", str(folder / f"{number}.jsonl"), "-q", "--qps", "400", "-j", "16"]
    command += ["--quota", f"file:{folder / 'quota'}"]
    return subprocess.Popen(
        command, env=world(folder, {**service.variables, "MODERATE_STORE": str(folder / f"{number}.db")})
    )


def _of_verdicts(folder: Path, number: int, what: str) -> list[Any]:
    """Return `what` a shard's store holds of its verdicts, a row each; none before there is a store."""
    store = folder / f"{number}.db"
    if not store.exists():
        return []
    with closing(sqlite3.connect(store)) as database:
        try:
            return [row[0] for row in database.execute(f"SELECT {what} FROM results WHERE status = 'judged'")]
        except sqlite3.OperationalError:  # it is just being made
            return []


def _wait_for(folder: Path, number: int, verdicts: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while sum(_of_verdicts(folder, number, "count(*)")) < verdicts and time.monotonic() < deadline:
        time.sleep(0.01)


def _in_flight(folder: Path, service: Served, number: int, shards: int) -> int:
    """Count the calls of a shard that were the last of their connection and left no verdict."""
    shard = Shard(number, shards)
    stored = {Path(source).name for source in _of_verdicts(folder, number, "source")}
    lasts = dict(service.look().asked)
    return sum(shard.holds(str(folder / "images" / name)) and name not in stored for name in lasts.values())


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    print(kill_shards(*(arguments + [16, 3, 100_000][len(arguments) :])))
