"""How much was judged and billed, and in how much something was found; no run imports this module."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from msgspec import Struct

from moderate_cli.models import Engine
from moderate_cli.store.database import Database, from_column
from moderate_cli.store.queries import IS_FINDING, Sql, in_time, joined

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
# Without a finding, as where something was missed, a result counts under no label.
_DECIDED = f"""
    SELECT label, iif(label IS NULL, services, service), decision, count(*)
    FROM results INDEXED BY results_decided LEFT JOIN label_hits ON result = number AND {IS_FINDING}
    WHERE decision IS NOT NULL AND {{where}} GROUP BY 1, 2, 3
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


class DecisionCount(Struct, frozen=True):
    """How many results of a service with a label were decided in a way; the label is None where nothing was found."""

    label: str | None
    service: str | None
    value: str
    results: int


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


def decision_counts(
    database: Database, since: float | None, until: float | None, engine: Engine | None
) -> list[DecisionCount]:
    """Return the number of decisions that stand by label and service; see `Store.decision_counts`."""
    where = _where("TRUE", since, until, engine)
    rows = database.tuples(_DECIDED.format(where=where.text), where.values)
    counts = [DecisionCount(from_column(label), from_column(service) or None, *rest) for label, service, *rest in rows]
    return sorted(counts, key=lambda each: (-each.results, each.label or "", each.service or "", each.value))


def _where(counted: str, since: float | None, until: float | None, engine: Engine | None) -> Sql:
    by_engine = [] if engine is None else [Sql("engine = ?", (engine,))]
    return joined([Sql(counted), *in_time(since, until), *by_engine])
