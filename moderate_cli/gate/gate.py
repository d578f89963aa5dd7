"""`Gate`: which findings are suppressed, by a suppressions file or a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from moderate_cli.common.errors import UsageError
from moderate_cli.models import Judged, Label, Outcome, Verdict
from moderate_cli.records import SCHEMA
from moderate_cli.records.result_files import EarlierResult, ResultFile
from moderate_cli.results import Suppression
from moderate_cli.settings.locate import Location, nearest

if TYPE_CHECKING:
    from moderate_cli.gate.suppressions import SuppressionEntry, Suppressions
    from moderate_cli.settings.policy import Policy


_HINT = "give what an earlier run with -f jsonl wrote"


class Baseline:
    """The findings in the results of an earlier run, as one short key each.

    A finding is identified by the image's SHA-256 (or its name, if that is unknown), the label and the service.
    """

    def __init__(self, location: Location) -> None:
        """Read a file; raises UsageError with the line of an invalid record."""
        self.name = location.name
        self._keys: set[bytes] = set()
        self._has_former_records = False
        for result in _results(location):
            self._has_former_records |= result.record["schema"] != SCHEMA
            self._keys.update(_keys_of(result.outcome))

    @property
    def notes(self) -> tuple[str, ...]:
        """A deprecation note if the file has records of an earlier schema."""
        if not self._has_former_records:
            return ()
        return (f"{self.name} has records of schema 1, which is deprecated: write it again, in schema {SCHEMA}",)

    def knows(self, outcome: Outcome, label: str, services: Iterable[str | None]) -> bool:
        """Return whether the earlier run had a label too, from each of these services."""
        return all(_key(outcome, label, service) in self._keys for service in services)


def services_by_label(verdict: Verdict) -> dict[str, set[str | None]]:
    """Return the findings of a verdict, its services and its frames: each label with the services that found it."""
    services = verdict.call.services
    only = services[0] if len(services) == 1 else None
    parts: list[tuple[str | None, Iterable[Label]]] = [(only, verdict.labels)]
    parts += [(part.service, part.labels) for part in verdict.per_service]
    parts += [(only, frame.labels) for frame in verdict.frames]
    found: dict[str, set[str | None]] = {}
    for service, labels in parts:
        for label in filter(attrgetter("is_finding"), labels):
            found.setdefault(label.label, set()).add(label.service or service)
    return found


def _results(location: Location) -> Iterator[EarlierResult]:
    """Yield the results in a file; raises UsageError."""
    name = location.name
    try:
        with location.open() as file:
            results = ResultFile(file, name, hint=_HINT)
            yield from results
    except FileNotFoundError as error:
        raise UsageError(f"there is no baseline {name}", hint=location.how_to_name or _HINT) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise UsageError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
    if results.cut_off_at:
        raise UsageError(f"{name}:{results.cut_off_at}: broken JSON", hint=_HINT)


def _keys_of(outcome: Outcome) -> Iterator[bytes]:
    if isinstance(outcome, Judged):
        for label, services in services_by_label(outcome.verdict).items():
            yield from (_key(outcome, label, service) for service in services)


def _key(outcome: Outcome, label: str, service: str | None) -> bytes:
    image = ("sha256", outcome.sha256) if outcome.sha256 else ("source", outcome.item.source)
    return blake2b(repr((*image, label, service)).encode(), digest_size=16).digest()


SUPPRESSIONS_FILE = ".moderate-suppressions.yaml"
FORMER_FILE = ".moderateallow.yaml"
"""The deprecated name of the file, from 0.1.0, which still works."""
BASELINE = "baseline"


class Gate:
    """Decides which findings are suppressed: those with an entry in the suppressions file or the baseline.

    `suppressed` counts the suppressed findings by file name, each label of an image once.
    """

    def __init__(
        self, entries: Suppressions | None = None, baseline: Baseline | None = None, *, remarks: Sequence[str] = ()
    ) -> None:
        """Use these two files; `remarks` are the notes on the location of the first."""
        self._entries = entries
        self._baseline = baseline
        self._remarks = tuple(remarks)
        self.suppressed: Counter[str] = Counter()

    def suppressions(self, outcome: Outcome) -> tuple[Suppression, ...]:
        """Return the suppressions for an outcome, one per label, for all services.

        A baseline does not suppress a label that another service found then. An input that failed has none: what could
        be read of its answer counts in full.
        """
        if not isinstance(outcome, Judged) or (self._entries is None and self._baseline is None):
            return ()
        found = services_by_label(outcome.verdict)
        about = self._entries.about(outcome) if self._entries and found else []
        suppressions = tuple(
            suppression
            for label, services in found.items()
            if (suppression := self._suppression(outcome, label, services, about))
        )
        self.suppressed.update(map(self._file_of, suppressions))
        return suppressions

    def _file_of(self, suppression: Suppression) -> str:
        """Return the file of a suppression: that of the baseline by its name."""
        return self._baseline.name if suppression.source == BASELINE and self._baseline else suppression.file

    def notes(self, *, complete: bool) -> tuple[str, ...]:
        """Return notes on the files: location, deprecated records, expired entries and, if complete, unused ones."""
        entries = self._entries.notes(complete=complete) if self._entries else ()
        return (*self._remarks, *(self._baseline.notes if self._baseline else ()), *entries)

    def _suppression(
        self, outcome: Outcome, label: str, services: Iterable[str | None], about: Sequence[SuppressionEntry]
    ) -> Suppression | None:
        suppression = self._entries.match(label, about) if self._entries else None
        if suppression is None and self._baseline and self._baseline.knows(outcome, label, services):
            return Suppression(label, None, "found by an earlier run too", BASELINE)
        return suppression


def open_gate(
    suppressions: Path | None, baseline: Path | None, *, clock: Callable[[], float], policy: Policy | None = None
) -> Gate:
    """Return the gate for a suppressions file (the nearest one by default) and a baseline.

    `clock` returns Unix seconds, whose day in UTC decides which entries have expired. A policy reads the files of the
    repository at its revision. Raises UsageError for a given file that is missing, and for an invalid one.
    """
    location = locate(suppressions, policy)
    entries = None
    if location.exists or location.required:
        from moderate_cli.gate.suppressions import read_suppressions  # loads PyYAML

        entries = read_suppressions(location, today(clock))
    known = Baseline(_named(baseline, policy)) if baseline else None
    return Gate(entries, known, remarks=remarks_on(location))


def locate(given: Path | None, policy: Policy | None = None) -> Location:
    """Return the location of the suppressions file: the given one, else the nearest from the working folder upward.

    In each folder the deprecated name counts if there is no file with the new one. Raises UsageError as `policy` does.
    """
    if given:
        return _named(given, policy)
    names = (SUPPRESSIONS_FILE, FORMER_FILE)
    return policy.nearest(*names) if policy else nearest(*names)


def remarks_on(location: Location) -> tuple[str, ...]:
    """Return the notes on the location of the suppressions file: refused files, and a deprecated name."""
    has_former_name = not location.required and location.path.name == FORMER_FILE
    former = f"{location.name} is a deprecated name: rename the file to {SUPPRESSIONS_FILE}"
    return (*location.refused, *([former] if has_former_name else []))


def _named(path: Path, policy: Policy | None) -> Location:
    return policy.named(path) if policy else Location(path, str(path), required=True)


def today(clock: Callable[[], float]) -> date:
    """Return the current day in UTC."""
    return datetime.fromtimestamp(clock(), UTC).date()
