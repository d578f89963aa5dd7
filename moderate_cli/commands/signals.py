"""SIGINT and SIGTERM, for as long as a command can come to an end by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from moderate_cli.errors import ExitCode


@contextmanager
def on_stop(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` with the number of each SIGINT or SIGTERM, and put back what was done about them before."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class Stopped:
    """The exit code of whoever asked to stop; a plain field, because a signal handler sets it."""

    code: ExitCode | None = None


@contextmanager
def stop_signals() -> Iterator[Stopped]:
    """Notice SIGTERM, the usual end of a server, and SIGINT."""
    stopped = Stopped()

    def stop(number: int) -> None:
        stopped.code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.OK

    with on_stop(stop):
        yield stopped
