"""Filters of the history: the conditions that they put on a result, and the index that finds the fewest candidates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from moderate_cli.store.columns import to_column
from moderate_cli.store.feedback import FeedbackVerdict
from moderate_cli.verdicts import EXEMPT, NO_FINDING

_BEYOND = "\U0010ffff"  # follows every text of file names in SQLite's order, which is that of UTF-8
_BEYOND_BYTES = b"\xff"
_GLOB = "CAST(source AS TEXT) GLOB CAST(? AS TEXT)"  # some builds of SQLite match no bytes
IS_FINDING = f"label NOT IN ('{NO_FINDING}', '{EXEMPT}')"
"""The condition on a row of `label_hits` that something was found; the two labels say the contrary."""
_SOME_LABEL = "EXISTS (SELECT 1 FROM label_hits WHERE result = results.number)"
_SOME_FINDING = f"EXISTS (SELECT 1 FROM label_hits WHERE result = results.number AND {IS_FINDING})"  # noqa: S608
_NEWEST_FEEDBACK = "(SELECT verdict FROM feedback WHERE request_id = results.request_id ORDER BY number DESC LIMIT 1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which results are meant: each filter that is given must hold, and one member of each tuple.

    A verdict without findings counts as one with the label `nonLabel`, as in the vendor's console, so that
    `without_labels=("nonLabel",)` means every result with a finding; `nonLabel_lib` is a label and no finding. A failed
    input has the labels that could be read in its answer, and where there are none not even `nonLabel`. `source` is a
    GLOB pattern of SQLite, whose `*` crosses slashes. `since` belongs to the time and `until` does not (Unix seconds).
    `feedback` is the newest that was given on a result, or "any".
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
    """A piece of SQL with the values of its marks."""

    text: str
    values: tuple[Any, ...] = ()


def joined(conditions: Sequence[Sql]) -> Sql:
    """Return what holds where all conditions do."""
    text = " AND ".join(condition.text for condition in conditions) or "TRUE"
    return Sql(text, tuple(value for condition in conditions for value in condition.values))


def in_time(since: float | None, until: float | None) -> Iterator[Sql]:
    """Yield the conditions of a span of time."""
    if since is not None:
        yield Sql("judged_at >= ?", (since,))
    if until is not None:
        yield Sql("judged_at < ?", (until,))


def conditions(filters: Filters) -> list[Sql]:
    """Return every condition that the filters put on a row of `results`."""
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
    """Return the query for the numbers of all results that may be meant, newest first; None where no index helps.

    Each reads an index and no row of `results`, and the likely most selective of the filters decides which.
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
    """Return the query for a pattern; names that are not UTF-8 are bytes, which come after all text."""
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
    """Yield the conditions that the index `results_timeline` can answer by itself."""
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
