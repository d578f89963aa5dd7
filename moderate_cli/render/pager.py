"""When does output go through a pager? On a terminal, once it is longer than the screen."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TextIO, cast

from moderate_cli.common.environment import Environment

_VARIABLES = ("MODERATE_PAGER", "PAGER")
_DEFAULT = "less -FRX"
# What less and lv need to show colours, and to leave at once what fits, unless their user says otherwise; as git does.
_FOR_PAGERS = {"LESS": "FRX", "LV": "-c"}
_FOR_THE_SHELL = frozenset("|&;<>()$`\\\"' \t*?[#~=%")
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
_WIDE = "\u1100"  # from here on characters may take two columns


@contextmanager
def paged(environment: Environment, *, wanted: bool, note: Callable[[str], None]) -> Iterator[TextIO]:
    """Yield standard output, or with `wanted` and on a terminal a stream that starts a pager when the screen is full.

    The end of the block waits for the pager. Whoever leaves it early has seen enough: the block ends without an error.
    A pager that is not there is told by `note`.
    """
    command = _command(environment, note) if wanted and _is_real_terminal(environment.stdout) else None
    if command is None:
        yield environment.stdout
        return
    stream = _PagedStream(environment, command)
    try:
        yield cast(TextIO, stream)
        stream.finish()
    except (BrokenPipeError, SystemExit) as error:  # Rich makes the latter of the former
        is_broken_pipe = isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError)
        if not (is_broken_pipe and stream.is_started):
            raise
    finally:
        stream.wait()


def _is_real_terminal(stream: TextIO) -> bool:
    try:
        return os.isatty(stream.fileno())
    except (OSError, ValueError):  # a stream that is no file, or a closed one
        return False


def _command(environment: Environment, note: Callable[[str], None]) -> str | None:
    """Return the command line of the pager, or None for none: an empty one, `cat`, or one that is not installed."""
    for name in _VARIABLES:
        if (chosen := environment.variables.get(name)) is not None:
            break
    else:
        if environment.variable("TERM") == "dumb" or shutil.which("less") is None:
            return None
        return _DEFAULT
    if chosen.strip() in {"", "cat"}:
        return None
    words = _words(chosen)
    if not _FOR_THE_SHELL & set(words[0]) and shutil.which(words[0]) is None:
        note(f"no such pager: {words[0]} (see {name})")
        return None
    return chosen


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command, posix=os.name == "posix") or [command]
    except ValueError:  # an open quote, about which the shell will say something
        return [command]


class _PagedStream(io.TextIOBase):
    """Keeps what fits on the screen; with the line after that it starts the pager."""

    def __init__(self, environment: Environment, command: str) -> None:
        self._stdout = environment.stdout
        self._variables = _FOR_PAGERS | dict(environment.variables)
        self._command = command
        self._width = environment.width()
        self._rows_left = shutil.get_terminal_size().lines - 1  # the prompt of the shell takes one
        self._kept: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def is_started(self) -> bool:
        """Whether there is a pager."""
        return self._process is not None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the terminal."""
        return self._stdout.encoding or "utf-8"

    def isatty(self) -> bool:
        """Return True: what is written is shown on a terminal."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write text; raises BrokenPipeError when the reader has left the pager."""
        if self._process is not None:
            return self._pipe.write(text)
        self._kept.append(text)
        self._rows_left -= self._rows(text)
        if self._rows_left < 0:
            self._start()
        return len(text)

    def flush(self) -> None:
        """Hand on to the pager what was written, once there is one."""
        if self._process is not None:
            self._pipe.flush()

    def finish(self) -> None:
        """Show what fits on the screen, or close the pager's input."""
        if self._process is None:
            self._stdout.write("".join(self._kept))
            self._stdout.flush()
        else:
            self._pipe.close()

    def wait(self) -> None:
        """Wait until the reader leaves the pager, which has the keyboard for itself until then."""
        if self._process is None:
            return
        with suppress(BrokenPipeError):
            self._pipe.close()
        while self._process.returncode is None:
            try:
                self._process.wait()
            except KeyboardInterrupt:
                continue

    def _rows(self, text: str) -> int:
        """Return how many rows of the screen a text ends; a line that is too long takes several."""
        *lines, _ = _ESCAPE_SEQUENCE.sub("", text).split("\n")
        return sum(1 + max(0, _columns(line) - 1) // self._width for line in lines)

    def _start(self) -> None:
        self._stdout.flush()
        self._process = subprocess.Popen(  # noqa: S602 - the user's own command line, as git takes it
            self._command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=self._stdout.fileno(),
            env=self._variables,
            encoding=self.encoding,
            errors="backslashreplace",
        )
        self._pipe.write("".join(self._kept))
        self._kept.clear()

    @property
    def _pipe(self) -> IO[str]:
        if self._process is None or self._process.stdin is None:
            raise ValueError("there is no pager")
        return self._process.stdin


def _columns(line: str) -> int:
    return len(line) + sum(character >= _WIDE for character in line)
