"""Processes that are measured from start to end, and rounds in which two sides take turns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MODERATE = str(Path(sys.executable).with_name("moderate"))
IMAGE = Path(__file__).parents[1] / "data" / "poster-qr.png"
_KEYS = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIbenchmark",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "no-secret",
    "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended: seconds, the peak of its memory in MB, and what it wrote."""

    seconds: float
    peak: float
    code: int
    stdout: str
    stderr: str

    def expect(self, *codes: int) -> Finished:
        """Return this; raises RuntimeError with what it said where its exit code is another."""
        if self.code not in codes:
            raise RuntimeError(f"exit code {self.code}:\n{self.stderr[-2000:]}")
        return self


def world(folder: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables of a process that knows no settings but those that are given."""
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "MODERATE_STORE": str(folder / "store.db")}
    return {**own, **_KEYS, **(variables or {})}


def run(command: Sequence[str], variables: Mapping[str, str], *, timeout: float, folder: Path | None = None) -> Finished:
    """Run a command to its end, at most for so many seconds.

    Linux counts the memory of whoever starts a process as the process's own at first, so the starter has to be small.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=variables, cwd=folder
        )
        overdue = threading.Timer(timeout, os.kill, (process.pid, signal.SIGKILL))
        overdue.start()
        _, status, usage = os.wait4(process.pid, 0)
        overdue.cancel()
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (stdout, stderr):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Finished(seconds, usage.ru_maxrss / 1024, process.returncode, *texts)


def in_turns(rounds: int, *sides: Callable[[], float]) -> list[float]:
    """Return the median of what each side measures, where each round asks every side once."""
    measured = [[side() for side in sides] for _ in range(rounds)]
    return [median(values) for values in zip(*measured, strict=True)]
