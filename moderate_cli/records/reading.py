"""A record back into the outcome that it tells of, as far as a record tells it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moderate_cli.errors import ModerateError, ServiceError
from moderate_cli.verdicts import (
    Call,
    Failed,
    Frame,
    Image,
    ImageUrl,
    Item,
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
)

_Record = Mapping[str, Any]
_MULTIMODAL = "Multimodal"  # what the operations about posts have in their names


def to_outcome(record: _Record) -> Outcome:
    """Return the outcome behind a record; raises KeyError, TypeError or ValueError where it is none.

    The image is guessed by its name, and a post is known by its task only: a record holds no more of it.
    """
    known = {
        "item": Item(record["source"], _image(record), data_id=record["data_id"]),
        "call": read_call(record),
        "sha256": record["sha256"],
        "size": record["bytes"],
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
            return Failed(**known, error=_error(record["error"], record))
        case other:
            raise ValueError(f"no outcome is called {other!r}")


def read_verdict(record: _Record) -> Verdict:
    """Return the verdict in the record of a judged input; raises as `to_outcome` does."""
    return Verdict(
        call=read_call(record),
        risk_level=_level(record["risk_level"]),
        labels=_labels(record["labels"]),
        per_service=tuple(
            ServiceVerdict(part["service"], _level(part["risk_level"]), _labels(part["labels"]), part["ext"])
            for part in record["per_service"]
        ),
        frames=tuple(
            Frame(
                frame["index"], frame["url"], _level(frame["risk_level"]), _labels(frame["labels"]), frame["ext"] or {}
            )
            for frame in record["frames"]
        ),
        ext=record["ext"],
        usage=Usage(**record["usage"]) if record["usage"] else None,
        request_id=record["request_id"],
        req_id=record["req_id"],
        data_id=record["data_id"],
        engine=record["engine"],
    )


def read_call(record: _Record) -> Call:
    """Return the call that a record tells of."""
    return Call(
        operation=record["operation"],
        services=tuple(record["services"]),
        region=record["region"],
        endpoint=record["endpoint"],
        attempts=record["attempts"],
        elapsed_ms=record["elapsed_ms"],
    )


def _labels(labels: list[_Record]) -> tuple[Label, ...]:
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
