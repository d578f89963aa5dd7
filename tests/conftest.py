"""What tests of several rooms share: a world of their own, a command line that runs in it, and the vendor's samples."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from moderate_cli.emulator import Emulator
from moderate_cli.environment import Environment
from moderate_cli.main import run


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


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith(("MODERATE_", "ALIBABA", "ALICLOUD")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def moderate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run one command line in this process."""

    def moderate(
        *arguments: str | Path, variables: Mapping[str, str] | None = None, terminal: bool = False, columns: int = 100
    ) -> Result:
        stdout = Terminal() if terminal else io.StringIO()
        stderr = io.StringIO()
        with monkeypatch.context() as patch:
            for name, value in {"COLUMNS": str(columns), **(variables or {})}.items():
                patch.setenv(name, value)
            code = run([str(argument) for argument in arguments], Environment(stdout=stdout, stderr=stderr))
        return Result(code, stdout.getvalue(), stderr.getvalue())

    return moderate


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def account(emulator: Emulator) -> dict[str, str]:
    """The environment variables with which a client of the emulator is known to it."""
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": emulator.access_key.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": emulator.access_key.access_key_secret,
        "MODERATE_ENDPOINT": emulator.endpoint,
    }
