"""Which calls of the past are counted, and their sums by day or month, by service and by label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from moderate_cli.commands.past import SpanOptions, filter_option, several
from moderate_cli.render.stats import UNKNOWN, Count
from moderate_cli.render.usage_export import UsageRow
from moderate_cli.store import Period, Store, Usage
from moderate_cli.verdicts import Engine


class EngineName(StrEnum):
    """Who judged."""

    CLOUD = "cloud"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class UsageOptions:
    """Which calls are counted."""

    span: SpanOptions
    service: Annotated[
        list[str] | None,
        filter_option("The calls of these services. Repeatable.", "-s", "--service", metavar="NAME,..."),
    ] = None
    engine: Annotated[
        EngineName | None, filter_option("The calls of the cloud, or those of the local engine, which cost nothing.")
    ] = None

    def asked(self, now: float) -> Asked:
        """Return what the store is asked for; raises UsageError."""
        since, until = self.span.begin_and_end(now)
        engine: Engine | None = self.engine.value if self.engine else None
        return Asked(since, until, several("--service", self.service), engine)

    def words(self) -> Iterator[str]:
        """Yield what is asked for, as it was given."""
        given = {"since": self.span.since, "until": self.span.until, "engine": self.engine}
        yield from (f"{name} {value}" for name, value in given.items() if value is not None)
        yield from (f"service {name}" for name in several("--service", self.service))


@dataclass(frozen=True, slots=True)
class Asked:
    """Which calls are counted, as the store takes it; without services it is all of them."""

    since: float | None
    until: float | None
    services: tuple[str, ...]
    engine: Engine | None

    def usage(self, store: Store, by: Period) -> list[Usage]:
        """Return calls, hits and billed calls by day or month and service."""
        found = store.usage(by, since=self.since, until=self.until, engine=self.engine)
        return [each for each in found if self._means(each.service)]

    def labels(self, store: Store) -> Counter[str]:
        """Return in how many calls each label was found, the most frequent first."""
        counts: Counter[str] = Counter()
        for found in store.label_counts(since=self.since, until=self.until, engine=self.engine):
            if self._means(found.service):
                counts[found.label] += found.calls
        return counts

    def local_calls(self, store: Store) -> int:
        """Return how many of the calls went to the local engine, where either engine counts."""
        if self.engine is not None:
            return 0
        found = store.usage(None, since=self.since, until=self.until, engine="local")
        return sum(each.calls for each in found if self._means(each.service))

    def _means(self, service: str | None) -> bool:
        return not self.services or service in self.services


def by_period(used: Iterable[Usage]) -> list[Count]:
    """Return the calls of all services by day or month, in their order."""
    return _sums(used, lambda each: each.period or "")


def by_service(used: Iterable[Usage]) -> list[Count]:
    """Return the calls by service, the most called first."""
    return sorted(_sums(used, lambda each: each.service), key=lambda count: -count.calls)


def by_label(labels: Counter[str]) -> list[Count]:
    """Return the calls by label, the most frequent first."""
    return [Count(label, calls) for label, calls in labels.most_common()]


def export_rows(used: Iterable[Usage], uid: str) -> list[UsageRow]:
    """Return what the export has of calls by day or month and service."""
    return [UsageRow(uid, each.service or UNKNOWN, each.calls, each.period or "", each.billed) for each in used]


def _sums(used: Iterable[Usage], name: Callable[[Usage], str | None]) -> list[Count]:
    calls: Counter[str | None] = Counter()
    hits: Counter[str | None] = Counter()
    billed: Counter[str | None] = Counter()
    for each in used:
        key = name(each)
        calls[key] += each.calls
        hits[key] += each.hits
        billed[key] += each.billed
    return [Count(key, number, hits[key], billed[key]) for key, number in calls.items()]
