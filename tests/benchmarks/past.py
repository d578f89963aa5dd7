"""Looking back: the first screen of the history or of a review, a rare word, and the migration, with 1,000,000 results.

Beside each stands the same command on a store with one result, so that a ratio says what the size costs. One image is
judged by the command itself, and all further results are copies of that one; every fifth has text, in Chinese too.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from measuring import IMAGE, MODERATE, in_turns, peak_memory, run, world
from report import Figure
from serving import serving

_TIMEOUT = 300.0
_TEXT = '"text_in_image":{"ocr_result":[{"text":"限时特价 casino"}],"risk_word":[],"custom_text":[]}'
_COLUMNS = (
    "run, judged_at, status, operation, services, risk_level, region, engine, question, billed_calls, told, "
    "source, sha256, request_id, record"
)
_COPY = f"""
    WITH RECURSIVE copies (number, image) AS (
        SELECT 1, 1 UNION ALL SELECT number + 1, (number + 1) % :images FROM copies WHERE number < :count
    )
    INSERT INTO results ({_COLUMNS})
    SELECT run, judged_at + copies.number, status, operation, services, risk_level, region, engine, question,
        billed_calls, told, printf('assets/%07d.png', image), printf('%064x', image), printf('R-%d', copies.number),
        replace(
            replace(record, source, printf('assets/%07d.png', image)),
            iif(image % 5, '', '"text_in_image":null'), iif(image % 5, '', :text)
        )
    FROM copies, results WHERE results.number = 1
"""
_LAST = "decisions"
_REVIEW = ("--terminal", "--risk", "high,medium,low,none")  # without a terminal it shows one result and ends
_SCREEN = ("--limit", "50", "-f", "table")


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures for stores with few, many, and only different images."""
    count = 20_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as name, serving(tls=False) as service:
        folder = Path(name)
        variables = world(folder, service.variables)
        run([MODERATE, "sync", str(IMAGE)], variables, timeout=_TIMEOUT).expect(0)
        small = folder / "store.db"
        rounds = 1 if quick else 5
        for images in (10, count // 10, count):
            large = _filled(small, folder / f"{images}.db", count, images)
            what = f"history: {count:,} results of {images:,} images"
            ours, theirs = in_turns(rounds, *_both(large, small, variables, _SCREEN))
            yield _figure(what, ours * 1000, theirs * 1000, "ms")
            ours, theirs = (_peak(store, variables, _SCREEN) for store in (large, small))
            yield _figure(f"{what}, memory", ours, theirs, "MB")
            ours, theirs = in_turns(rounds, *_both(large, small, variables, _REVIEW, "review"))
            yield _figure(f"review: {count:,} results of {images:,} images", ours * 1000, theirs * 1000, "ms")
            ours, theirs = (_peak(store, variables, _REVIEW, "review") for store in (large, small))
            yield _figure(f"review: {count:,} results of {images:,} images, memory", ours, theirs, "MB")
        ours, theirs = in_turns(rounds, *_both(large, small, variables, (*_SCREEN, "--text", "没有")))
        yield _figure(f"history --text, a word that {count // 5:,} texts lack", ours * 1000, theirs * 1000, "ms")
        _undo_last_migration(large)
        ours, theirs = in_turns(1, *_both(large, small, variables, ("--limit", "1")))
        yield _figure(f"the migration {_LAST!r}: {count:,} results", ours * 1000, theirs * 1000, "ms")


def _figure(name: str, ours: float, theirs: float, unit: str) -> Figure:
    return Figure(target="-", name=name, ours=ours, peer="the same with 1 result", theirs=theirs, unit=unit)


def _command(store: Path, arguments: Sequence[str], name: str) -> list[str]:
    return [MODERATE, name, "--store", str(store), *arguments]


def _both(large: Path, small: Path, variables: dict[str, str], arguments: Sequence[str], name: str = "history") -> list:
    return [
        lambda store=store: run(_command(store, arguments, name), variables, timeout=_TIMEOUT).expect(0).seconds
        for store in (large, small)
    ]


def _peak(store: Path, variables: dict[str, str], arguments: Sequence[str], name: str = "history") -> float:
    return peak_memory(_command(store, arguments, name), variables, timeout=_TIMEOUT)[0]


def _filled(small: Path, large: Path, count: int, images: int) -> Path:
    """Return a store with so many copies of the only result, about so many images."""
    with closing(sqlite3.connect(small)) as source, closing(sqlite3.connect(large)) as database:
        source.backup(database)
        database.execute("PRAGMA synchronous = OFF")
        with database:
            database.execute(_COPY, {"count": count, "images": images, "text": _TEXT})
    return large


def _undo_last_migration(store: Path) -> None:
    """Let a store be one of the version before, with the table that it had then."""
    with closing(sqlite3.connect(store)) as database, database:
        (number,) = database.execute("SELECT max(number) FROM migrations WHERE name = ?", (_LAST,)).fetchone()
        database.execute("DELETE FROM migrations WHERE number >= ?", (number,))
        for index in ("results_decided", "results_undecided"):
            database.execute(f"DROP INDEX {index}")
        for table in ("decisions", "leases"):
            database.execute(f"DROP TABLE {table}")
        database.execute("ALTER TABLE results DROP COLUMN decision")
        database.execute("CREATE TABLE feedback (number INTEGER PRIMARY KEY, request_id, verdict, note, at)")
