"""The record: one JSON object an input, with every field always there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from moderate_cli.errors import ModerateError
from moderate_cli.verdicts import (
    Failed,
    Frame,
    Json,
    Judged,
    Label,
    Outcome,
    Pending,
    QueuedTask,
    ServiceVerdict,
    Skipped,
    Verdict,
)

SCHEMA = 1
_NO_EXT: Json = {"custom_image": [], "text_in_image": None, "public_figure": [], "logo_data": []}


def record_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a record, as text."""
    return files(__package__).joinpath("record.schema.json").read_text(encoding="utf-8")


def load_schema() -> Any:
    """Return the JSON Schema of a record, parsed."""
    return json.loads(record_schema())


def to_record(outcome: Outcome, *, raw: bool = False) -> dict[str, Any]:
    """Return the record of an outcome; with `raw` the API's own body stands beside it."""
    verdict = outcome.verdict if isinstance(outcome, Judged) else None
    error = outcome.error if isinstance(outcome, Skipped | Failed) else None
    answer = verdict or (outcome if isinstance(outcome, Pending) else None)
    call = outcome.call
    record = {
        "schema": SCHEMA,
        "source": outcome.item.source,
        "sha256": outcome.sha256,
        "bytes": outcome.size,
        "operation": call.operation,
        "services": list(call.services),
        "status": status(outcome),
        **_findings(verdict),
        "request_id": answer.request_id if answer else getattr(error, "request_id", None),
        "req_id": (answer.req_id if answer else None) or _queued_as(outcome),
        "data_id": (answer.data_id if answer else None) or outcome.item.data_id,
        "region": call.region,
        "endpoint": call.endpoint,
        "engine": verdict.engine if verdict else None,
        "reused": getattr(outcome, "reused", False),
        "attempts": call.attempts,
        "elapsed_ms": call.elapsed_ms,
        "error": _problem(error) if error else None,
    }
    return record | ({"raw": verdict.raw if verdict else None} if raw else {})


def status(outcome: Outcome) -> str:
    """Return the word for what became of an input."""
    return {Judged: "judged", Skipped: "skipped", Failed: "failed", Pending: "pending"}[type(outcome)]


def _queued_as(outcome: Outcome) -> str | None:
    return outcome.item.image.req_id if isinstance(outcome.item.image, QueuedTask) else None


def _findings(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {"risk_level": None, "labels": [], "per_service": [], "frames": [], "ext": _NO_EXT, "usage": None}
    return {
        "risk_level": verdict.risk_level,
        "labels": _labels(verdict.labels),
        "per_service": [_service(part) for part in verdict.per_service],
        "frames": [_frame(frame) for frame in verdict.frames],
        "ext": verdict.ext or _NO_EXT,
        "usage": _usage(verdict),
    }


def _labels(labels: Iterable[Label]) -> list[dict[str, Any]]:
    return [
        {
            "label": label.label,
            "confidence": label.confidence,
            "description": label.description,
            "risk_level": label.risk_level,
            "service": label.service,
            "where": label.where,
        }
        for label in labels
    ]


def _service(part: ServiceVerdict) -> dict[str, Any]:
    return {
        "service": part.service,
        "risk_level": part.risk_level,
        "labels": _labels(part.labels),
        "ext": part.ext,
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "index": frame.index,
        "url": frame.url,
        "risk_level": frame.risk_level,
        "labels": _labels(frame.labels),
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
