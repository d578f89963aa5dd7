"""What a scan needs to remember, so that nothing is paid for twice; where it is kept is not its business."""

from __future__ import annotations

from typing import Protocol

from moderate_cli.verdicts import FileStat, Outcome


class Memory(Protocol):
    """Knows earlier outcomes by the content of their images; many threads use it at once."""

    def recall(self, known: Outcome, look: FileStat | None) -> Outcome | None:
        """Return what is known about the content of an image, as the outcome of this one.

        `look` is how its file looked while it was read, or None where it did not keep still.
        """

    def keep(self, outcome: Outcome, look: FileStat | None) -> None:
        """Remember an outcome that is new."""


class Nothing:
    """Remembers nothing."""

    def recall(self, known: Outcome, look: FileStat | None) -> None:
        """Know nothing."""

    def keep(self, outcome: Outcome, look: FileStat | None) -> None:
        """Forget an outcome."""
