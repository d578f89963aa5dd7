"""Queries about the past: history, statistics, feedback, and pruning; no run imports this module."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from moderate_cli.models import EXEMPT, NO_FINDING, Engine
from moderate_cli.store.database import (
    Database,
    from_column,
    read_record,
    to_column,
    unknown_request,
)


class FeedbackVerdict(StrEnum):
    """The kinds of feedback (vendor's console guide, "Query detailed detection results for each image")."""

    FALSE_POSITIVE = "false-positive"
    MISSED = "missed"


class Feedback(Struct, frozen=True):
    """A person's feedback on a verdict; `at` is in Unix seconds."""

    verdict: FeedbackVerdict
    note: str | None
    at: float


def add_feedback(
    connection: sqlite3.Connection, request_id: str, verdict: FeedbackVerdict, note: str | None, now: float
) -> None:
    """Store feedback inside a transaction; raises StoreError if no result has the request id."""
    key = to_column(request_id)
    if not connection.execute("SELECT 1 FROM results WHERE request_id = ? LIMIT 1", (key,)).fetchone():
        raise unknown_request(request_id)
    row = (key, FeedbackVerdict(verdict), to_column(note), now)
    connection.execute("INSERT INTO feedback (request_id, verdict, note, at) VALUES (?, ?, ?, ?)", row)


def feedback_on(database: Database, request_ids: Sequence[Any]) -> dict[Any, tuple[Feedback, ...]]:
    """Return the feedback by request id, oldest first; ids are given as their column holds them."""
    marks = ", ".join("?" * len(request_ids))
    sql = f"SELECT request_id, verdict, note, at FROM feedback WHERE request_id IN ({marks}) ORDER BY number"  # noqa: S608
    found: dict[Any, tuple[Feedback, ...]] = {}
    for request_id, verdict, note, at in database.tuples(sql, request_ids):
        said = Feedback(FeedbackVerdict(verdict), from_column(note), at)
        found[request_id] = (*found.get(request_id, ()), said)
    return found


_BEYOND = "\U0010ffff"  # follows every text of file names in SQLite's order, which is that of UTF-8
_BEYOND_BYTES = b"\xff"
_GLOB = "CAST(source AS TEXT) GLOB CAST(? AS TEXT)"  # some builds of SQLite match no bytes
IS_FINDING = f"label NOT IN ('{NO_FINDING}', '{EXEMPT}')"
"""The condition that a row of `label_hits` is a finding."""
_SOME_LABEL = "EXISTS (SELECT 1 FROM label_hits WHERE result = results.number)"
_SOME_FINDING = f"EXISTS (SELECT 1 FROM label_hits WHERE result = results.number AND {IS_FINDING})"  # noqa: S608
_NEWEST_FEEDBACK = "(SELECT verdict FROM feedback WHERE request_id = results.request_id ORDER BY number DESC LIMIT 1)"


class Filters(Struct, frozen=True, kw_only=True):
    """The filters of the history: all that are given must match, and of each tuple one member.

    A verdict without findings counts as one with the label `nonLabel`, as in the vendor's console, so that
    `without_labels=("nonLabel",)` selects every result with a finding; `nonLabel_lib` is a label and not a finding. A
    failed input has the labels that could be read in its answer, and without any not even `nonLabel`. `source` is a
    GLOB pattern of SQLite, whose `*` crosses slashes. `since` is inclusive and `until` exclusive (Unix seconds).
    `feedback` is compared with the newest feedback on a result; "any" selects all with feedback.
    """

    labels: tuple[str, ...] = ()
    without_labels: tuple[str, ...] = ()
    risk_levels: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    source: str | None = None
    request_id: str | None = None
    data_id: str | None = None
    since: float | None = None
    until: float | None = None
    operation: str | None = None
    status: str | None = None
    feedback: FeedbackVerdict | Literal["any"] | None = None
    limit: int | None = None


class Sql(NamedTuple):
    """A piece of SQL with the values of its placeholders."""

    text: str
    values: tuple[Any, ...] = ()


def joined(conditions: Sequence[Sql]) -> Sql:
    """Return the conjunction of conditions."""
    text = " AND ".join(condition.text for condition in conditions) or "TRUE"
    return Sql(text, tuple(value for condition in conditions for value in condition.values))


def in_time(since: float | None, until: float | None) -> Iterator[Sql]:
    """Yield the conditions of a time span, `since` inclusive and `until` exclusive (Unix seconds)."""
    if since is not None:
        yield Sql("judged_at >= ?", (since,))
    if until is not None:
        yield Sql("judged_at < ?", (until,))


def conditions(filters: Filters) -> list[Sql]:
    """Return the conditions of the filters on a row of `results`."""
    found = [*_in_timeline(filters), *_about_labels(filters)]
    if filters.source is not None:
        found.append(Sql(_GLOB, (to_column(filters.source),)))
    if filters.request_id is not None:
        found.append(Sql("request_id = ?", (to_column(filters.request_id),)))
    if filters.data_id is not None:
        found.append(Sql("data_id = ?", (to_column(filters.data_id),)))
    if filters.feedback == "any":
        found.append(Sql(f"{_NEWEST_FEEDBACK} IS NOT NULL"))
    elif filters.feedback is not None:
        found.append(Sql(f"{_NEWEST_FEEDBACK} = ?", (filters.feedback,)))
    return found


def candidates(filters: Filters) -> Sql | None:
    """Return the query for the numbers of all results that may match, newest first, or None if no index helps.

    It reads an index and no row of `results`; the filter that is likely to be most selective decides which index.
    """
    if filters.request_id is not None:
        return _by_column("request_id", filters.request_id)
    if filters.data_id is not None:
        return _by_column("data_id", filters.data_id)
    if filters.feedback is not None:
        return _by_feedback(filters.feedback)
    if filters.source is not None:
        return _by_source(filters.source)
    if (filters.labels and NO_FINDING not in filters.labels) or NO_FINDING in filters.without_labels:
        return _by_labels(filters.labels)
    if timeline := list(_in_timeline(filters)):
        where = joined(timeline)
        text = f"SELECT number FROM results INDEXED BY results_timeline WHERE {where.text} ORDER BY number DESC"  # noqa: S608
        return Sql(text, where.values)
    return None


def _by_column(name: str, value: str) -> Sql:
    return Sql(f"SELECT number FROM results WHERE {name} = ? ORDER BY number DESC", (to_column(value),))  # noqa: S608


def _by_feedback(verdict: FeedbackVerdict | Literal["any"]) -> Sql:
    judged = Sql("SELECT request_id FROM feedback")
    if verdict != "any":
        judged = Sql(f"{judged.text} WHERE verdict = ?", (verdict,))
    text = f"SELECT number FROM results WHERE request_id IN ({judged.text}) ORDER BY number DESC"  # noqa: S608
    return Sql(text, judged.values)


def _by_source(pattern: str) -> Sql:
    """Return the query for a pattern; names that are not UTF-8 are bytes, which sort after all text."""
    prefix = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    part = f"SELECT number FROM results WHERE source >= ? AND source < ? AND {_GLOB}"  # noqa: S608
    raw, glob = prefix.encode("utf-8", "surrogatepass"), to_column(pattern)
    bounds = (raw, raw + _BEYOND_BYTES, glob)
    if isinstance(to_column(prefix), bytes):
        return Sql(f"{part} ORDER BY number DESC", bounds)
    return Sql(f"{part} UNION ALL {part} ORDER BY number DESC", (prefix, prefix + _BEYOND, glob, *bounds))


def _by_labels(labels: tuple[str, ...]) -> Sql:
    where = _label_in(labels) if labels else Sql(IS_FINDING)
    return Sql(f"SELECT DISTINCT result FROM label_hits WHERE {where.text} ORDER BY result DESC", where.values)  # noqa: S608


def _in_timeline(filters: Filters) -> Iterator[Sql]:
    """Yield the conditions that the covering index `results_timeline` can answer."""
    yield from in_time(filters.since, filters.until)
    if filters.status is not None:
        yield Sql("status = ?", (filters.status,))
    if filters.labels or filters.without_labels:
        yield Sql("status IN ('judged', 'failed')")
    if filters.risk_levels:
        yield Sql(f"risk_level IN ({_marks(filters.risk_levels)})", filters.risk_levels)
    if filters.operation is not None:
        yield Sql("operation = ?", (filters.operation,))
    if filters.services:
        has = "instr(',' || services || ',', ',' || ? || ',')"
        yield Sql(f"({' OR '.join([has] * len(filters.services))})", filters.services)


def _about_labels(filters: Filters) -> Iterator[Sql]:
    named = tuple(label for label in filters.labels if label != NO_FINDING)
    wanted = [_has_label(named)] if named else []
    if NO_FINDING in filters.labels:
        wanted.append(Sql(f"(status = 'judged' AND NOT {_SOME_FINDING})"))
    if NO_FINDING in filters.without_labels:
        yield Sql(_SOME_FINDING)
    if unwanted := tuple(label for label in filters.without_labels if label != NO_FINDING):
        has = _has_label(unwanted)
        yield Sql(f"NOT {has.text}", has.values)
        wanted = wanted or [Sql("status = 'judged'"), Sql(_SOME_LABEL)]
    if wanted:
        text = " OR ".join(condition.text for condition in wanted)
        yield Sql(f"({text})", tuple(value for condition in wanted for value in condition.values))


def _has_label(labels: tuple[str, ...]) -> Sql:
    among = _label_in(labels)
    return Sql(f"EXISTS (SELECT 1 FROM label_hits WHERE result = results.number AND {among.text})", among.values)  # noqa: S608


def _label_in(labels: tuple[str, ...]) -> Sql:
    return Sql(f"label IN ({_marks(labels)})", tuple(map(to_column, labels)))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


Period = Literal["day", "month"]

_FORMATS: dict[Period | None, str] = {"day": "%Y-%m-%d", "month": "%Y-%m", None: ""}
# Only a verdict of 0.1.0 with an unreadable record has no level; it has a finding if it has a label.
USAGE = f"""
    SELECT strftime(?, judged_at, 'unixepoch') AS period, services,
    sum(status = 'judged'),
    sum(CASE
        WHEN status <> 'judged' THEN 0
        WHEN risk_level IS NULL THEN EXISTS (SELECT 1 FROM label_hits WHERE result = number AND {IS_FINDING})
        ELSE risk_level <> 'none' END),
    coalesce(sum(billed_calls), 0)
    FROM results INDEXED BY results_timeline WHERE {{where}} GROUP BY period, services
"""  # noqa: S608 - the names of labels
# CROSS JOIN keeps the order: SQLite would read all labels first, and the rows of their results.
HITS_OF_BATCHES = f"""
    SELECT period, service, count(*) FROM (
        SELECT DISTINCT strftime(?, judged_at, 'unixepoch') AS period, service, number
        FROM results INDEXED BY results_timeline CROSS JOIN label_hits ON result = number
        WHERE {{where}} AND instr(services, ',') AND risk_level IS NOT 'none' AND {IS_FINDING}
    ) GROUP BY period, service
"""  # noqa: S608
LABELS = f"""
    SELECT label, service, count(*) FROM results INDEXED BY results_timeline CROSS JOIN label_hits ON result = number
    WHERE {{where}} AND {IS_FINDING} GROUP BY label, service ORDER BY count(*) DESC, label, service
"""  # noqa: S608
_JUDGED = "status = 'judged'"


class Usage(Struct, frozen=True):
    """The calls of a service, those with a finding, and the billed calls, in a period or in all.

    A call is one service asked about one input, so that a batch counts images times services; only judged inputs count.
    Billed are each frame and each unit of text, and also responses that failed because a part of them was unreadable.
    Reused verdicts are not stored, and so are not counted again.

    `period` is YYYY-MM-DD or YYYY-MM (UTC). The service is None if unknown, as for a task of another machine.
    """

    period: str | None
    service: str | None
    calls: int
    hits: int
    billed: int


class LabelCount(Struct, frozen=True):
    """The number of calls of a service that found a label; the service is None if unknown."""

    label: str
    service: str | None
    calls: int


def usage(
    database: Database, by: Period | None, since: float | None, until: float | None, engine: Engine | None
) -> list[Usage]:
    """Return calls, hits and billed calls by period and service; see `Store.usage`."""
    counted = _where(f"({_JUDGED} OR billed_calls > 0)", since, until, engine)
    calls: Counter[tuple[str, str]] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    billed: Counter[tuple[str, str]] = Counter()
    batches = False
    for period, services, count, found, charged in database.tuples(
        USAGE.format(where=counted.text), (_FORMATS[by], *counted.values)
    ):
        names = str(from_column(services)).split(",")
        for name, part in zip(names, _parts(charged, len(names)), strict=True):
            calls[period, name] += count
            billed[period, name] += part
        if len(names) == 1:
            hits[period, names[0]] += found
        batches |= len(names) > 1
    if batches:
        judged = _where(_JUDGED, since, until, engine)
        values = (_FORMATS[by], *judged.values)
        for period, service, count in database.tuples(HITS_OF_BATCHES.format(where=judged.text), values):
            hits[period, from_column(service)] += count
    return [
        Usage(key[0] or None, key[1] or None, calls[key], hits[key], billed[key])
        for key in sorted(calls)  # also those that were billed and not judged
    ]


def _parts(number: int, count: int) -> list[int]:
    """Split a number into `count` parts that differ by one at most."""
    whole, rest = divmod(number, count)
    return [whole + (index < rest) for index in range(count)]


def label_counts(
    database: Database, since: float | None, until: float | None, engine: Engine | None
) -> list[LabelCount]:
    """Return the number of calls by label and service; see `Store.label_counts`."""
    where = _where(_JUDGED, since, until, engine)
    rows = database.tuples(LABELS.format(where=where.text), where.values)
    return [LabelCount(from_column(label), from_column(service) or None, calls) for label, service, calls in rows]


def _where(counted: str, since: float | None, until: float | None, engine: Engine | None) -> Sql:
    by_engine = [] if engine is None else [Sql("engine = ?", (engine,))]
    return joined([Sql(counted), *in_time(since, until), *by_engine])


_BATCH = 500  # rows, or pages of the file, in one transaction
_FOLDERS = 50  # in one transaction
_PAUSE = 0.01  # seconds between two; SQLite has no queue, so that another process needs a gap to get in

# The hits of the labels go with their result.
RESULTS = f"""
    DELETE FROM results WHERE number IN (
        SELECT number FROM results INDEXED BY results_timeline WHERE judged_at < ? LIMIT {_BATCH}
    )
"""  # noqa: S608 - a number
# A run without an end may still be running, and about to store results.
RUNS = f"""
    DELETE FROM runs WHERE number IN (
        SELECT number FROM runs WHERE started_at < ? AND finished_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM results WHERE run = runs.number) LIMIT {_BATCH}
    )
"""  # noqa: S608
TASKS = f"""
    DELETE FROM tasks WHERE number IN (
        SELECT number FROM tasks INDEXED BY tasks_by_state
        WHERE state IN ('done', 'failed', 'expired', 'lost') AND coalesce(finished_at, expires_at) < ? LIMIT {_BATCH}
    )
"""  # noqa: S608
FEEDBACK = "DELETE FROM feedback WHERE NOT EXISTS (SELECT 1 FROM results WHERE request_id = feedback.request_id)"
NEXT_FOLDER = f"SELECT max(number) FROM (SELECT number FROM folders WHERE number > ? ORDER BY number LIMIT {_FOLDERS})"  # noqa: S608
FILES = "DELETE FROM files WHERE folder > ? AND folder <= ? AND judged_at < ?"
FOLDERS = """
    DELETE FROM folders WHERE number > ? AND number <= ?
    AND NOT EXISTS (SELECT 1 FROM files WHERE folder = folders.number)
"""


class Pruned(Struct, frozen=True):
    """The numbers of deleted rows."""

    results: int
    runs: int
    tasks: int
    files: int
    feedback: int


def prune(database: Database, before: float) -> Pruned:
    """Delete what is older than a time (Unix seconds); see `Store.prune`."""
    results = _in_batches(database, RESULTS, before)
    with database.write() as connection:
        feedback = connection.execute(FEEDBACK).rowcount
    runs = _in_batches(database, RUNS, before)
    tasks = _in_batches(database, TASKS, before)
    files = _files(database, before)
    _shrink(database)
    return Pruned(results, runs, tasks, files, feedback)


def _in_batches(database: Database, sql: str, before: float) -> int:
    total = 0
    while True:
        with database.write() as connection:
            count = connection.execute(sql, (before,)).rowcount
        total += count
        if count < _BATCH:
            return total
        time.sleep(_PAUSE)


def _files(database: Database, before: float) -> int:
    total, after = 0, 0
    while (last := database.read(NEXT_FOLDER, (after,))[0][0]) is not None:
        with database.write() as connection:
            total += connection.execute(FILES, (after, last, before)).rowcount
            connection.execute(FOLDERS, (after, last))
        after = last
        time.sleep(_PAUSE)
    return total


def _shrink(database: Database) -> None:
    """Return the free space to the disk, if the file was created for incremental vacuum.

    Older files keep their size and reuse the space: a VACUUM would lock out all other processes.
    """
    free = int(database.read("PRAGMA freelist_count")[0][0])
    while free:
        database.shrink(_BATCH)
        left = int(database.read("PRAGMA freelist_count")[0][0])
        if left >= free:
            return
        free = left
        time.sleep(_PAUSE)


PAGE = 200
"""The number of rows that are read at once."""

# The rows are found by their numbers, whatever other index SQLite thinks of.
_SELECT = "SELECT number, record, judged_at, run, request_id FROM results NOT INDEXED WHERE"
_Page = list[sqlite3.Row]


class Entry(Struct, frozen=True):
    """A stored result with the feedback on it; `judged_at` (Unix seconds) is when it was stored.

    The record has schema 2, or is unchanged if it is unreadable.
    """

    record: dict[str, Any]
    judged_at: float
    run: int | None
    feedback: tuple[Feedback, ...]


def history(database: Database, filters: Filters) -> Iterator[Entry]:
    """Yield the results that match; see `Store.history`."""
    return islice(_entries(database, filters), filters.limit)


def _entries(database: Database, filters: Filters) -> Iterator[Entry]:
    where = joined(conditions(filters))
    query = candidates(filters)
    pages = _backwards(database, where) if query is None else _of_candidates(database, query, where)
    for page in pages:
        said = feedback_on(database, [row["request_id"] for row in page])
        for row in page:
            feedback = said.get(row["request_id"], ())
            yield Entry(read_record(row["record"], row["judged_at"]), row["judged_at"], row["run"], feedback)


def _backwards(database: Database, where: Sql) -> Iterator[_Page]:
    sql = f"{_SELECT} number < ? AND {where.text} ORDER BY number DESC LIMIT {PAGE}"
    before = 2**63 - 1
    while page := database.read(sql, (before, *where.values)):
        yield page
        before = page[-1]["number"]


def _of_candidates(database: Database, query: Sql, where: Sql) -> Iterator[_Page]:
    numbers = database.numbers(query.text, query.values)
    for start in range(0, len(numbers), PAGE):
        part = numbers[start : start + PAGE]
        marks = ", ".join("?" * len(part))
        sql = f"{_SELECT} number IN ({marks}) AND {where.text} ORDER BY number DESC"
        yield database.read(sql, (*part, *where.values))
