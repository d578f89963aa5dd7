"""How is a record read back into the outcome that it describes? Those of the first version too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, convert
from msgspec.structs import replace

from moderate_cli.catalog import load_data
from moderate_cli.common.errors import ExitCode, ModerateError, ServiceError
from moderate_cli.levels import Part, gathered, stated_level, weighed
from moderate_cli.models import (
    Call,
    Coverage,
    Decision,
    Failed,
    Frame,
    Image,
    ImageUrl,
    InlineImage,
    Item,
    Json,
    Judged,
    Label,
    LocalFile,
    OssObject,
    Outcome,
    Pending,
    Post,
    QueuedTask,
    RiskLevel,
    SavedFrame,
    ServiceVerdict,
    Skipped,
    TaskKind,
    Usage,
    Verdict,
    highest,
    is_about_posts,
)
from moderate_cli.preflight.formats import IMAGE_NOTES
from moderate_cli.records.record import SCHEMA, to_record
from moderate_cli.results import REPEATED, Suppression

_Record = Mapping[str, Any]
_STDIN = "-"  # the name of an image from standard input
# The fields that differ between schema 1 and 2.
_UPGRADED = frozenset({"schema", "risk_level", "labels", "per_service", "frames"})


# Notes on an input, which are no part of the answer about it.
_ABOUT_INPUT = frozenset({*IMAGE_NOTES, REPEATED})
# Errors that no service reported, and that have an exit code of their own.
_EXIT_CODES = {"bug": ExitCode.BUG, "no_credentials": ExitCode.FATAL, "untrusted_upload_endpoint": ExitCode.FATAL}


UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""The errors that a record of another version may raise when it is read."""


def to_outcome(record: _Record) -> Outcome:
    """Return the outcome that a record of schema 1 or 2 describes.

    The kind of image is derived from its name, and a post is known by its task only. Raises KeyError, TypeError or
    ValueError for an invalid record.
    """
    known = {
        "item": Item(record["source"], _image(record), data_id=record["data_id"]),
        "call": read_call(record),
        "sha256": record["sha256"],
        "size": record["bytes"],
        "at": _seconds(record.get("judged_at")),
        "decision": read_decision(record),
    }
    status = record["status"]
    if status == "judged":
        verdict = read_verdict(record)
        return Judged(**known, notes=notes_on_input(record), verdict=verdict, reused=record["reused"])
    if status == "failed" and _has_verdict(record):
        error, verdict = _error(record["error"], record), read_verdict(record)
        return Failed(**known, notes=notes_on_input(record), error=error, verdict=verdict)
    known["notes"] = tuple(record.get("notes") or ())
    match status:
        case "failed":
            return Failed(**known, error=_error(record["error"], record))
        case "skipped":
            return Skipped(**known, error=_error(record["error"], record))
        case "pending":
            answer = {name: record[name] for name in ("req_id", "request_id", "data_id", "reused")}
            return Pending(**known, **answer)
        case other:
            raise ValueError(f"unknown status {other!r}")


def _has_verdict(record: _Record) -> bool:
    """Return whether the answer to a failed input could be read in part; only then there is an engine in schema 2."""
    return bool(record["risk_level"] or record["labels"] or (record["schema"] == SCHEMA and record["engine"]))


def notes_on_input(record: _Record) -> tuple[str, ...]:
    """Return the notes of a record that are about the input and its call, which stand before those on the answer."""
    noted = record.get("notes") or ()
    last = max((number for number, note in enumerate(noted, start=1) if note in _ABOUT_INPUT), default=0)
    return tuple(noted[:last])


def suppressions_of(record: _Record) -> tuple[Suppression, ...]:
    """Return what suppresses the findings of a record: for a label as a whole where all its entries are suppressed."""
    parts = [record, *record["per_service"], *record["frames"]]
    found: dict[str, list[_Record]] = {}
    for label in (label for part in parts for label in part["labels"]):
        found.setdefault(label["label"], []).append(label)
    suppressions: dict[Suppression, None] = {}
    for labels in found.values():
        is_whole = all(label.get("suppressed") for label in labels)
        for label in labels:
            if entry := label.get("suppressed"):
                service = None if is_whole else label["service"]
                known = Suppression(label["label"], service, entry["reason"], entry["by"], entry["expires"])
                suppressions[known] = None
    return tuple(suppressions)


def upgraded(record: _Record, *, at: float | None = None) -> dict[str, Any]:
    """Return a record in schema 2; raises like `to_outcome`.

    A record of schema 1 gets the missing fields, its effective level and the labels of its parts; `at` (Unix seconds)
    is its time, which schema 1 lacks.
    """
    if record["schema"] == SCHEMA:
        return dict(record)
    known = {name: value for name, value in record.items() if name not in _UPGRADED}
    return to_record(replace(to_outcome(record), at=at)) | known


class _SaidService(Struct, frozen=True):
    service: str
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json | None  # null in records of 0.1.0


class _SaidFrame(Struct, frozen=True):
    index: int
    url: str | None
    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    ext: Json | None
    saved: SavedFrame | None = None  # missing in records of 0.1.0


class _Said(Struct, frozen=True):
    """The parts of a verdict that a record holds in the shape of their own types."""

    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    per_service: tuple[_SaidService, ...]
    frames: tuple[_SaidFrame, ...]
    usage: Usage | None
    unlabelled_level: RiskLevel | None = None  # missing where there is none, and in older records


def read_verdict(record: _Record) -> Verdict:
    """Return the verdict in the record of a judged input; raises like `to_outcome`.

    A record of schema 1 gets its effective level and the labels of its parts.
    """
    is_old = "reported_level" not in record
    said = convert(record, _Said)
    verdict = Verdict(
        call=read_call(record),
        risk_level=said.risk_level,
        reported_level=record["risk_level"] if is_old else record["reported_level"],
        labels=said.labels,
        per_service=tuple(
            ServiceVerdict(part.service, part.risk_level, part.labels, part.ext or {}) for part in said.per_service
        ),
        frames=tuple(
            Frame(part.index, part.url, part.risk_level, part.labels, part.ext or {}, saved=part.saved)
            for part in said.frames
        ),
        notes=tuple(record.get("notes") or ())[len(notes_on_input(record)) :],
        ext=record["ext"],
        usage=said.usage,
        billed_calls=_charged(record) if is_old else record["billed_calls"],
        request_id=record["request_id"],
        req_id=record["req_id"],
        data_id=record["data_id"],
        engine=record["engine"],
        raw=record.get("raw") or {},
    )
    verdict = _weighed(replace(verdict, coverage=_coverage(record, verdict)), said.unlabelled_level, is_old=is_old)
    has_no_level = record["status"] == "failed" and said.risk_level is None and not is_old
    return replace(verdict, risk_level=None) if has_no_level else verdict


def _weighed(verdict: Verdict, unlabelled: RiskLevel | None, *, is_old: bool) -> Verdict:
    """Return a verdict with its effective level, and the highest level without a label, derived where it is missing."""
    services = [Part(part.risk_level, part.labels) for part in verdict.per_service]
    frames = [
        Part(frame.risk_level, tuple(replace(label, where=f"$.frames[{frame.index}]") for label in frame.labels))
        for frame in verdict.frames
    ]
    own = [label for label in verdict.labels if not (label.where or "").startswith("$.frames[")]
    stated = stated_level(verdict)
    misread = stated is not None and RiskLevel.parse(verdict.reported_level or "") is None
    if misread and not any(label.is_finding for label in verdict.labels):  # of an answer that failed for it
        stated, misread = None, False
    if is_old:
        labels = gathered(Part(stated, tuple(own)), services, frames)
        verdict = replace(verdict, labels=labels)
    weight = weighed(Part(stated, tuple(own), misread=misread), services, frames)
    level = highest([weight.level, verdict.risk_level])
    known = highest([weight.level]) or RiskLevel.NONE
    beyond = level if level is not None and level.rank > known.rank else RiskLevel.NONE
    known_unlabelled = weight.unexplained if unlabelled is None else unlabelled
    unexplained = highest([known_unlabelled, beyond]) or RiskLevel.NONE
    return replace(verdict, risk_level=level or RiskLevel.NONE, unexplained=unexplained)


def _coverage(record: _Record, verdict: Verdict) -> tuple[Coverage, ...]:
    """Return what was not judged; frames that were billed and are missing count as unanswered."""
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
    """Return the billed calls of a record of schema 1: one per image or frame and service."""
    if record["reused"] or record["engine"] == "local":
        return 0
    return max(1, len(record["services"])) * max(1, len(record["frames"]))


def read_call(record: _Record) -> Call:
    """Return the call that a record describes; raises like `to_outcome`."""
    return Call(
        operation=record["operation"],
        services=tuple(record["services"]),
        region=record["region"],
        endpoint=record["endpoint"],
        attempts=record["attempts"],
        elapsed_ms=record["elapsed_ms"],
        answered_at=_seconds(record.get("judged_at")),
    )


def _seconds(timestamp: str | None) -> float | None:
    return None if timestamp is None else datetime.fromisoformat(timestamp).timestamp()


def read_decision(record: _Record) -> Decision | None:
    """Return what a person decided according to a record, or None; raises like `to_outcome`."""
    said = record.get("decision")
    if said is None:
        return None
    return Decision(said["value"], said["by"], _seconds(said["at"]), said["note"], said.get("expires"))


def _image(record: _Record) -> Image | Post | QueuedTask:
    source = record["source"]
    kind: TaskKind = "multimodal" if is_about_posts(record["operation"]) else "image"
    if record["req_id"] is not None:
        return QueuedTask(
            req_id=record["req_id"],
            kind=kind,
            services=tuple(record["services"]),
            region=record["region"],
            endpoint=record["endpoint"],
            sha256=record["sha256"],
            size=record["bytes"],
        )
    if kind == "multimodal":
        return Post({})
    if source == _STDIN:
        return InlineImage(b"")
    if source.lower().startswith(("http://", "https://")):
        return ImageUrl(source)
    return OssObject.named(source) or LocalFile(Path(source))


def _error(problem: _Record, record: _Record) -> ModerateError:
    message, code, hint = problem["message"], problem["code"], problem["hint"]
    if problem["api_code"] is not None or problem["http_status"] is not None:
        return ServiceError(
            message,
            code=code,
            hint=hint,
            api_code=problem["api_code"],
            http_status=problem["http_status"],
            request_id=record["request_id"],
            retryable=problem["retryable"],
            fatal=_is_fatal(problem["api_code"], code),
        )
    error = ModerateError(message, code=code, hint=hint)
    error.exit_code = _EXIT_CODES.get(code, error.exit_code)
    return error


def _is_fatal(api_code: int | None, code: str) -> bool:
    """Return whether every further call would have failed with an error of the service, too."""
    codes = load_data("codes.json")
    entries: list[dict[str, Any]] = codes["body"] if api_code is not None else codes["gateway"]
    for entry in entries:
        if entry["code"] == api_code if api_code is not None else code.startswith(entry["prefix"]):
            return bool(entry["fatal"])
    return False
