"""Progress on stderr: lines in a log, a bar on a terminal that leaves nothing behind."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable

import pytest
from builders import failed, judged

from moderate_cli.common.environment import Environment
from moderate_cli.common.text import echo
from moderate_cli.render import progress as progress_module
from moderate_cli.render.progress import SharedStream, progress
from moderate_cli.results import RunSummary

PATIENCE = 10.0  # seconds: far more than any step here takes


class Terminal(io.StringIO):
    """A terminal that remembers all that was written to it."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _summary() -> RunSummary:
    summary = RunSummary()
    for outcome in (judged(), judged("high", "violent"), failed()):
        summary.add(outcome)
    return summary


def _environment(stream: io.StringIO, clock: Callable[[], float], **variables: str) -> Environment:
    return Environment(
        stderr=SharedStream(stream),  # type: ignore[arg-type]
        variables={"COLUMNS": "60", **variables},
        monotonic=clock,
    )


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    log, clock, summary = io.StringIO(), Clock(), _summary()
    with progress(_environment(log, clock), wanted=True, total=lambda: 30) as shown:
        for seconds in range(25):
            clock.now = seconds
            shown.update(summary)
    assert log.getvalue().splitlines() == [
        "moderate: 3 of 30 images, 1 flagged, 1 failed, 0/s",
        "moderate: 3 of 30 images, 1 flagged, 1 failed, 0/s",
    ]


def test_a_log_of_unknown_length_counts() -> None:
    log, clock, summary = io.StringIO(), Clock(), RunSummary()
    summary.add_clean(1234)
    with progress(_environment(log, clock), wanted=True, total=lambda: None) as shown:
        clock.now = 10
        shown.update(summary)
    assert log.getvalue() == "moderate: 1,234 images, 1,234 reused, 123/s\n"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_nothing_is_shown_where_nobody_wants_it(stream: io.StringIO) -> None:
    clock = Clock()
    with progress(_environment(stream, clock), wanted=False, total=lambda: 3) as shown:
        clock.now = 1000
        shown.update(_summary())
    assert stream.getvalue() == ""


def test_a_short_run_shows_no_bar() -> None:
    terminal = Terminal()
    with progress(_environment(terminal, time.monotonic), wanted=True, total=lambda: 3) as shown:
        shown.update(_summary())
    assert terminal.getvalue() == ""


def test_a_bar_makes_way_for_lines_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "BAR_AFTER", 0.0)
    terminal = Terminal()
    environment = _environment(terminal, time.monotonic)
    deadline = time.monotonic() + PATIENCE
    with progress(environment, wanted=True, total=lambda: 30) as shown:
        shown.update(_summary())
        while "3 of 30" not in terminal.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        echo(environment, "a note")
    echo(environment, "the end")
    screen = _screen(terminal.getvalue())
    assert screen == ["moderate: a note", "moderate: the end"]
    assert "1 flagged, 1 failed" in terminal.getvalue()
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_a_dumb_terminal_gets_lines() -> None:
    terminal, clock = Terminal(), Clock()
    with progress(_environment(terminal, clock, TERM="dumb"), wanted=True, total=lambda: None) as shown:
        clock.now = 11
        shown.update(_summary())
    assert terminal.getvalue() == "moderate: 3 images, 1 flagged, 1 failed, 0/s\n"


def _screen(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[\??\d*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row -= int(part[2:-1] or 1)
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line for line in lines if line.strip()]


def test_a_wait_is_told_in_few_lines() -> None:
    log, clock = io.StringIO(), Clock()
    with progress(_environment(log, clock), wanted=True, total=lambda: None, noun="task") as shown:
        for number in range(6):
            clock.now = 30 * number
            shown.wait(3 - number // 3, clock.now + 30)
    assert log.getvalue().splitlines() == [
        "moderate: 3 tasks pending after 00:00, asking again in 30 s",
        "moderate: 3 tasks pending after 01:00, asking again in 30 s",
        "moderate: 2 tasks pending after 02:00, asking again in 30 s",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_wait_is_one_line_that_counts_down(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(progress_module, "BAR_AFTER", 0.0)
    terminal, clock = Terminal(), Clock()
    environment = _environment(terminal, clock, COLUMNS=str(width))
    deadline = time.monotonic() + PATIENCE
    with progress(environment, wanted=True, total=lambda: 3, noun="task") as shown:
        shown.wait(3, 90)
        for now, said in ((66, "3 tasks pending after 01:06, asking again in 24 s"), (91, "after 01:31, asking")):
            clock.now = now
            while said not in terminal.getvalue():
                assert time.monotonic() < deadline
                time.sleep(0.01)
    assert [line for line in _screen(terminal.getvalue()) if line] == []
