"""Results of tasks as files, so that another process with the local engine can be asked for them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from moderate_cli.common.files import atomic_write

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LONGEST_KEPT = 3 * 86_400  # seconds: no result is kept for longer than those of images


class TaskFiles:
    """One file a finished task, in a folder that only its owner may read.

    Where nothing can be written, because the file system is read-only or full, this process alone knows of its tasks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.glob("*.json"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _LONGEST_KEPT:
                    path.unlink()

    def write(self, task_id: str, content: Mapping[str, Any]) -> None:
        """Keep what became of a task, where that is possible."""
        path = self._path(task_id)
        if path is None:
            return
        with suppress(OSError):
            atomic_write(path, json.dumps(content), mode=0o600)

    def read(self, task_id: str) -> dict[str, Any] | None:
        """Return what became of a task, or None where nobody wrote that down."""
        path = self._path(task_id)
        if path is None:
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content

    def _path(self, task_id: str) -> Path | None:
        return self._folder / f"{task_id}.json" if _ID.fullmatch(task_id) else None
