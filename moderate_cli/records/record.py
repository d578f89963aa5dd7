"""The record: one JSON object an input, with every field always there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from moderate_cli.errors import ModerateError
from moderate_cli.records.allowed import NO_GATE, GatePolicy, Suppression, suppression_for
from moderate_cli.verdicts import (
    Failed,
    Frame,
    Json,
    Judged,
    Label,
    Outcome,
    Pending,
    QueuedTask,
    RiskLevel,
    ServiceVerdict,
    Skipped,
    Verdict,
)

SCHEMA = 2
SCHEMAS = (1, SCHEMA)
"""Those that can be read back."""
_NO_EXT: Json = {"custom_image": [], "text_in_image": None, "public_figure": [], "logo_data": []}


def record_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a record, as text."""
    return files(__package__).joinpath("record.schema.json").read_text(encoding="utf-8")


def load_schema() -> Any:
    """Return the JSON Schema of a record, parsed."""
    return json.loads(record_schema())


_REPEATED = "sent again after its answer was lost, and maybe billed twice; the console's detection results tell"
# After these errors nobody knows whether the service took the call, and charges for it.
_PERHAPS_BILLED = frozenset({"read_timeout", "connection_lost", "unreadable_answer"})


def to_record(
    outcome: Outcome, *, suppressions: Sequence[Suppression] = (), policy: GatePolicy = NO_GATE, raw: bool = False
) -> dict[str, Any]:
    """Return the record of an outcome; with `raw` the API's own body stands beside it.

    `suppressions` are of this outcome's findings, and `policy` is the gate. An input without a verdict keeps what could
    be read of the answer.
    """
    error = outcome.error if isinstance(outcome, Skipped | Failed) else None
    verdict = verdict_of(outcome)
    answer = verdict or (outcome if isinstance(outcome, Pending) else None)
    call = outcome.call
    passed = policy.passes(outcome, suppressions)
    record = {
        "schema": SCHEMA,
        "source": outcome.item.source,
        "sha256": outcome.sha256,
        "bytes": outcome.size,
        "judged_at": _timestamp(call.answered_at or outcome.at),
        "operation": call.operation,
        "services": list(call.services),
        "status": status(outcome),
        **_findings(verdict, suppressions),
        "gate": None if passed is None else {"fail_on": policy.fail_on, "passed": passed},
        "coverage": [
            {"kind": part.kind, "judged": part.judged, "total": part.total}
            for part in (verdict.coverage if verdict else ())
        ],
        "notes": list(notes(outcome)),
        "billed_calls": _billed_calls(outcome),
        "request_id": (answer.request_id if answer else None) or getattr(error, "request_id", None),
        "req_id": (answer.req_id if answer else None) or _queued_as(outcome),
        "data_id": (answer.data_id if answer else None) or outcome.item.data_id,
        "region": call.region,
        "endpoint": call.endpoint,
        "engine": verdict.engine if verdict else None,
        "decision": None,
        "reused": getattr(outcome, "reused", False),
        "attempts": call.attempts,
        "elapsed_ms": call.elapsed_ms,
        "error": _problem(error) if error else None,
    }
    return record | ({"raw": verdict.raw if verdict else None} if raw else {})


def verdict_of(outcome: Outcome) -> Verdict | None:
    """Return the verdict of an outcome, or what could be read of one in a failed answer."""
    return outcome.verdict if isinstance(outcome, Judged | Failed) else None


def notes(outcome: Outcome) -> tuple[str, ...]:
    """Return the remarks about an input, about the way it was sent, and about its answer."""
    verdict = verdict_of(outcome)
    repeated = (_REPEATED,) if outcome.call.repeated else ()
    # One that was reused brings those about its image along.
    return tuple(dict.fromkeys(outcome.notes + repeated + (verdict.notes if verdict else ())))


def is_clean(outcome: Outcome) -> bool:
    """Tell whether there is nothing to say of an input but that it was judged.

    Its answer was read whole, is about all of it, and says that there is no risk; neither has a label or a note.
    """
    if not isinstance(outcome, Judged):
        return False
    verdict = outcome.verdict
    is_whole = verdict.complete and not verdict.coverage
    return is_whole and verdict.gate_level is RiskLevel.NONE and not verdict.labels and not notes(outcome)


def _timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _billed_calls(outcome: Outcome) -> int | None:
    """Return for how many calls an outcome is billed, None where nobody knows it, or not yet."""
    match outcome:
        case Judged(reused=True) | Pending(reused=True):
            return 0
        case Judged(verdict=verdict):
            return verdict.billed_calls
        case Failed(verdict=Verdict() as verdict):  # of a task, the result that comes in the end tells
            return None if isinstance(outcome.item.image, QueuedTask) else verdict.billed_calls
        case Failed(error=error) if error.code in _PERHAPS_BILLED:
            return None
        case Pending():
            return None
    return 0


def status(outcome: Outcome) -> str:
    """Return the word for what became of an input."""
    return {Judged: "judged", Skipped: "skipped", Failed: "failed", Pending: "pending"}[type(outcome)]


def _queued_as(outcome: Outcome) -> str | None:
    return outcome.item.image.req_id if isinstance(outcome.item.image, QueuedTask) else None


def _findings(verdict: Verdict | None, suppressions: Sequence[Suppression]) -> dict[str, Any]:
    if verdict is None:
        return {
            "risk_level": None,
            "reported_level": None,
            "labels": [],
            "per_service": [],
            "frames": [],
            "ext": _NO_EXT,
            "usage": None,
        }
    return {
        "risk_level": verdict.risk_level,
        "reported_level": verdict.reported_level,
        "labels": _labels(verdict.labels, suppressions),
        "per_service": [_service(part, suppressions) for part in verdict.per_service],
        "frames": [_frame(frame, suppressions) for frame in verdict.frames],
        "ext": verdict.ext or _NO_EXT,
        "usage": _usage(verdict),
    }


def _labels(labels: Iterable[Label], suppressions: Sequence[Suppression]) -> list[dict[str, Any]]:
    return [
        {
            "label": label.label,
            "confidence": label.confidence,
            "description": label.description,
            "risk_level": label.risk_level,
            "service": label.service,
            "where": label.where,
            "suppressed": _suppression(label, suppressions),
        }
        for label in labels
    ]


def _suppression(label: Label, suppressions: Sequence[Suppression]) -> dict[str, str | None] | None:
    entry = suppression_for(label, suppressions) if suppressions else None
    return None if entry is None else {"by": entry.source, "reason": entry.reason, "expires": entry.expires}


def _service(part: ServiceVerdict, suppressions: Sequence[Suppression]) -> dict[str, Any]:
    return {
        "service": part.service,
        "risk_level": part.risk_level,
        "labels": _labels(part.labels, suppressions),
        "ext": part.ext,
    }


def _frame(frame: Frame, suppressions: Sequence[Suppression]) -> dict[str, Any]:
    return {
        "index": frame.index,
        "url": frame.url,
        "risk_level": frame.risk_level,
        "labels": _labels(frame.labels, suppressions),
        "ext": frame.ext,
    }


def _usage(verdict: Verdict) -> dict[str, Any] | None:
    usage = verdict.usage
    if usage is None:
        return None
    return {
        "total_tokens": usage.total_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }


def _problem(error: ModerateError) -> dict[str, Any]:
    return {
        "code": error.code,
        "api_code": getattr(error, "api_code", None),
        "http_status": getattr(error, "http_status", None),
        "message": error.message,
        "hint": error.hint,
        "retryable": bool(getattr(error, "retryable", False)),
    }
