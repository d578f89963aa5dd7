"""For tests of programs that call the API: a fixture that runs the emulator. pytest finds it by its entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from moderate_cli.emulator import Emulator


@pytest.fixture
def green_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Run an emulator for one test, and let the variables of the environment point to it.

    Its detectors are those that are installed; `seed` lays down verdicts, and `faults.add` lets calls fail.
    """
    from moderate_cli.emulator import Emulator  # pytest imports this module wherever it runs

    with Emulator() as emulator:
        key = emulator.access_key
        monkeypatch.setenv("MODERATE_ENDPOINT", emulator.endpoint)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", key.access_key_id)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", key.access_key_secret)
        yield emulator
