"""What a command line of a test leaves behind, and the streams that it writes to."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Result:
    """What a command line left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]
