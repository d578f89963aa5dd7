"""The environment of a run: streams, environment variables and clocks in one replaceable object."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TextIO


class Color(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Environment:
    """The streams, environment variables and clocks of a run; `clock` and `monotonic` return seconds.

    A plain class, because `moderate --version` imports no library of types.
    """

    def __init__(
        self,
        *,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        variables: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stdin = sys.stdin if stdin is None else stdin
        self.stdout = sys.stdout if stdout is None else stdout
        self.stderr = sys.stderr if stderr is None else stderr
        self.variables = os.environ if variables is None else variables
        self.clock = clock
        self.monotonic = monotonic

    def with_stderr(self, stderr: Any) -> Environment:
        """Return a copy with another stderr: a text stream, or something that writes as one."""
        return Environment(
            stdin=self.stdin,
            stdout=self.stdout,
            stderr=stderr,
            variables=self.variables,
            clock=self.clock,
            monotonic=self.monotonic,
        )

    def variable(self, name: str) -> str | None:
        """Return an environment variable, or None if it is unset or empty."""
        return self.variables.get(name) or None

    def width(self) -> int:
        """Return the width of the terminal in columns: from COLUMNS, else from the terminal, else 80."""
        columns = self.variable("COLUMNS")
        if columns and columns.isdecimal() and int(columns) > 0:
            return int(columns)
        return shutil.get_terminal_size().columns

    def wants_color(self, choice: str, stream: TextIO) -> bool:
        """Return whether to colour a stream: by `choice`, else NO_COLOR (no-color.org), else if it is a terminal."""
        if choice != "auto":
            return choice == "always"
        if self.variable("NO_COLOR") or self.variable("TERM") == "dumb":
            return False
        return stream.isatty()
