"""The world around a run: streams, environment variables, folders and clocks, as one replaceable object."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Everything a run takes from outside, apart from its arguments and the files these name."""

    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def variable(self, name: str) -> str | None:
        """Return an environment variable, or None where it is unset or empty."""
        return self.variables.get(name) or None

    def width(self) -> int:
        """Return the width of the terminal in columns: COLUMNS, then the terminal itself, then 80."""
        columns = self.variable("COLUMNS")
        if columns and columns.isdecimal() and int(columns) > 0:
            return int(columns)
        return shutil.get_terminal_size().columns

    def wants_color(self, choice: str, stream: TextIO) -> bool:
        """Decide on colour for a stream: the choice, then NO_COLOR (no-color.org), then what the stream is."""
        if choice != "auto":
            return choice == "always"
        if self.variable("NO_COLOR") or self.variable("TERM") == "dumb":
            return False
        return stream.isatty()
