"""What lies behind results, beyond their records: the files that were judged, and posts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from moderate_cli.models import Json


class Originals:
    """Knows nothing; a subclass knows what a store remembers."""

    def files(self, digests: Collection[str]) -> Mapping[str, Sequence[Path]]:
        """Return where files with some contents were seen, as absolute paths by SHA-256; they may have changed."""
        del digests
        return {}

    def post(self, req_id: str) -> Json | None:
        """Return the post that was submitted as a task, or None."""
        del req_id
        return None
