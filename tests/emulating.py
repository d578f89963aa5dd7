"""`moderate emulate` as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MODERATE = (sys.executable, "-m", "moderate_cli")


@dataclass
class Emulating:
    """A running emulator: the process, and the variables that it printed."""

    process: subprocess.Popen[str]
    variables: dict[str, str]

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal, and return the exit code and what else was written to stdout and stderr."""
        self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stdout, stderr


@contextmanager
def emulating(*arguments: str) -> Iterator[Emulating]:
    """Start it on a free port, and wait until it says where it is."""
    with subprocess.Popen(
        [*MODERATE, "emulate", "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(3)]
            yield Emulating(process, dict(line.removeprefix("export ").strip().split("=", 1) for line in lines))
        finally:
            process.kill()
