"""The record: one JSON object an input, with every field always there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from moderate_cli.common.errors import ModerateError, ServiceError
from moderate_cli.levels import Part, gathered, stated_level, weighed
from moderate_cli.models import (
    Call,
    Coverage,
    Failed,
    Frame,
    Image,
    ImageUrl,
    Item,
    Json,
    Judged,
    Label,
    LocalFile,
    OssObject,
    Outcome,
    Pending,
    QueuedTask,
    RiskLevel,
    ServiceVerdict,
    Skipped,
    TaskKind,
    Usage,
    Verdict,
    highest,
)
from moderate_cli.results import (
    NO_GATE,
    GatePolicy,
    Suppression,
    notes,
    status,
    suppression_for,
    verdict_of,
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


_Record = Mapping[str, Any]
_MULTIMODAL = "Multimodal"  # what the operations about posts have in their names
# What schema 2 says otherwise than schema 1; the rest of a record stays as it is.
_WORKED_ANEW = frozenset({"schema", "risk_level", "labels", "per_service", "frames"})


def to_outcome(record: _Record) -> Outcome:
    """Return the outcome behind a record of schema 1 or 2; raises KeyError, TypeError or ValueError where it is none.

    The image is guessed by its name, and a post is known by its task only: a record holds no more of it.
    """
    known = {
        "item": Item(record["source"], _image(record), data_id=record["data_id"]),
        "call": read_call(record),
        "sha256": record["sha256"],
        "size": record["bytes"],
        "notes": tuple(record.get("notes") or ()),
        "at": _seconds(record.get("judged_at")),
    }
    match record["status"]:
        case "judged":
            return Judged(**known, verdict=read_verdict(record), reused=record["reused"])
        case "pending":
            answer = {name: record[name] for name in ("req_id", "request_id", "data_id", "reused")}
            return Pending(**known, **answer)
        case "skipped":
            return Skipped(**known, error=_error(record["error"], record))
        case "failed":
            said = read_verdict(record) if record["risk_level"] or record["labels"] else None
            return Failed(**known, error=_error(record["error"], record), verdict=said)
        case other:
            raise ValueError(f"no outcome is called {other!r}")


def upgraded(record: _Record, *, at: float | None = None) -> dict[str, Any]:
    """Return a record in schema 2; raises as `to_outcome` does.

    One of schema 1 gets the fields that it lacks, the level that counts and the labels of its parts; `at` (Unix
    seconds) is when it became known, which it does not tell.
    """
    if record["schema"] == SCHEMA:
        return dict(record)
    known = {name: value for name, value in record.items() if name not in _WORKED_ANEW}
    return to_record(replace(to_outcome(record), at=at)) | known


def read_verdict(record: _Record) -> Verdict:
    """Return the verdict in the record of a judged input; raises as `to_outcome` does.

    One of schema 1 gets the level that counts and the labels of its parts, which it did not have.
    """
    is_old = "reported_level" not in record
    verdict = Verdict(
        call=read_call(record),
        risk_level=_level(record["risk_level"]),
        reported_level=record["risk_level"] if is_old else record["reported_level"],
        labels=_read_labels(record["labels"]),
        per_service=tuple(
            ServiceVerdict(part["service"], _level(part["risk_level"]), _read_labels(part["labels"]), part["ext"])
            for part in record["per_service"]
        ),
        frames=tuple(
            Frame(
                frame["index"],
                frame["url"],
                _level(frame["risk_level"]),
                _read_labels(frame["labels"]),
                frame["ext"] or {},
            )
            for frame in record["frames"]
        ),
        notes=tuple(record.get("notes") or ()),
        ext=record["ext"],
        usage=Usage(**record["usage"]) if record["usage"] else None,
        billed_calls=_charged(record) if is_old else record["billed_calls"],
        request_id=record["request_id"],
        req_id=record["req_id"],
        data_id=record["data_id"],
        engine=record["engine"],
    )
    verdict = replace(verdict, coverage=_coverage(record, verdict))
    return _weighed(verdict, is_old=is_old)


def _weighed(verdict: Verdict, *, is_old: bool) -> Verdict:
    """Return a verdict with the level that counts, and the highest that no label accounts for."""
    services = [Part(part.risk_level, part.labels) for part in verdict.per_service]
    frames = [
        Part(frame.risk_level, tuple(replace(label, where=f"$.frames[{frame.index}]") for label in frame.labels))
        for frame in verdict.frames
    ]
    inside = {(label.label, label.service) for part in verdict.per_service for label in part.labels}
    own = [label for label in verdict.labels if not (label.where or "").startswith("$.frames[")]
    stated = stated_level(verdict)
    misread = stated is not None and RiskLevel.parse(verdict.reported_level or "") is None
    if misread and not any(label.is_finding for label in verdict.labels):  # of an answer that failed for it
        stated, misread = None, False
    if is_old:
        labels = gathered(Part(stated, tuple(own)), services, frames)
        verdict = replace(verdict, labels=labels)
    whole = Part(stated, tuple(label for label in own if (label.label, label.service) not in inside), misread=misread)
    weight = weighed(whole, [*services, *frames])
    level = highest([weight.level, verdict.risk_level])
    known = highest([weight.level]) or RiskLevel.NONE
    beyond = level if level is not None and level.rank > known.rank else RiskLevel.NONE
    unexplained = highest([weight.unexplained, beyond]) or RiskLevel.NONE
    return replace(verdict, risk_level=level or RiskLevel.NONE, unexplained=unexplained)


def _coverage(record: _Record, verdict: Verdict) -> tuple[Coverage, ...]:
    """Return what was not looked at; frames that were charged and are not there were not answered."""
    charged = (verdict.billed_calls or 0) // max(1, len(verdict.call.services))
    return tuple(
        Coverage(
            part["kind"],
            part["judged"],
            part["total"],
            unanswered=part["kind"] in {"parts", "services"} or (part["kind"] == "frames" and part["judged"] < charged),
        )
        for part in record.get("coverage") or ()
    )


def _charged(record: _Record) -> int:
    """Return for how many calls the answer in a record of schema 1 was billed: a frame or an image by each service."""
    if record["reused"] or record["engine"] == "local":
        return 0
    return max(1, len(record["services"])) * max(1, len(record["frames"]))


def read_call(record: _Record) -> Call:
    """Return the call that a record tells of."""
    return Call(
        operation=record["operation"],
        services=tuple(record["services"]),
        region=record["region"],
        endpoint=record["endpoint"],
        attempts=record["attempts"],
        elapsed_ms=record["elapsed_ms"],
        answered_at=_seconds(record.get("judged_at")),
    )


def _read_labels(labels: list[_Record]) -> tuple[Label, ...]:
    return tuple(
        Label(
            label["label"],
            label["confidence"],
            label["description"],
            _level(label["risk_level"]),
            label["service"],
            label["where"],
        )
        for label in labels
    )


def _seconds(timestamp: str | None) -> float | None:
    return None if timestamp is None else datetime.fromisoformat(timestamp).timestamp()


def _level(name: str | None) -> RiskLevel | None:
    return None if name is None else RiskLevel(name)


def _image(record: _Record) -> Image | QueuedTask:
    source = record["source"]
    if record["req_id"] is not None:
        kind: TaskKind = "multimodal" if _MULTIMODAL in record["operation"] else "image"
        return QueuedTask(
            req_id=record["req_id"],
            kind=kind,
            services=tuple(record["services"]),
            region=record["region"],
            endpoint=record["endpoint"],
            sha256=record["sha256"],
            size=record["bytes"],
        )
    if source.lower().startswith(("http://", "https://")):
        return ImageUrl(source)
    if source.startswith("oss://"):
        bucket, _, key = source.removeprefix("oss://").partition("/")
        return OssObject(bucket, key)
    return LocalFile(Path(source))


def _error(problem: _Record, record: _Record) -> ModerateError:
    if problem["api_code"] is None and problem["http_status"] is None:
        return ModerateError(problem["message"], code=problem["code"], hint=problem["hint"])
    return ServiceError(
        problem["message"],
        code=problem["code"],
        hint=problem["hint"],
        api_code=problem["api_code"],
        http_status=problem["http_status"],
        request_id=record["request_id"],
        retryable=problem["retryable"],
    )
