"""What stands between findings and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from moderate_cli.gate.baseline import Baseline, services_by_label
from moderate_cli.records import Allowed
from moderate_cli.settings.files import Location, nearest
from moderate_cli.verdicts import Judged, Outcome

if TYPE_CHECKING:
    from moderate_cli.gate.allowances import Allowance, Allowances
    from moderate_cli.settings.policy import Policy

ALLOW_FILE = ".moderateallow.yaml"
BASELINE = "baseline"


class Gate:
    """Tells which findings do not count: what an ignore file allows, and what a baseline knows; without them, none.

    `suppressed` counts the findings that were allowed so far, a label of an image once, by the name of the file that
    allows them.
    """

    def __init__(
        self, allowances: Allowances | None = None, baseline: Baseline | None = None, *, refused: Sequence[str] = ()
    ) -> None:
        """Decide by two files; `refused` says which others do not count, and why."""
        self._allowances = allowances
        self._baseline = baseline
        self._refused = tuple(refused)
        self.suppressed: Counter[str] = Counter()

    def allowed(self, outcome: Outcome) -> tuple[Allowed, ...]:
        """Return what is allowed of an outcome, each label once and for all services.

        A label that one service gave before and another one gives now is news, and not allowed by a baseline.
        """
        if not isinstance(outcome, Judged) or (self._allowances is None and self._baseline is None):
            return ()
        found = services_by_label(outcome.verdict)
        about = self._allowances.about(outcome) if self._allowances and found else []
        allowed = tuple(
            permission
            for label, services in found.items()
            if (permission := self._permission(outcome, label, services, about))
        )
        self.suppressed.update(map(self._file_of, allowed))
        return allowed

    def _file_of(self, permission: Allowed) -> str:
        file = self._baseline if permission.source == BASELINE else self._allowances
        return file.name if file else permission.source

    def notes(self, *, complete: bool) -> tuple[str, ...]:
        """Return what is to be said about the ignore file: expired entries, after a complete run also unused ones."""
        return (*self._refused, *(self._allowances.notes(complete=complete) if self._allowances else ()))

    def _permission(
        self, outcome: Outcome, label: str, services: Iterable[str | None], about: Sequence[Allowance]
    ) -> Allowed | None:
        permission = self._allowances.allow(label, about) if self._allowances else None
        if permission is None and self._baseline and self._baseline.knows(outcome, label, services):
            return Allowed(label, None, "found by an earlier run too", BASELINE)
        return permission


def open_gate(
    ignore_file: Path | None, baseline: Path | None, *, clock: Callable[[], float], policy: Policy | None = None
) -> Gate:
    """Return the gate that the files of a run describe: the ignore file, given or the nearest, and the baseline.

    `clock` tells the Unix time, whose day in UTC decides about entries that expire. A policy has the files of the
    repository as they are at its revision. Raises UsageError for a file that was given and is not there, and for
    whatever is wrong in either.
    """
    location = locate(ignore_file, policy)
    allowances = None
    if location.exists or location.required:
        from moderate_cli.gate.allow_file import read_allow_file  # loads PyYAML, for a file that is there alone

        allowances = read_allow_file(location, today(clock))
    known = Baseline(_named(baseline, policy)) if baseline else None
    return Gate(allowances, known, refused=location.refused)


def locate(given: Path | None, policy: Policy | None = None) -> Location:
    """Return the place of the ignore file: the one that was asked for, else the nearest from the working folder up."""
    if given:
        return _named(given, policy)
    return policy.nearest(ALLOW_FILE) if policy else nearest(ALLOW_FILE)


def _named(path: Path, policy: Policy | None) -> Location:
    return policy.named(path) if policy else Location(path, str(path), required=True)


def today(clock: Callable[[], float]) -> date:
    """Return the day in UTC, by which entries expire."""
    return datetime.fromtimestamp(clock(), UTC).date()
