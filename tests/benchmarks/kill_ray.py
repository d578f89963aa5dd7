"""Kill Ray Data at a random moment of a run over many rows, begin it again with `reuse`, and count.

    python tests/benchmarks/kill_ray.py [KILLS] [ROWS]

Four workers share a quota in an actor, against a service that admits no more, and each verdict is kept in Redis. All
processes of a run are killed at once, those of Ray among them. A call was in flight at a kill if its verdict is not in
Redis and it was the last one of its connection, as in `kill_sync.py`. The rate is measured from the first call of a run
to its last: on a small machine Ray takes half a minute to start.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from counting import Counts
from measuring import world
from serving import Served, serving

sys.path.append(str(Path(__file__).parents[1]))
from redis_server import RedisServer, running_redis

_SEED = 11
_CALL_MS = 300
_QUOTA = 100
_WORKERS = 4
_SETTLE = 0.2  # seconds in which the service reads what a process sent just before its end
_PATIENCE = 600.0
_MARK = "KILL_RAY_RUN"  # the variable by which all processes of a run are known, whoever their parent is by then
_DRIVER = """
import json, sys
import ray
from moderate_cli.scale import Judge, RayQuota

asked = json.load(sys.stdin)
ray.init(
    num_cpus=asked["workers"],
    include_dashboard=False,
    log_to_driver=False,
    logging_level="ERROR",
    object_store_memory=100_000_000,
    _temp_dir=asked["folder"],
)
judged = (
    ray.data.from_items([{"url": url} for url in asked["urls"]])
    .repartition(target_num_rows_per_block=50)
    .map_batches(
        Judge,
        fn_constructor_kwargs={"quota": RayQuota(), "reuse": asked["redis"]},
        batch_size=50,
        concurrency=asked["workers"],
        num_cpus=0.1,
    )
)
for row in judged.iter_rows():
    print(json.dumps([row["url"], row["status"], row["reused"]]), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of the rows, and what the kills cost.

    `judged` rows have a verdict in the last run. `beyond` are the calls beyond one for each row, `in_flight` those at
    the kills, and `refused` those over the quota. `used` is the share of the quota from the first to the last call.
    """

    rows: int
    killed: int
    judged: int
    beyond: int
    in_flight: int
    refused: int
    used: float


@dataclass(slots=True)
class Seen:
    """What the service saw of all runs."""

    killed: int = 0
    calls: int = 0
    in_flight: int = 0
    refused: int = 0
    gaps: int = 0
    seconds: float = 0.0

    def add(self, counts: Counts) -> None:
        """Add a run; those that a kill cut off at its first calls tell nothing of the rate."""
        self.calls += counts.calls - counts.refused
        self.refused += counts.refused
        self.gaps += max(0, counts.calls - counts.refused - 1)
        self.seconds += counts.span


def kill_ray(kills: int, rows: int) -> Ended:
    """Return the counts of so many kills, and of a last run to the end."""
    jitter = random.Random(_SEED)
    seen = Seen()
    urls = [f"https://example.com/{number:06d}.png" for number in range(rows)]
    with (
        tempfile.TemporaryDirectory(prefix="ray") as name,  # short, for its sockets
        serving(tls=False, call_ms=_CALL_MS, window="sliding log", per_second=_QUOTA) as service,
        running_redis() as redis,
    ):
        folder = Path(name)
        for _ in range(kills):
            with _Run(folder, service, redis, urls) as run:
                run.wait_for(jitter.randint(1, max(1, rows // (kills + 1))))
                if run.kill():
                    seen.killed += 1
                    time.sleep(_SETTLE)
                    seen.in_flight += _in_flight(service.look(), redis)
            seen.add(service.take())
        with _Run(folder, service, redis, urls) as run:
            lines = run.end()
        seen.add(service.take())
    judged = {url for url, status, _ in lines if status == "judged"}
    return Ended(
        rows=rows,
        killed=seen.killed,
        judged=len(judged) if len(lines) == rows else 0,
        beyond=seen.calls - rows,
        in_flight=seen.in_flight,
        refused=seen.refused,
        used=round(seen.gaps / seen.seconds / _QUOTA, 3),
    )


class _Run:
    """A program with Ray Data, and all processes that it starts; they end with the block."""

    def __init__(self, folder: Path, service: Served, redis: RedisServer, urls: list[str]) -> None:
        self._service = service
        self._mark = uuid.uuid4().hex
        self._out = folder / f"{self._mark}.jsonl"
        self._errors = folder / f"{self._mark}.txt"
        variables = {**service.variables, "RAY_USAGE_STATS_ENABLED": "0", _MARK: self._mark}
        with self._out.open("wb") as out, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _DRIVER],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=errors,
                env=world(folder, variables),
            )
        asked = {"folder": str(folder), "urls": urls, "redis": redis.address, "workers": _WORKERS}
        assert self._process.stdin
        with self._process.stdin as stdin:
            stdin.write(json.dumps(asked).encode())

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()

    def wait_for(self, calls: int) -> None:
        """Wait until the service has seen so many calls of this run, or the run has ended."""
        deadline = time.monotonic() + _PATIENCE
        while self._service.look().calls < calls and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)

    def kill(self) -> bool:
        """Kill all processes of the run; return whether it was still going on."""
        self._process.kill()
        was_running = self._process.wait() == -signal.SIGKILL
        deadline = time.monotonic() + _PATIENCE
        while (left := list(_marked(self._mark))) and time.monotonic() < deadline:
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.01)
        return was_running

    def end(self) -> list[list[object]]:
        """Wait for the end, and return what became of each row; raises RuntimeError where it fails."""
        if self._process.wait(_PATIENCE):
            raise RuntimeError(self._errors.read_text(errors="replace")[-3000:])
        return [json.loads(line) for line in self._out.read_text().splitlines()]


def _marked(mark: str) -> Iterator[int]:
    """Yield the processes that were started with a mark in their environment, and live."""
    wanted = f"{_MARK}={mark}\0".encode()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and wanted in (entry / "environ").read_bytes():
                yield int(entry.name)


def _in_flight(counts: Counts, redis: RedisServer) -> int:
    """Count the calls that were the last of their connection and left no verdict."""
    client = redis.client()
    kept = {key.rpartition(b":")[2].decode() for key in client.scan_iter("moderate:answer:*", count=1000)}
    client.close()
    lasts = dict(counts.asked)
    return sum(
        hashlib.sha256(f"https://example.com/{name}".encode()).hexdigest() not in kept for name in lasts.values()
    )


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    print(kill_ray(*(arguments + [1, 2_400][len(arguments) :])))
