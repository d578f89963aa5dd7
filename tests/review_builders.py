"""A past with images to decide about, and reviews of it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builders import judged
from msgspec.structs import replace
from PIL import Image

from moderate_cli.models import Item, LocalFile
from moderate_cli.records import to_record
from moderate_cli.review import ReviewQueue
from moderate_cli.store import Filters, Order, Store

MODERATE = Path(sys.executable).with_name("moderate")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def draw(path: Path, number: int) -> str:
    """Draw an image of which there is no other, and return its SHA-256."""
    content = io.BytesIO()
    Image.new("RGB", (320, 240), (number * 37 % 256, number * 91 % 256, number % 256)).save(content, "PNG")
    path.write_bytes(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def found(path: Path, number: int, level: str = "medium", *labels: str, **changes: Any) -> dict[str, Any]:
    """The record of an image in a file, with a finding."""
    outcome = judged(level, *(labels or ("violent_gun",)), source=str(path), request_id=f"R{number}")
    outcome = replace(outcome, item=Item(str(path), LocalFile(path)), sha256=draw(path, number), at=1000.0 + number)
    return to_record(outcome) | changes


def fill(store: Path, folder: Path, levels: str, **changes: Any) -> list[str]:
    """Store results of images, one a letter for its level (h, m, l or n), and return the names of their files."""
    words = {"h": "high", "m": "medium", "l": "low", "n": "none"}
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:03d}-{letter}.png" for number, letter in enumerate(levels)]
    with Store.open(store) as opened:
        for number, (name, letter) in enumerate(zip(names, levels, strict=True)):
            opened.add_result(None, found(folder / name, number, words[letter], **changes))
    return names


def queue_of(store: Store, name: str = "here", *, order: Order = Order.WORST, **filters: Any) -> ReviewQueue:
    """A review of the undecided mediums and highs of a store, whose clock stands still."""
    meant: dict[str, Any] = {"risk_levels": ("high", "medium"), "decision": "none", "latest": True}
    return ReviewQueue(store.worklist(Filters(**meant | filters), order), name, lambda: 0.0)


@contextmanager
def reviewing(
    store: Path, *options: str | Path, folder: Path | None = None, browser: Path | None = None
) -> Iterator[tuple[subprocess.Popen, str]]:
    """Serve a review, opened in a browser if one is given, and yield its process and its address."""
    command = [MODERATE, "review", *([] if browser else ["--no-open"]), "--store", store, *options]
    variables = {**os.environ, "LOGNAME": "mo", "DISPLAY": ":0", "BROWSER": f"{browser} %s"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables, cwd=folder) as process:
        try:
            assert process.stderr
            for line in process.stderr:
                if "review at " in line:
                    yield process, line.split()[3]
                    break
            else:
                raise AssertionError("it was not served")
        finally:
            process.kill()
