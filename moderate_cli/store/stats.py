"""Statistics: calls, hits and billed calls by service, day or month, and calls by label.

A call is one service asked about one input, so that a batch counts images times services, and only what was judged is
one. Billed are each of its frames and units of text, and answers that failed because not all of them could be read.
Reused verdicts are not stored, and so not counted again. Days and months are of UTC.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from moderate_cli.store.columns import from_column
from moderate_cli.store.database import Database
from moderate_cli.store.filters import IS_FINDING, Sql, in_time, joined
from moderate_cli.verdicts import Engine

Period = Literal["day", "month"]

_FORMATS: dict[Period | None, str] = {"day": "%Y-%m-%d", "month": "%Y-%m", None: ""}
# A verdict has a level, unless it is of 0.1.0 and nobody can read its record: then it has a finding if it has a label.
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


@dataclass(frozen=True, slots=True)
class Usage:
    """The calls of a service, how many of them had a finding, and for how many calls it is billed.

    They are of one day or month, or of all. The service is None where nobody knows it, as of a task that another
    machine submitted.
    """

    period: str | None
    service: str | None
    calls: int
    hits: int
    billed: int


@dataclass(frozen=True, slots=True)
class LabelCount:
    """In how many calls of a service a label was found; the service is None where nobody knows it."""

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
    """Return a number in as many parts, which differ by one at most."""
    whole, rest = divmod(number, count)
    return [whole + (index < rest) for index in range(count)]


def label_counts(
    database: Database, since: float | None, until: float | None, engine: Engine | None
) -> list[LabelCount]:
    """Return in how many calls each label was found; see `Store.label_counts`."""
    where = _where(_JUDGED, since, until, engine)
    rows = database.tuples(LABELS.format(where=where.text), where.values)
    return [LabelCount(from_column(label), from_column(service) or None, calls) for label, service, calls in rows]


def _where(counted: str, since: float | None, until: float | None, engine: Engine | None) -> Sql:
    by_engine = [] if engine is None else [Sql("engine = ?", (engine,))]
    return joined([Sql(counted), *in_time(since, until), *by_engine])
