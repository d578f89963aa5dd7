"""Statistics: calls and hits by service, day or month, and by label.

A call is one service asked about one input, so that a batch counts images times services. Only what was judged counts:
the vendor bills no other answer. Reused verdicts are not stored, and so not counted again. Days and months are of UTC.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from moderate_cli.store.columns import from_column
from moderate_cli.store.database import Database
from moderate_cli.store.filters import Sql, in_time, joined
from moderate_cli.verdicts import Engine

Period = Literal["day", "month"]

_FORMATS: dict[Period | None, str] = {"day": "%Y-%m-%d", "month": "%Y-%m", None: ""}
# A verdict without a level has a finding if it has a label; `none` with a label is an image in a library of exemptions.
USAGE = """
    SELECT strftime(?, judged_at, 'unixepoch') AS period, services, count(*), sum(
        CASE WHEN risk_level IS NULL THEN EXISTS (SELECT 1 FROM label_hits WHERE result = number)
        ELSE risk_level <> 'none' END
    )
    FROM results INDEXED BY results_timeline WHERE {where} GROUP BY period, services
"""
# CROSS JOIN keeps the order: SQLite would read all labels first, and the rows of their results.
HITS_OF_BATCHES = """
    SELECT period, service, count(*) FROM (
        SELECT DISTINCT strftime(?, judged_at, 'unixepoch') AS period, service, number
        FROM results INDEXED BY results_timeline CROSS JOIN label_hits ON result = number
        WHERE {where} AND instr(services, ',') AND risk_level IS NOT 'none' AND label NOT LIKE 'nonLabel%'
    ) GROUP BY period, service
"""
LABELS = """
    SELECT label, service, count(*) FROM results INDEXED BY results_timeline CROSS JOIN label_hits ON result = number
    WHERE {where} GROUP BY label, service ORDER BY count(*) DESC, label, service
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """The calls of a service, and how many of them had a finding; in one day or month, or in all."""

    period: str | None
    service: str
    calls: int
    hits: int

    @property
    def share(self) -> float:
        """Hits of all calls, from 0 to 1."""
        return self.hits / self.calls


@dataclass(frozen=True, slots=True)
class LabelCount:
    """In how many calls of a service a label was found; the service is empty where the answer did not tell it."""

    label: str
    service: str
    calls: int


def usage(
    database: Database, by: Period | None, since: float | None, until: float | None, engine: Engine | None
) -> list[Usage]:
    """Return calls and hits by period and service; see `Store.usage`."""
    where = _judged(since, until, engine)
    values = (_FORMATS[by], *where.values)
    calls: Counter[tuple[str, str]] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    batches = False
    for period, services, count, found in database.tuples(USAGE.format(where=where.text), values):
        names = str(from_column(services)).split(",")
        for name in names:
            calls[period, name] += count
        if len(names) == 1:
            hits[period, names[0]] += found
        batches |= len(names) > 1
    if batches:
        for period, service, count in database.tuples(HITS_OF_BATCHES.format(where=where.text), values):
            hits[period, from_column(service)] += count
    return [Usage(period or None, name, calls[period, name], hits[period, name]) for period, name in sorted(calls)]


def label_counts(
    database: Database, since: float | None, until: float | None, engine: Engine | None
) -> list[LabelCount]:
    """Return in how many calls each label was found; see `Store.label_counts`."""
    where = _judged(since, until, engine)
    rows = database.tuples(LABELS.format(where=where.text), where.values)
    return [LabelCount(from_column(label), from_column(service), calls) for label, service, calls in rows]


def _judged(since: float | None, until: float | None, engine: Engine | None) -> Sql:
    by_engine = [] if engine is None else [Sql("engine = ?", (engine,))]
    return joined([Sql("status = 'judged'"), *in_time(since, until), *by_engine])
