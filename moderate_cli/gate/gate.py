"""What stands between findings and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from moderate_cli.gate.baseline import Baseline, services_by_label
from moderate_cli.records import Suppression
from moderate_cli.settings.files import Location, nearest
from moderate_cli.verdicts import Judged, Outcome

if TYPE_CHECKING:
    from moderate_cli.gate.allowances import SuppressionEntry, Suppressions
    from moderate_cli.settings.policy import Policy

SUPPRESSIONS_FILE = ".moderate-suppressions.yaml"
FORMER_FILE = ".moderateallow.yaml"
"""The name of the file in 0.1.0, which is read and added to as if it had the new one."""
BASELINE = "baseline"


class Gate:
    """Tells which findings are suppressed: by the entries of a file, or as known from a baseline; without them, none.

    `suppressed` counts the findings so far, a label of an image once, by the name of the file that suppresses them.
    """

    def __init__(
        self, entries: Suppressions | None = None, baseline: Baseline | None = None, *, remarks: Sequence[str] = ()
    ) -> None:
        """Decide by two files; `remarks` is what is to be said of the place of the first."""
        self._entries = entries
        self._baseline = baseline
        self._remarks = tuple(remarks)
        self.suppressed: Counter[str] = Counter()

    def suppressions(self, outcome: Outcome) -> tuple[Suppression, ...]:
        """Return what is suppressed of an outcome, each label once and for all services.

        A label that one service gave before and another one gives now is news, and not suppressed by a baseline.
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
        file = self._baseline if suppression.source == BASELINE else self._entries
        return file.name if file else suppression.source

    def notes(self, *, complete: bool) -> tuple[str, ...]:
        """Return what is to be said of the files: their places, old records, and entries that have expired.

        After a complete run that is also which entries were of no use.
        """
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
    """Return the gate that the files of a run describe: the suppressions, given or the nearest, and the baseline.

    `clock` tells the Unix time, whose day in UTC decides about entries that expire. A policy has the files of the
    repository as they are at its revision. Raises UsageError for a file that was given and is not there, and for
    whatever is wrong in either.
    """
    location = locate(suppressions, policy)
    entries = None
    if location.exists or location.required:
        from moderate_cli.gate.allow_file import read_suppressions  # loads PyYAML, for a file that is there alone

        entries = read_suppressions(location, today(clock))
    known = Baseline(_named(baseline, policy)) if baseline else None
    return Gate(entries, known, remarks=remarks_on(location))


def locate(given: Path | None, policy: Policy | None = None) -> Location:
    """Return the place of the suppressions file: the one asked for, else the nearest from the working folder up.

    In each folder the former name counts where there is no file of the new one.
    """
    if given:
        return _named(given, policy)
    names = (SUPPRESSIONS_FILE, FORMER_FILE)
    return policy.nearest(*names) if policy else nearest(*names)


def remarks_on(location: Location) -> tuple[str, ...]:
    """Return what is to be said of the place of the suppressions file: others that do not count, and a former name."""
    has_former_name = not location.required and location.path.name == FORMER_FILE
    former = f"{location.name} is a deprecated name: rename the file to {SUPPRESSIONS_FILE}"
    return (*location.refused, *([former] if has_former_name else []))


def _named(path: Path, policy: Policy | None) -> Location:
    return policy.named(path) if policy else Location(path, str(path), required=True)


def today(clock: Callable[[], float]) -> date:
    """Return the day in UTC, by which entries expire."""
    return datetime.fromtimestamp(clock(), UTC).date()
