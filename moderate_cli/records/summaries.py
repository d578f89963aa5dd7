"""The counts of a run as data, at the end of a document, and read back from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct, convert

from moderate_cli.catalog.checks import MissingCheck
from moderate_cli.common.errors import ExitCode
from moderate_cli.models import RiskLevel
from moderate_cli.records.record import Count
from moderate_cli.results import GatePolicy, RunSummary


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """Return the counts of a run as data.

    `at_least` says that more inputs may not have been tried; `exit_code` is that of a run which may be empty.
    """
    policy = summary.policy
    return {
        "inputs": summary.inputs,
        "judged": summary.judged,
        "skipped": summary.skipped,
        "failed": summary.failed,
        "pending": summary.pending,
        "not_tried": summary.not_tried,
        "at_least": summary.at_least,
        "cut_off": summary.is_cut_off,
        "incomplete": summary.incomplete,
        "passed_over": summary.non_images + summary.camera_raw,
        "by_level": dict(summary.levels),
        "by_label": dict(summary.labels.most_common()),
        "coverage": {
            kind: {"inputs": looked.inputs, "judged": looked.judged, "total": looked.total}
            for kind, looked in summary.coverage.items()
        },
        "notes": dict(summary.notes.most_common()),
        "reused": summary.reused,
        "camera_raw": summary.camera_raw,
        "ignored": summary.ignored,
        "links": summary.links,
        "suppressed_by": dict(summary.suppressed_by.most_common()),
        "ignored_by": dict(summary.ignored_by.most_common()),
        "local": summary.local,
        "not_checked": [
            {"name": check.name, "reason": check.reason, "extra": check.extra, "inputs": count}
            for check, count in summary.not_checked.items()
        ],
        "gate": {
            "fail_on": policy.fail_on,
            "allow_partial": policy.allow_partial,
            "require_full": policy.require_full,
        },
        "exit_code": int(summary.exit_code(allow_empty=True)),
    }


class _SaidGate(Struct, frozen=True):
    fail_on: Literal["high", "medium", "low"] | None = None
    allow_partial: bool = False
    require_full: bool = False


class _SaidMissing(Struct, frozen=True):
    name: str
    reason: str
    extra: str | None
    inputs: Count


class _Said(Struct, frozen=True, kw_only=True):
    """The counts that are read back; what has a default is missing in older documents."""

    inputs: Count
    judged: Count
    skipped: Count
    failed: Count
    pending: Count
    not_tried: Count = 0
    at_least: bool = False
    cut_off: bool = False
    passed_over: Count
    by_level: dict[RiskLevel, Count]
    by_label: dict[str, Count]
    notes: dict[str, Count] = {}
    reused: Count = 0
    camera_raw: Count = 0
    ignored: Count = 0
    links: Count = 0
    suppressed_by: dict[str, Count] | None = None
    ignored_by: dict[str, Count] = {}
    local: bool = False
    not_checked: tuple[_SaidMissing, ...] = ()
    gate: _SaidGate | None = None
    exit_code: int | None = None


def read_policy(document: Mapping[str, Any]) -> GatePolicy:
    """Return the gate of a run by its counts; raises ValueError for what are no counts."""
    gate = convert(document, _Said).gate or _SaidGate()
    return GatePolicy(
        None if gate.fail_on is None else RiskLevel(gate.fail_on),
        allow_partial=gate.allow_partial,
        require_full=gate.require_full,
    )


def read_summary(document: Mapping[str, Any], counted: RunSummary) -> RunSummary:
    """Return the summary of a run by its counts, and by those `counted` in its results; raises like `read_policy`.

    Results below --min-level are in the former only. Where both say something the higher number counts: a document that
    somebody changed has not fewer findings than results. What depends on the gate is that of the counted results.
    """
    said = convert(document, _Said)
    code = said.exit_code
    stopped_by = ExitCode(code) if code in {ExitCode.INTERRUPTED, ExitCode.BROKEN_PIPE} else None
    return RunSummary(
        policy=counted.policy,
        levels=_most(said.by_level, counted.levels),
        labels=_most(said.by_label, counted.labels),
        judged=max(said.judged, counted.judged),
        skipped=max(said.skipped, counted.skipped),
        failed=max(said.failed, counted.failed),
        pending=max(said.pending, counted.pending),
        reused=max(said.reused, counted.reused),
        elsewhere=max(0, said.inputs - said.judged - said.skipped - said.failed - said.pending),
        coverage=counted.coverage,
        incomplete=counted.incomplete,
        not_tried=said.not_tried,
        at_least=said.at_least,
        bugs=max(counted.bugs, code == ExitCode.BUG),
        unwritten=int(code == ExitCode.FATAL and not said.cut_off),
        awaited=counted.awaited or code in {ExitCode.INCOMPLETE, ExitCode.PENDING},
        non_images=said.passed_over - said.camera_raw,
        camera_raw=said.camera_raw,
        ignored=said.ignored,
        links=said.links,
        suppressed_by=counted.suppressed_by if said.suppressed_by is None else Counter(said.suppressed_by),
        ignored_by=Counter(said.ignored_by),
        notes=_most(said.notes, counted.notes),
        local=said.local or counted.local,
        not_checked=_most(_missing(said.not_checked), counted.not_checked),
        fatal=counted.fatal or (said.cut_off and stopped_by is None and not said.not_tried),
        stopped_by=stopped_by,
    )


def _missing(said: Iterable[_SaidMissing]) -> dict[MissingCheck, int]:
    return {MissingCheck(check.name, check.reason, check.extra): check.inputs for check in said}


def _most(stated: Mapping[Any, int], counted: Counter[Any]) -> Counter[Any]:
    """Return the higher of two counts of each key, in the order of the first."""
    return Counter(stated) | counted
