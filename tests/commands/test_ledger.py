"""The ledger of a run whose store may be given up by any of its threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moderate_cli.commands.ledger import Ledger
from moderate_cli.store import Store


class _GivenUp(Ledger):
    """Its store is given up by another thread right after each look at it."""

    _store: Store | None = None

    @property
    def store(self) -> Store | None:  # type: ignore[override]
        seen, self._store = self._store, None
        return seen

    @store.setter
    def store(self, store: Store | None) -> None:
        self._store = store


def test_work_on_a_store_that_is_given_up_meanwhile_still_has_it(tmp_path: Path) -> None:
    environment: Any = None  # nothing is said
    with Store.open(tmp_path / "history.db") as store:
        ledger = _GivenUp(store, "sync", environment)
        assert ledger.attempt(lambda store: store.path) == tmp_path / "history.db"
        assert ledger.attempt(lambda store: store.path) is None
