"""How far is a run? A bar on a terminal, a line every ten seconds elsewhere, both on stderr."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Protocol, TextIO

from moderate_cli.common.environment import Environment
from moderate_cli.common.text import counted, echo
from moderate_cli.models import RiskLevel
from moderate_cli.results import RunSummary

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

BAR_AFTER = 0.8  # seconds: what is done by then needs no bar
LINE_EVERY = 10.0  # seconds
WAIT_LINE_EVERY = 60.0  # seconds
_REFRESH = 0.1  # seconds
_ROOM_FOR_ECHO = 8  # columns: where ^C does not fit behind the bar, it leaves half of it behind
_MIN_WIDTH = 20  # columns

Total = Callable[[], int | None]
"""Returns the number of inputs, or None while it is unknown."""


class Progress(Protocol):
    """Receives the counts after each outcome."""

    def update(self, summary: RunSummary) -> None:
        """Show the counts, now or later."""

    def wait(self, pending: int, due: float) -> None:
        """Show until `due`, a time of the monotonic clock, that so many tasks are pending."""


class SharedStream(io.TextIOBase):
    """A stream for lines on which a bar may stand: it makes way for each line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = ""
        self._lock = threading.Lock()
        self.console: Console | None = None

    def write(self, text: str) -> int:
        """Write text, above the bar where there is one; there, lines appear when they are whole."""
        with self._lock:
            if self.console is None:
                return self._stream.write(text)
            *lines, self._begun = (self._begun + text).split("\n")
            for line in lines:
                self.console.print(line, soft_wrap=True)
            return len(text)

    def flush(self) -> None:
        """Flush the stream below."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether the stream below is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the stream below."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream below."""
        return self._stream.encoding

    @property
    def below(self) -> TextIO:
        """The stream itself."""
        return self._stream


@contextmanager
def progress(
    environment: Environment, *, wanted: bool, total: Total, noun: str = "image", color: str = "auto"
) -> Iterator[Progress]:
    """Show the progress of a run until the end of the `with` block, and erase it then.

    `noun` is what the inputs are, and `color` is auto, always or never.
    """
    stream = environment.stderr
    if not wanted:
        yield NO_PROGRESS
    elif isinstance(stream, SharedStream) and stream.isatty() and environment.variable("TERM") != "dumb":
        bar = _Bar(stream, environment, total, noun, color)
        try:
            yield bar
        finally:
            bar.stop()
    else:
        yield _Lines(environment, total, noun)


class _Silent:
    """No-op."""

    def update(self, summary: RunSummary) -> None:
        """No-op."""

    def wait(self, pending: int, due: float) -> None:
        """No-op."""


NO_PROGRESS: Progress = _Silent()
"""Shows nothing."""


class _Lines:
    """A line at most every ten seconds, and one a minute of a wait."""

    def __init__(self, environment: Environment, total: Total, noun: str) -> None:
        self._environment = environment
        self._total = total
        self._noun = noun
        self._started = environment.monotonic()
        self._due = self._started + LINE_EVERY
        self._wait_due = self._started

    def update(self, summary: RunSummary) -> None:
        """Write a line when it is time for one."""
        now = self._environment.monotonic()
        if now >= self._due:
            self._due = now + LINE_EVERY
            rate = summary.inputs / (now - self._started)
            echo(self._environment, ", ".join(_words(summary, self._total(), rate, self._noun)))

    def wait(self, pending: int, due: float) -> None:
        """Write a line at the first wait, and later when it is time for one."""
        now = self._environment.monotonic()
        if now >= self._wait_due:
            self._wait_due = now + WAIT_LINE_EVERY
            echo(self._environment, _wait_words(pending, now - self._started, due - now))


class _Bar:
    """A bar that its own thread draws a few times per second."""

    def __init__(self, stream: SharedStream, environment: Environment, total: Total, noun: str, color: str) -> None:
        self._stream = stream
        self._environment = environment
        self._total = total
        self._noun = noun
        self._color = color
        self._waiting: tuple[int, float] | None = None
        self._started = environment.monotonic()
        self._stopped = threading.Event()
        self._summary: RunSummary | None = None
        self._drawing = threading.Thread(target=self._draw, daemon=True)
        self._drawing.start()

    def update(self, summary: RunSummary) -> None:
        """Let the next drawing show these counts."""
        self._summary = summary

    def wait(self, pending: int, due: float) -> None:
        """Let the next drawings show that so many tasks are pending, and when they are asked after."""
        self._waiting = pending, due

    def stop(self) -> None:
        """Take the bar away."""
        self._stopped.set()
        self._drawing.join()

    def _draw(self) -> None:
        if self._stopped.wait(BAR_AFTER):
            return
        from rich.live import Live  # 40 ms that only a run of some length needs

        from moderate_cli.render.styles import plain_console

        color = self._environment.wants_color(self._color, self._stream.below)
        width = max(_MIN_WIDTH, self._environment.width() - _ROOM_FOR_ECHO)
        console = plain_console(self._stream.below, width=width, color=color, terminal=True)
        with Live(
            get_renderable=self._line,
            console=console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            self._stream.console = console
            try:
                while not self._stopped.wait(_REFRESH):
                    live.refresh()
            finally:
                self._stream.console = None

    def _line(self) -> RenderableType:
        """Return the bar with its counts, or one line about a wait."""
        now = self._environment.monotonic()
        if self._waiting is not None:
            from rich.text import Text

            pending, due = self._waiting
            words = _wait_words(pending, now - self._started, due - now)
            return Text(words, no_wrap=True, overflow="ellipsis")
        return self._bar(now - self._started)

    def _bar(self, seconds: float) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        summary = self._summary or RunSummary()
        total = self._total()
        rate = summary.inputs / seconds if seconds else 0.0
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True, overflow="ellipsis")
        words = Text(", ".join([*_words(summary, total, rate, self._noun), *_left(summary, total, rate)]))
        line.add_row(ProgressBar(total=total, completed=summary.inputs, pulse=total is None), words)
        return line


def _wait_words(pending: int, elapsed: float, left: float) -> str:
    """Return how many tasks are pending, for how many seconds already, and in how many they are asked after."""
    again = f"asking again in {ceil(left)} s" if left > 0 else "asking"
    return f"{counted(pending, 'task')} pending after {_clock(elapsed)}, {again}"


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S" if seconds >= 3600 else "%M:%S", time.gmtime(seconds))


def _words(summary: RunSummary, total: int | None, rate: float, noun: str) -> Iterator[str]:
    yield counted(summary.inputs, noun) if total is None else f"{summary.inputs:,} of {counted(total, noun)}"
    if flagged := summary.at_or_above(RiskLevel.LOW):
        yield f"{flagged:,} flagged"
    if failed := summary.failed + summary.skipped:
        yield f"{failed:,} failed"
    if summary.reused:
        yield f"{summary.reused:,} reused"
    yield f"{rate:.0f}/s"


def _left(summary: RunSummary, total: int | None, rate: float) -> Iterator[str]:
    """Yield the time that the rest takes at this rate."""
    if total is not None and rate > 0:
        seconds = max(0, round((total - summary.inputs) / rate))
        yield _clock(seconds)
