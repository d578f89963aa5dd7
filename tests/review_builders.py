"""A past with images to decide about, and reviews of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builders import NO_EXT, judged
from msgspec.structs import replace
from PIL import Image

from moderate_cli.app.cache import as_item
from moderate_cli.models import Frame, Item, Label, LocalFile, Outcome, QueuedTask, RiskLevel, SavedFrame
from moderate_cli.records import to_record
from moderate_cli.review import ReviewQueue
from moderate_cli.store import Filters, NewTask, Order, Store

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


def _finish_task(store: Store, req_id: str, record: dict[str, Any], **task: Any) -> None:
    known = {"operation": record["operation"], "service": "s", "source": record["source"], "endpoint": "e"}
    number = store.begin_task(NewTask(**known | task))
    store.accept_task(number, req_id=req_id, submitted_at=1.0, expires_at=2e9, request_id=None)
    assert store.finish_task(req_id, record)


def add_post(store: Store, folder: Path) -> list[Path]:
    """Store the result of a post with three pictures in files, one on the web and one in a bucket; return the files."""
    paths = [folder / f"{number}.png" for number in range(3)]
    first, second, third = ({"file": str(path), "sha256": draw(path, number)} for number, path in enumerate(paths))
    remote = [{"imageUrl": "https://example.com/boat.jpg"}, {"ossBucketName": "bucket", "ossObjectName": "a.png"}]
    post = {
        "mainData": {"mainTitle": "A title", "mainContent": "two\nlines", "mainImages": [first, second, *remote]},
        "commentDatas": [{"content": "me too", "images": [third], "commentDatas": [{"content": "and me"}]}],
    }
    labels = tuple(Label("ad", 90, None, RiskLevel.HIGH, where=where) for where in ("$.mainData", "$.commentDatas[0]"))
    outcome = judged("high", *labels, source="post.yaml", request_id="R-post", req_id="task_1")
    outcome = replace(outcome, item=Item("post.yaml", QueuedTask("task_1", "multimodal")), at=1.0)
    record = to_record(outcome) | {"operation": "DescribeMultimodalModerationResult"}
    _finish_task(store, "task_1", record, kind="multimodal", post=json.dumps(post))
    return paths


def add_animation(store: Store, folder: Path) -> list[Path]:
    """Store the result of an animated GIF of three frames, of which two were saved; return their files."""
    pictures = [Image.new("RGB", (320, 240), color) for color in ("red", "green", "blue")]
    source, paths = folder / "moving.gif", [folder / f"T-{index}.jpg" for index in range(2)]
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=[400, 300, 200])
    frames = []
    for index, picture in enumerate(pictures):
        saved = None
        if index < len(paths):
            picture.save(paths[index])
            saved = SavedFrame(str(paths[index]), hashlib.sha256(paths[index].read_bytes()).hexdigest())
        labels = (Label("ad", 90, None, RiskLevel.HIGH),) if index == 1 else ()
        frames.append(Frame(index, "https://example.com/f.jpg", None, labels, NO_EXT, saved=saved))
    label = Label("ad", 90, None, RiskLevel.HIGH, where="$.frames[1]")
    outcome = judged("high", label, source=str(source), frames=tuple(frames), request_id="R-moving", req_id="T")
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    outcome = replace(outcome, item=Item(str(source), QueuedTask("T", "image")), sha256=sha256, at=2.0)
    extents = json.dumps([{"kind": "frames", "total": 3, "interval": 1, "most": 10}])
    _finish_task(store, "T", to_record(outcome), kind="image", sha256=sha256, extents=extents)
    return paths


def task_of(store: Store, outcome: Outcome) -> QueuedTask | None:
    """What a store knows of the task of a result, as the command tells it to a review."""
    image = outcome.item.image
    task = store.find_task(image.req_id) if isinstance(image, QueuedTask) else None
    known = as_item(task).image if task else None
    return known if isinstance(known, QueuedTask) else None


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
