"""Target 10: a folder of which every image is judged already, beside `git status` on the same tree.

The store holds ten times the results of the tree. One image is judged by the command itself, and all further results
are copies of that one in the store's own tables, without the 20 minutes that so many calls would take.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copy

from measuring import IMAGE, MODERATE, Finished, in_turns, run, world
from report import Figure
from serving import Served, serving
from walking import make_tree

_LONG_AGO = 1_700_000_000.0
_TIMEOUT = 300.0
_FORMATS = ("table", "sarif", "github", "junit", "markdown")


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figure of each format for 100,000 files and a store of 1,000,000 results."""
    folders = 20 if quick else 1000
    with tempfile.TemporaryDirectory() as name, serving(tls=False) as service:
        folder = Path(name)
        tree = folder / "tree"
        make_tree(tree, folders)
        _commit(tree)
        variables = world(folder, service.variables)
        _judge_one(folder, variables, service)
        number = _fill(folder / "store.db", tree, times=10)

        def rescan(choice: str) -> Finished:
            command = [MODERATE, "sync", "tree", "--reuse", "forever", "--fail-on", "high", "-f", choice]
            return run(command, variables, timeout=_TIMEOUT, folder=folder).expect(0)

        *ours, theirs = in_turns(
            3 if quick else 15,
            *(lambda choice=choice: rescan(choice).seconds for choice in _FORMATS),
            lambda: run(["git", "status"], variables, timeout=_TIMEOUT, folder=tree).expect(0).seconds,
        )
        summaries = [rescan(choice).stderr.splitlines()[0] for choice in _FORMATS]
        if service.take().connections:
            raise RuntimeError("a rescan asked the service")
    for choice, seconds, summary in zip(_FORMATS, ours, summaries, strict=True):
        yield Figure(
            target=10,
            name=f"{choice}: {folders * 100:,} files, {number:,} results",
            ours=seconds * 1000,
            peer="git status",
            theirs=theirs * 1000,
            unit="ms",
            bound=3,
            note=f"it said: {summary}",
        )


def _commit(tree: Path) -> None:
    """Make a tree a git repository with nothing to commit."""
    author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "all"], ["status"]):
        subprocess.run(["git", *command], cwd=tree, check=True, capture_output=True, env=world(tree.parent))


def _judge_one(folder: Path, variables: dict[str, str], service: Served) -> None:
    """Judge one image with the command that is measured later, so that the store knows it."""
    image = folder / "one.png"
    copy(IMAGE, image)
    os.utime(image, (_LONG_AGO, _LONG_AGO))  # what changed just now is hashed again next time
    run([MODERATE, "sync", str(image)], variables, timeout=_TIMEOUT).expect(0)
    service.take()


def _fill(store: Path, tree: Path, *, times: int) -> int:
    """Copy the only result for each file of a tree, and for others until there are so many; return how many."""
    with closing(sqlite3.connect(store)) as database, database:
        database.row_factory = sqlite3.Row
        result = dict(database.execute("SELECT * FROM results").fetchone())
        file = dict(database.execute("SELECT * FROM files").fetchone())
        for copy_number in range(times):
            for parent, _folders, names in os.walk(tree):
                if ".git" not in parent and names:
                    _copy_rows(database, result, file, Path(parent), names, copy_number)
        return int(database.execute("SELECT count(*) FROM results").fetchone()[0])


def _copy_rows(
    database: sqlite3.Connection, result: dict, file: dict, folder: Path, names: list[str], number: int
) -> None:
    """Insert the rows of the files of one folder; those with a number stand for another tree that looks like it."""
    place = f"{folder}{number or ''}"
    database.execute("INSERT INTO folders (path) VALUES (?)", (place,))
    in_folder = database.execute("SELECT max(number) FROM folders").fetchone()[0]
    for name in names:
        seen = (folder / name).stat()
        content = f"{(folder / name).read_text()} {number or ''}".strip()
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        source = f"{place}/{name}"
        record = json.dumps({**json.loads(result["record"]), "source": source, "sha256": sha256})
        _insert(database, "results", {**result, "number": None, "source": source, "sha256": sha256, "record": record})
        look = {"size": seen.st_size, "mtime_ns": seen.st_mtime_ns, "inode": seen.st_ino}
        _insert(database, "files", {**file, "folder": in_folder, "name": name, "sha256": sha256, **look})


def _insert(database: sqlite3.Connection, table: str, row: dict) -> None:
    marks = ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
