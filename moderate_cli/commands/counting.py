"""How many inputs a run will have, counted beside it for those who watch."""

from __future__ import annotations

import threading
from collections.abc import Callable

from moderate_cli.errors import ModerateError
from moderate_cli.sources import Sources


class Count:
    """Counts the items of some sources in a thread of its own, once somebody asks; None until that is done."""

    def __init__(self, open_sources: Callable[[], Sources]) -> None:
        self._open_sources = open_sources
        self._started = False
        self._number: int | None = None

    def __call__(self) -> int | None:
        """Return the number where it is known by now."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._count, daemon=True).start()
        return self._number

    def _count(self) -> None:
        try:
            self._number = sum(1 for _ in self._open_sources())
        except ModerateError:
            self._number = None  # the run itself says what is wrong
