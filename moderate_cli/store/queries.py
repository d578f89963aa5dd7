"""The history: which results match some filters, newest first, with what was decided; no run imports this module."""

from __future__ import annotations

import json
import re
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from moderate_cli.models import EXEMPT, NO_FINDING, DecisionWord
from moderate_cli.records import decision_record
from moderate_cli.store.database import Database, read_record, to_column
from moderate_cli.store.decisions import StoredDecision, decisions_on, newest
from moderate_cli.store.text_search import HAS_TEXT, MAY_CONTAIN, contains, like_pattern

_BEYOND = "\U0010ffff"  # follows every text of file names in SQLite's order, which is that of UTF-8
_BEYOND_BYTES = b"\xff"
_GLOB = "CAST(source AS TEXT) GLOB CAST(? AS TEXT)"  # some builds of SQLite match no bytes
IS_FINDING = f"label NOT IN ('{NO_FINDING}', '{EXEMPT}')"
"""The condition that a row of `label_hits` is a finding."""
_SOME_LABEL = "EXISTS (SELECT 1 FROM label_hits WHERE result = results.number)"
_SOME_FINDING = f"EXISTS (SELECT 1 FROM label_hits WHERE result = results.number AND {IS_FINDING})"  # noqa: S608


DecisionFilter = DecisionWord | Literal["any", "none"]


class Filters(Struct, frozen=True, kw_only=True):
    """The filters of the history: all that are given must match, and of each tuple one member.

    A verdict without findings counts as one with the label `nonLabel`, as in the vendor's console, so that
    `without_labels=("nonLabel",)` selects every result with a finding; `nonLabel_lib` is a label and not a finding. A
    failed input has the labels that could be read in its answer, and without any not even `nonLabel`. `source` is a
    GLOB pattern of SQLite, whose `*` crosses slashes. `text` is a part of recognised text or of a matched keyword.
    `since` is inclusive and `until` exclusive (Unix seconds). `decision` is compared with the newest that
    stands; "any" selects all results with one, and "none" those without.

    With `latest`, a result counts only if no later one before `until` is about the same: the same name and content, the
    same services and operation. A failure replaces no verdict, and as posts have no content that identifies them, each
    result of a post counts.
    """

    labels: tuple[str, ...] = ()
    without_labels: tuple[str, ...] = ()
    risk_levels: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    source: str | None = None
    request_id: str | None = None
    data_id: str | None = None
    sha256: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None
    operation: str | None = None
    status: str | None = None
    decision: DecisionFilter | None = None
    latest: bool = False
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
    if filters.sha256 is not None:
        found.append(Sql("sha256 = ?", (filters.sha256,)))
    if filters.text is not None:
        found.append(Sql(MAY_CONTAIN, (like_pattern(filters.text),)))
    if filters.decision is not None:
        found.append(decided(filters.decision))
    if filters.latest:
        found.append(_is_latest(filters.until))
    return found


def decided(decision: DecisionFilter) -> Sql:
    """Return the condition that the newest decision about a result is as asked for."""
    match decision:
        case "none":
            return Sql("decision IS NULL")
        case "any":
            return Sql("decision IS NOT NULL")
    return Sql("decision = ?", (decision,))


def candidates(filters: Filters) -> Sql | None:
    """Return the query for the numbers of all results that may match, newest first, or None if no index helps.

    It reads an index and no row of `results`; the filter that is likely to be most selective decides which index.
    """
    for name in ("request_id", "data_id", "sha256"):
        if (value := getattr(filters, name)) is not None:
            return _by_column(name, value)
    if filters.decision not in (None, "none"):
        return _by_decision(filters.decision)
    if filters.source is not None:
        return _by_source(filters.source)
    if filters.text is not None:
        return None
    if (filters.labels and NO_FINDING not in filters.labels) or NO_FINDING in filters.without_labels:
        return _by_labels(filters.labels)
    if timeline := list(_in_timeline(filters)):
        where = joined(timeline)
        text = f"SELECT number FROM results INDEXED BY results_timeline WHERE {where.text} ORDER BY number DESC"  # noqa: S608
        return Sql(text, where.values)
    return None


def _by_column(name: str, value: str) -> Sql:
    return Sql(f"SELECT number FROM results WHERE {name} = ? ORDER BY number DESC", (to_column(value),))  # noqa: S608


def _by_decision(decision: DecisionFilter) -> Sql:
    where = decided(decision)
    text = f"SELECT number FROM results INDEXED BY results_decided WHERE {where.text} ORDER BY number DESC"  # noqa: S608
    return Sql(text, where.values)


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


# Of the same image, and asked in the same way. `IS` compares what is unknown as well.
_SAME = """
    other.source IS results.source AND other.services IS results.services
    AND other.operation IS results.operation AND other.sha256 IS results.sha256
"""
_OF_POST = "instr(coalesce(operation, ''), 'Multimodal')"
_HAS_OLDER = f"""
    NOT {_OF_POST} AND EXISTS (SELECT 1 FROM results AS other WHERE {_SAME} AND other.number < results.number)
"""  # noqa: S608 - these are the constants above
NEWEST = f"""
    SELECT max(number) AS newest FROM results INDEXED BY results_by_image WHERE NOT {_OF_POST}
    GROUP BY source, services, operation, sha256, status HAVING newest <= ?1
    UNION ALL SELECT number FROM results INDEXED BY results_timeline WHERE {_OF_POST} AND number <= ?1
    ORDER BY newest DESC
"""  # noqa: S608
"""The numbers of the latest results of all images, and of all results of posts, from indexes alone."""
_BY_IMAGE = ("source", "services", "operation", "sha256", "status")  # the columns of `results_by_image`
_SAME_IMAGE = " AND ".join(f"other.{column} IS this.{column}" for column in _BY_IMAGE)
_MAX_HOPS = 500


def _following(known: int) -> str:
    """Return the query for the first entry of `results_by_image` beyond `this` whose first columns are `known`."""
    same = "".join(f"other.{column} IS this.{column} AND " for column in _BY_IMAGE[:known])
    beyond = f"other.{_BY_IMAGE[known]} > coalesce(this.{_BY_IMAGE[known]}, '')"  # what is unknown comes first
    order = ", ".join(f"other.{column}" for column in _BY_IMAGE[known:])
    begin = "SELECT other.number FROM results AS other INDEXED BY results_by_image"
    return f"({begin} WHERE {same}{beyond} ORDER BY {order} LIMIT 1)"


# From each image straight to the next, past all its results; the last row is empty.
_HOPS = f"""
    WITH RECURSIVE firsts (number) AS (
        SELECT * FROM (SELECT number FROM results INDEXED BY results_by_image ORDER BY {", ".join(_BY_IMAGE)} LIMIT 1)
        UNION ALL SELECT coalesce({", ".join(map(_following, reversed(range(len(_BY_IMAGE)))))})
        FROM firsts JOIN results AS this ON this.number = firsts.number LIMIT {_MAX_HOPS + 2}
    )
    SELECT number FROM firsts
"""  # noqa: S608 - these are the constants above
_NEWEST_OF = f"""
    SELECT (SELECT max(other.number) FROM results AS other WHERE {_SAME_IMAGE}) AS newest
    FROM results AS this WHERE this.number IN (SELECT value FROM json_each(?1)) AND NOT {_OF_POST}
    UNION ALL SELECT other.number
    FROM results AS this CROSS JOIN results AS other INDEXED BY results_by_image ON {_SAME_IMAGE}
    WHERE this.number IN (SELECT value FROM json_each(?1)) AND {_OF_POST.replace("operation", "this.operation")}
    ORDER BY newest DESC
"""  # noqa: S608


def newest_numbers(database: Database, most: int) -> array[int]:
    """Return the numbers up to `most` of the latest results of all images, and of all of posts, newest first.

    Few images are found by hopping from one to the next, however many results they have; else an index is read whole.
    """
    firsts = [number for (number,) in database.tuples(_HOPS)]
    if len(firsts) > _MAX_HOPS + 1:
        return database.numbers(NEWEST, (most,))
    known = json.dumps([number for number in firsts if number is not None])
    return array("q", (number for number in database.numbers(_NEWEST_OF, (known,)) if number <= most))


RECENT = 10_000
"""The number of newest results that are looked at one by one for the latest of an image.

A screen of them is found there at once where there are many images; where there are few, they are found sooner by way
of their images.
"""


def _is_latest(until: float | None) -> Sql:
    """Return the condition that a result is the latest of its image up to a time; a failure replaces no verdict."""
    newer = f"SELECT 1 FROM results AS other WHERE {_SAME}"  # noqa: S608
    newer += " AND other.status IN ('judged', results.status) AND other.number > results.number"
    if until is None:
        return Sql(f"({_OF_POST} OR NOT EXISTS ({newer}))")
    return Sql(f"({_OF_POST} OR NOT EXISTS ({newer} AND other.judged_at < ?))", (until,))


PAGE = 200
"""The number of rows that are read at once."""

_COLUMNS = f"SELECT number, record, judged_at, run, {_HAS_OLDER} AS has_older FROM results"  # noqa: S608
# The rows are found by their numbers, whatever other index SQLite thinks of.
_SELECT = f"{_COLUMNS} NOT INDEXED WHERE"
_SELECT_TEXT = f"{_COLUMNS} INDEXED BY results_with_text WHERE ({HAS_TEXT}) = 1 AND {HAS_TEXT} AND"
_Page = list[sqlite3.Row]


class Entry(Struct, frozen=True):
    """A stored result with what was decided about it, oldest first; `judged_at` (Unix seconds) is when it was stored.

    The record is that of `read_record`, with the newest decision that stands. `has_older` says
    that there are earlier results of the same image.
    """

    number: int
    record: dict[str, Any]
    judged_at: float
    run: int | None
    decisions: tuple[StoredDecision, ...]
    has_older: bool = False


def history(database: Database, filters: Filters) -> Iterator[Entry]:
    """Yield the results that match; see `Store.history`."""
    return islice(_entries(database, filters), filters.limit)


def _entries(database: Database, filters: Filters) -> Iterator[Entry]:
    for page in _pages(database, filters):
        for entry in _of_rows(database, page):
            if filters.text is None or contains(entry.record, filters.text):
                yield entry


def _of_rows(database: Database, page: _Page) -> Iterator[Entry]:
    said = decisions_on(database, [row["number"] for row in page])
    for row in page:
        record = read_record(row["record"], row["judged_at"])
        decisions = said.get(row["number"], ())
        if decision := newest(decisions):
            record["decision"] = decision_record(decision)
        yield Entry(row["number"], record, row["judged_at"], row["run"], decisions, bool(row["has_older"]))


def entries_of(database: Database, column: str, value: Any, limit: int) -> list[Entry]:
    """Return the newest results with a value in a column that has an index; `column` is a name from our own code."""
    sql = f"{_COLUMNS} WHERE {column} = ? ORDER BY number DESC LIMIT ?"
    return list(_of_rows(database, database.read(sql, (value, limit))))


def _pages(database: Database, filters: Filters) -> Iterator[_Page]:
    where = joined(conditions(filters))
    query = candidates(filters)
    if query is not None:
        yield from _of_candidates(database, database.numbers(query.text, query.values), where)
    elif filters.text is not None:
        yield from _backwards(database, _SELECT_TEXT, where)
    elif filters.latest:
        newest = int(database.read("SELECT coalesce(max(number), 0) FROM results")[0][0])
        yield from _backwards(database, _SELECT, where, after=newest - RECENT)
        yield from _of_candidates(database, newest_numbers(database, newest - RECENT), where)
    else:
        yield from _backwards(database, _SELECT, where)


def _backwards(database: Database, select: str, where: Sql, *, after: int = 0) -> Iterator[_Page]:
    sql = f"{select} number > ? AND number < ? AND {where.text} ORDER BY number DESC LIMIT {PAGE}"
    before = 2**63 - 1
    while page := database.read(sql, (after, before, *where.values)):
        yield page
        before = page[-1]["number"]


def _of_candidates(database: Database, numbers: array[int], where: Sql) -> Iterator[_Page]:
    for start in range(0, len(numbers), PAGE):
        part = numbers[start : start + PAGE]
        marks = ", ".join("?" * len(part))
        sql = f"{_SELECT} number IN ({marks}) AND {where.text} ORDER BY number DESC"
        yield database.read(sql, (*part, *where.values))
