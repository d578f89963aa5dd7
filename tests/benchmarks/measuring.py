"""Processes that are measured from start to end, and rounds in which two sides take turns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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
_STARTER = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
status, usage = os.wait4(process, 0)[1:]
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended: how many seconds it took, its exit code, and what it wrote."""

    seconds: float
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


def run(
    command: Sequence[str], variables: Mapping[str, str], *, timeout: float, folder: Path | None = None
) -> Finished:
    """Run a command to its end; raises subprocess.TimeoutExpired after so many seconds, and ends what it started."""
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables,
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            texts = process.communicate(timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    seconds = time.perf_counter() - started
    return Finished(seconds, process.returncode, *(text.decode(errors="replace") for text in texts))


def peak_memory(command: Sequence[str], variables: Mapping[str, str], *, timeout: float) -> tuple[float, float]:
    """Return the peak of a command's memory in MB, and the seconds that it took; raises where it fails.

    Linux counts what the process held that starts another as the other's own, so that a tiny one has to start it.
    """
    done = run([sys.executable, "-I", "-S", "-c", _STARTER, *command], variables, timeout=timeout).expect(0)
    return int(done.stderr.splitlines()[-1]) / 1024, done.seconds


def in_turns(rounds: int, *sides: Callable[[], float]) -> list[float]:
    """Return the median of what each side measures, where each round asks every side once."""
    measured = [[side() for side in sides] for _ in range(rounds)]
    return [median(values) for values in zip(*measured, strict=True)]
