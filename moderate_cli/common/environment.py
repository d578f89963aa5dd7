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


_NO_FORCE = frozenset({None, "0", "false"})  # values of FORCE_COLOR that force nothing


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

    def user(self) -> str | None:
        """Return the name of whoever runs this, as the system knows it, or None if unknown."""
        from getpass import getuser  # few commands ask

        try:
            return getuser()
        except (OSError, KeyError, ImportError):  # no such user, as in some containers; no `pwd` on Windows
            return None

    def width(self) -> int:
        """Return the width of the terminal in columns: from COLUMNS, else from the terminal, else 80."""
        columns = self.variable("COLUMNS")
        if columns and columns.isdecimal() and int(columns) > 0:
            return int(columns)
        return shutil.get_terminal_size().columns

    def wants_color(self, choice: str, stream: TextIO) -> bool:
        """Return whether to colour a stream: by `choice`, else by what the environment says.

        NO_COLOR comes first, then FORCE_COLOR and CLICOLOR_FORCE, then TERM and CLICOLOR (no-color.org,
        force-color.org, bixense.com/clicolors); without any of them a terminal has colour.
        """
        if choice != "auto":
            return choice == "always"
        if self.variable("NO_COLOR"):
            return False
        forced = [self.variable(name) for name in ("FORCE_COLOR", "CLICOLOR_FORCE")]
        if any(value not in _NO_FORCE for value in forced):
            return True
        return stream.isatty() and self.variable("TERM") != "dumb" and self.variable("CLICOLOR") != "0"
