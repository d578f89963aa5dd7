"""Target 9: the walk over a folder with the stat of each file, beside a bare loop over `scandir`."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import in_turns
from report import Figure

from moderate_cli.sources.folders import walk

_FILES_A_FOLDER = 100


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figure of 100,000 files in 1,000 folders."""
    folders = 20 if quick else 1000
    with tempfile.TemporaryDirectory() as root:
        make_tree(Path(root), folders)
        ours, theirs = in_turns(3 if quick else 15, lambda: _walked(root), lambda: _looped(root))
    yield Figure(
        target=9,
        name=f"walk and stat of {folders * _FILES_A_FOLDER:,} files",
        ours=ours * 1000,
        peer="a bare scandir loop",
        theirs=theirs * 1000,
        unit="ms",
        bound=1.15,
    )


def make_tree(root: Path, folders: int) -> None:
    """Write tiny files, each with a content of its own and the name of an image, into folders of folders."""
    for number in range(folders):
        folder = root / f"{number // 100:03d}" / f"{number:05d}"
        folder.mkdir(parents=True)
        for index in range(_FILES_A_FOLDER):
            (folder / f"{index:04d}.png").write_text(f"{number} {index}")


def _walked(root: str) -> float:
    started = time.perf_counter()
    for _ in walk(root):
        pass
    return time.perf_counter() - started


def _looped(root: str) -> float:
    started = time.perf_counter()
    waiting = [root]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
    return time.perf_counter() - started
