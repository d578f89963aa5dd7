from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_builders import Clock

from moderate_cli.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(path, clock=clock, patience=0.3) as store:
        yield store
