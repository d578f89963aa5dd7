"""The pager: started on a real terminal when the screen is full, and never elsewhere."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from invocation import Terminal

from moderate_cli.common.environment import Environment
from moderate_cli.render.pager import paged

_SCRIPT = """
import sys
from moderate_cli.common.environment import Environment
from moderate_cli.render.pager import paged
count, wanted = int(sys.argv[1]), sys.argv[2] == "paged"
notes = []
with paged(Environment(), wanted=wanted, note=notes.append) as stream:
    for number in range(count):
        stream.write(f"line {number} \\N{CJK UNIFIED IDEOGRAPH-8D4C}\\n")
        stream.flush()
print("after", *notes, file=sys.stderr)
"""
_ROWS = 10


def _shown(count: int, *, wanted: bool = True, **variables: str) -> tuple[str, str, int]:
    """Return what a terminal of ten rows shows of so many lines, what is said after them, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, 40, 0, 0))
    names = {name: value for name, value in os.environ.items() if name not in {"PAGER", "LESS", "COLUMNS", "LINES"}}
    command = [sys.executable, "-c", _SCRIPT, str(count), "paged" if wanted else "plain"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=names | {"TERM": "xterm", "PYTHONUTF8": "1"} | variables,
    ) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            text += part
        os.close(ours)
        assert process.stderr is not None
        said = process.stderr.read().decode()
    return text.decode().replace("\r\n", "\n"), said, process.returncode


_LINES = "".join(f"line {number} 赌\n" for number in range(30))
_MARKED = "sed 's/^/> /'"


@pytest.mark.parametrize("name", ["MODERATE_PAGER", "PAGER"])
def test_what_is_longer_than_the_screen_goes_through_the_pager(name: str) -> None:
    shown, said, code = _shown(30, **{name: _MARKED})
    assert (said, code) == ("after\n", 0)
    assert shown == "".join(f"> {line}\n" for line in _LINES.splitlines())


def test_our_own_variable_wins() -> None:
    assert _shown(30, MODERATE_PAGER=_MARKED, PAGER="false")[0].startswith("> line 0")


@pytest.mark.parametrize("pager", ["", "cat", " "])
def test_no_pager_is_a_choice_too(pager: str) -> None:
    assert _shown(30, MODERATE_PAGER=pager, PAGER=_MARKED) == (_LINES, "after\n", 0)


def test_what_fits_needs_no_pager() -> None:
    assert _shown(_ROWS - 1, MODERATE_PAGER=_MARKED)[0] == "".join(_LINES.splitlines(keepends=True)[: _ROWS - 1])
    assert _shown(_ROWS, MODERATE_PAGER=_MARKED)[0].startswith("> ")


def test_a_line_that_is_too_long_takes_several_rows() -> None:
    assert _shown(5, MODERATE_PAGER=_MARKED, COLUMNS="4")[0].startswith("> ")


def test_no_pager_where_none_is_wanted() -> None:
    assert _shown(30, wanted=False, MODERATE_PAGER=_MARKED)[0] == _LINES


def test_a_pager_that_is_not_there_is_told() -> None:
    said = "after no such pager: nonesuch-pager (see MODERATE_PAGER)\n"
    assert _shown(30, MODERATE_PAGER="nonesuch-pager -x") == (_LINES, said, 0)


def test_whoever_leaves_the_pager_early_has_seen_enough() -> None:
    shown, said, code = _shown(100_000, MODERATE_PAGER="head -2")
    assert (shown, said, code) == ("line 0 赌\nline 1 赌\n", "after\n", 0)


def test_less_shows_colours_and_leaves_at_once_what_fits(tmp_path: Path) -> None:
    (tmp_path / "less").write_text('#!/bin/sh\necho "$@" "$LESS"\ncat >/dev/null\n')
    (tmp_path / "less").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert _shown(30, PATH=path)[0] == "-FRX FRX\n"
    assert _shown(30, PATH=path, LESS="S")[0] == "-FRX S\n"
    assert _shown(30, PATH=path, TERM="dumb")[0] == _LINES


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_what_is_no_terminal_has_no_pager(stream: io.StringIO) -> None:
    variables = {"MODERATE_PAGER": "false"}
    with paged(Environment(stdout=stream, variables=variables), wanted=True, note=print) as shown:
        assert shown is stream
