"""SIGINT and SIGTERM, for as long as a command can come to an end by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from msgspec import Struct

from moderate_cli.common.errors import ExitCode
from moderate_cli.results import RunSummary


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


class Stopped(Struct):
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


def nothing_to_stop() -> None:
    """Stop nothing: whoever works looks at the summary."""


@contextmanager
def interruptible(
    summary: RunSummary, stop: Callable[[], None] = nothing_to_stop, *, is_server: bool = False
) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end some work, of which what is on its way is finished, and the second all.

    SIGTERM is the usual end of a server, and interrupts none.
    """

    def interrupt(number: int) -> None:
        if summary.stopped_by is ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if not (is_server and number == signal.SIGTERM):
            summary.stopped_by = ExitCode.INTERRUPTED
        stop()

    with on_stop(interrupt):
        yield
