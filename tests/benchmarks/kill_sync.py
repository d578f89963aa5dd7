"""Kill `moderate sync` at random moments of a run over many images, each time begin it again with `--reuse`, and count.

    python tests/benchmarks/kill_sync.py [KILLS] [IMAGES]

At the end the report of a last run must hold one verdict for each image. A call was in flight at a kill if its verdict
is not in the store and it was the last one of its connection: each worker has a connection of its own, and commits a
verdict before it asks for the next one. So a call that is lost and was not the last is one paid for twice.
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

from counting import Counts
from measuring import IMAGE, MODERATE, world
from serving import Served, serving

sys.path.append(str(Path(__file__).parents[1]))
from copies import copies

_SEED = 5
_CALL_MS = 60
_UPLOAD_MS = 20
_JOBS = (4, 64)  # the highest, and so few that each worker makes several calls before a kill
_AT_START = 0.2  # of the kills, in the first moments of a process
_SETTLE = 0.05  # seconds in which the service reads what a process sent just before its end
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of the images, and what the kills cost.

    `judged` images have one verdict in the last report of so many `lines`. `beyond` are the calls beyond one for each
    image, and `in_flight` those at the kills, of which `unanswered` by the service.
    """

    images: int
    killed: int
    lines: int
    judged: int
    is_sound: bool
    beyond: int
    in_flight: int
    unanswered: int


@dataclass(slots=True)
class Kills:
    """What the service saw of the runs that were killed, and of the last one."""

    killed: int = 0
    calls: int = 0
    in_flight: int = 0
    unanswered: int = 0

    def add(self, seen: Counts, stored: set[str], killed_at: float) -> None:
        """Add a run that was killed at a time of the monotonic clock, and left these images in the store."""
        lasts = dict(seen.asked)
        self.killed += 1
        self.calls += seen.calls
        self.in_flight += sum(data_id not in stored for data_id in lasts.values())
        self.unanswered += seen.calls - sum(end < killed_at for end in seen.ends)


def kill_runs(kills: int, images: int) -> Ended:
    """Return the counts of so many kills, and of a last run to the end."""
    jitter = random.Random(_SEED)
    share = 1.2 * images / kills  # the mean moment is half of it, so that some images are left for the last kill
    seen = Kills()
    with tempfile.TemporaryDirectory() as name, serving(tls=False, call_ms=_CALL_MS, upload_ms=_UPLOAD_MS) as service:
        folder = Path(name)
        copies(IMAGE, folder / "images", images)
        for _ in range(kills):
            at_start = jitter.random() < _AT_START
            calls, pause = (0.0, jitter.uniform(0, 0.4)) if at_start else (jitter.uniform(0, share), 0.0)
            _kill(seen, folder, service, jobs=jitter.choice(_JOBS), calls=calls, pause=pause)
        with _started(folder, service, max(_JOBS)) as process:
            if process.wait(_PATIENCE):
                raise RuntimeError(f"the last run ended with {process.returncode}")
        seen.calls += service.take().calls
        return _ended(folder, images, seen)


def _kill(seen: Kills, folder: Path, service: Served, *, jobs: int, calls: float, pause: float) -> None:
    """Begin a run, and kill it after so many calls and seconds, unless it has ended by then."""
    deadline = time.monotonic() + _PATIENCE
    with _started(folder, service, jobs) as process:
        while service.look().calls < calls and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(pause)
        killed_at = time.monotonic()
        process.send_signal(signal.SIGKILL)
        was_running = process.wait() == -signal.SIGKILL
    time.sleep(_SETTLE)
    counts = service.take()
    if was_running:
        seen.add(counts, _stored(folder / "store.db"), killed_at)
    else:
        seen.calls += counts.calls


def _started(folder: Path, service: Served, jobs: int) -> subprocess.Popen[bytes]:
    command = [MODERATE, "sync", str(folder / "images"), "--reuse", "forever", "--data-id-from", "name"]
    command += ["--qps", "200", "-j", str(jobs), "-o", str(folder / "out.jsonl"), "-q"]
    return subprocess.Popen(command, env=world(folder, service.variables))


def _stored(store: Path) -> set[str]:
    """Return the names of the images of which the store holds a verdict; a process may have died before it made one."""
    if not store.exists():
        return set()
    with closing(sqlite3.connect(store)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'results'").fetchone():
            return set()
        sources = database.execute("SELECT source FROM results WHERE status = 'judged'").fetchall()
    return {Path(source).name for (source,) in sources}


def _ended(folder: Path, images: int, seen: Kills) -> Ended:
    records = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    verdicts = Counter(record["source"] for record in records if record["status"] == "judged")
    with closing(sqlite3.connect(folder / "store.db")) as database:
        is_sound = database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return Ended(
        images=images,
        killed=seen.killed,
        lines=len(records),
        judged=sum(count == 1 for count in verdicts.values()),
        is_sound=is_sound,
        beyond=seen.calls - images,
        in_flight=seen.in_flight,
        unanswered=seen.unanswered,
    )


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    print(kill_runs(*(arguments + [100, 2000][len(arguments) :])))
