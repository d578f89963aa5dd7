"""The counts of a run as data, at the end of a document, and read back from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from moderate_cli.catalog.checks import MissingCheck
from moderate_cli.common.errors import ExitCode
from moderate_cli.models import RiskLevel
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


def read_policy(said: Mapping[str, Any]) -> GatePolicy:
    """Return the gate of a run by its counts; raises KeyError, TypeError or ValueError for what are no counts."""
    gate = said.get("gate") or {}
    fail_on = gate.get("fail_on")
    return GatePolicy(
        None if fail_on is None else RiskLevel(fail_on),
        allow_partial=bool(gate.get("allow_partial")),
        require_full=bool(gate.get("require_full")),
    )


def read_summary(said: Mapping[str, Any], counted: RunSummary) -> RunSummary:
    """Return the summary of a run by its counts, and by those `counted` in its results; raises like `read_policy`.

    Results below --min-level are in the former only. Where both say something the higher number counts: a document that
    somebody changed has not fewer findings than results. What depends on the gate is that of the counted results.
    """
    code, cut_off = said.get("exit_code"), bool(said.get("cut_off"))
    judged = max(said["judged"], counted.judged)
    others = {name: max(said[name], getattr(counted, name)) for name in ("skipped", "failed", "pending")}
    stated = sum(said[name] for name in ("judged", "skipped", "failed", "pending"))
    fatal_code = code == ExitCode.FATAL
    stopped_by = ExitCode(code) if code in {ExitCode.INTERRUPTED, ExitCode.BROKEN_PIPE} else None
    not_tried = said.get("not_tried", 0)
    return RunSummary(
        policy=counted.policy,
        levels=_most({RiskLevel(level): count for level, count in said["by_level"].items()}, counted.levels),
        labels=_most(said["by_label"], counted.labels),
        judged=judged,
        **others,
        reused=max(said.get("reused", 0), counted.reused),
        elsewhere=max(0, said["inputs"] - stated),
        coverage=counted.coverage,
        incomplete=counted.incomplete,
        not_tried=not_tried,
        at_least=bool(said.get("at_least")),
        bugs=max(counted.bugs, code == ExitCode.BUG),
        unwritten=int(fatal_code and not cut_off),
        awaited=counted.awaited or code in {ExitCode.INCOMPLETE, ExitCode.PENDING},
        non_images=said["passed_over"] - said.get("camera_raw", 0),
        camera_raw=said.get("camera_raw", 0),
        ignored=said.get("ignored", 0),
        links=said.get("links", 0),
        suppressed_by=Counter(said["suppressed_by"]) if "suppressed_by" in said else counted.suppressed_by,
        ignored_by=Counter(said.get("ignored_by", {})),
        notes=_most(said.get("notes", {}), counted.notes),
        local=bool(said.get("local")) or counted.local,
        not_checked=_most(_missing(said.get("not_checked", [])), counted.not_checked),
        fatal=counted.fatal or (cut_off and stopped_by is None and not not_tried),
        stopped_by=stopped_by,
    )


def _missing(said: Sequence[Mapping[str, Any]]) -> dict[MissingCheck, int]:
    return {MissingCheck(check["name"], check["reason"], check["extra"]): check["inputs"] for check in said}


def _most(stated: Mapping[Any, int], counted: Counter[Any]) -> Counter[Any]:
    """Return the higher of two counts of each key, in the order of the first."""
    return Counter(stated) | counted
