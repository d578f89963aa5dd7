"""The record of an input: one JSON object in which every field is present, its type, and its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, convert, to_builtins
from msgspec.structs import replace

from moderate_cli.common.errors import ModerateError, ServiceError
from moderate_cli.levels import Part, gathered, stated_level, weighed
from moderate_cli.models import (
    Call,
    Coverage,
    Engine,
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
    PartKind,
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
    Status,
    Suppression,
    notes,
    status,
    suppression_for,
    verdict_of,
)

SCHEMA = 2
SCHEMAS = (1, SCHEMA)
"""The schemas that can be read."""

_Count = Annotated[int, Meta(ge=0)]
_Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_Level = RiskLevel | None


class TextInImage(TypedDict):
    """The text in an image; each part is the API's own."""

    ocr_result: list[Any]
    risk_word: list[Any]
    custom_text: list[Any]


class EngineCheck(TypedDict):
    """A check that the local engine made."""

    name: str
    package: str


class MissingCheck(TypedDict):
    """A check that the local engine did not make, and what would install it."""

    name: str
    reason: str
    install: str | None


class LocalEngine(TypedDict):
    """The checks that the local engine made, and those that it did not make."""

    checks: list[EngineCheck]
    not_checked: list[MissingCheck]


class Ext(TypedDict):
    """Auxiliary information; parts that are not named here are the API's own."""

    custom_image: list[Any]
    text_in_image: TextInImage | None
    public_figure: list[Any]
    logo_data: list[Any]
    local_engine: NotRequired[LocalEngine]


class RecordSuppression(Struct, frozen=True, forbid_unknown_fields=True):
    """What suppresses a finding: where that is written, why, and the last day on which it counts (YYYY-MM-DD)."""

    by: str
    reason: str
    expires: str | None


class RecordLabel(Struct, frozen=True, forbid_unknown_fields=True):
    """A label of the service."""

    label: str
    confidence: Annotated[int | float | None, Meta(description="0 to 100; a similarity for *_lib labels")]
    description: Annotated[str | None, Meta(description="For people; decide on the label")]
    risk_level: _Level
    service: str | None
    where: Annotated[str | None, Meta(description="JSON path of the part of a post")]
    suppressed: Annotated[RecordSuppression | None, Meta(description="Why the finding does not count for the gate")]


class RecordService(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of one of several services."""

    service: str
    risk_level: _Level
    labels: list[RecordLabel]
    ext: Ext


class RecordFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer about one frame of an animation, or one slice of a long image."""

    index: int
    url: Annotated[str | None, Meta(description="Expires after five minutes")]
    risk_level: _Level
    labels: list[RecordLabel]
    ext: Ext


class RecordGate(Struct, frozen=True, forbid_unknown_fields=True):
    """The gate's level and its decision."""

    fail_on: Annotated[RiskLevel, Meta(extra_json_schema={"enum": ["high", "medium", "low"]})]
    passed: Annotated[bool, Meta(description="After suppression; an input without a verdict does not pass")]


class RecordCoverage(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of an input was judged; `total` is null where it is unknown."""

    kind: PartKind
    judged: _Count
    total: _Count | None


class RecordDecision(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's decision about an input."""

    value: str
    by: str | None
    at: _Timestamp | None
    note: str | None


class RecordError(Struct, frozen=True, forbid_unknown_fields=True):
    """Why an input has no verdict."""

    code: str
    api_code: int | None
    http_status: int | None
    message: str
    hint: str | None
    retryable: bool


_Labels = Annotated[list[RecordLabel], Meta(description="Findings only: nonLabel is none, nonLabel_lib is kept")]


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outcome of one input. Every field is always present; null means unknown."""

    schema: Annotated[int, Meta(extra_json_schema={"const": SCHEMA})]
    source: Annotated[str, Meta(description="The input as its user named it")]
    sha256: Annotated[Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None, Meta(description="Of a local file")]
    bytes: Annotated[_Count | None, Meta(description="Size of a local file")]
    judged_at: Annotated[_Timestamp | None, Meta(description="When the answer came, in UTC")]
    operation: str
    services: list[str]
    status: Status
    risk_level: Annotated[
        _Level,
        Meta(description="Highest level of all parts, before suppression; with the status failed, of what was read"),
    ]
    reported_level: Annotated[
        Annotated[str, Meta(max_length=200)] | None, Meta(description="The service's own word for the whole, verbatim")
    ]
    labels: _Labels
    per_service: list[RecordService]
    frames: list[RecordFrame]
    ext: Ext
    usage: Usage | None
    gate: Annotated[RecordGate | None, Meta(description="Null without a gate, and while there is no answer")]
    coverage: Annotated[list[RecordCoverage], Meta(description="Only what is partial or unknown")]
    notes: Annotated[list[str], Meta(description="Remarks about the input and its answer")]
    billed_calls: Annotated[
        _Count | None,
        Meta(description="Images or frames by each service, and units of text; null where unknown, or not known yet"),
    ]
    request_id: str | None
    req_id: str | None
    data_id: str | None
    region: str | None
    endpoint: str
    engine: Annotated[Engine | None, Meta(description="Null where no engine answered")]
    decision: RecordDecision | None
    reused: bool
    attempts: _Count
    elapsed_ms: Annotated[_Count | None, Meta(description="Milliseconds")]
    error: RecordError | None
    raw: Annotated[Json | None, Meta(description="The API's own body; only with --raw")] | UnsetType = UNSET


_NO_EXT: Ext = {"custom_image": [], "text_in_image": None, "public_figure": [], "logo_data": []}


def record_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a record as JSON text."""
    return json.dumps(load_schema(), indent=2) + "\n"


def load_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a record."""
    _, definitions = msgspec.json.schema_components([Record], ref_template="#/$defs/{name}")
    record = definitions.pop("Record")
    for closed in ("Usage", "LocalEngine", "MissingCheck"):  # types that cannot forbid unknown fields by themselves
        definitions[closed]["additionalProperties"] = False
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", **record}
    return head | {"title": f"moderate record, schema {SCHEMA}", "$defs": definitions}


# After these errors it is unknown whether the service has processed the call, and bills it.
_PERHAPS_BILLED = frozenset({"read_timeout", "connection_lost", "unreadable_answer"})


def to_record(
    outcome: Outcome, *, suppressions: Sequence[Suppression] = (), policy: GatePolicy = NO_GATE, raw: bool = False
) -> dict[str, Any]:
    """Return the record of an outcome as JSON data, its fields in the order of `Record`.

    `suppressions` are those of this outcome's findings, `policy` is the gate; `raw` adds the API's own body. An input
    without a verdict keeps what could be read of the answer.
    """
    record: dict[str, Any] = to_builtins(_record(outcome, suppressions, policy, raw=raw))
    return record


def _record(outcome: Outcome, suppressions: Sequence[Suppression], policy: GatePolicy, *, raw: bool) -> Record:
    error = outcome.error if isinstance(outcome, Skipped | Failed) else None
    verdict = verdict_of(outcome)
    answer = verdict or (outcome if isinstance(outcome, Pending) else None)
    call = outcome.call
    passed = policy.passes(outcome, suppressions)
    return Record(
        schema=SCHEMA,
        source=outcome.item.source,
        sha256=outcome.sha256,
        bytes=outcome.size,
        judged_at=_timestamp(call.answered_at or outcome.at),
        operation=call.operation,
        services=list(call.services),
        status=status(outcome),
        risk_level=verdict.risk_level if verdict else None,
        reported_level=verdict.reported_level if verdict else None,
        labels=_labels(verdict.labels, suppressions) if verdict else [],
        per_service=[_service(part, suppressions) for part in verdict.per_service] if verdict else [],
        frames=[_frame(frame, suppressions) for frame in verdict.frames] if verdict else [],
        ext=_ext(verdict.ext) if verdict else _NO_EXT,
        usage=verdict.usage if verdict else None,
        gate=None if passed is None or policy.fail_on is None else RecordGate(policy.fail_on, passed),
        coverage=[RecordCoverage(part.kind, part.judged, part.total) for part in verdict.coverage] if verdict else [],
        notes=list(notes(outcome)),
        billed_calls=_billed_calls(outcome),
        request_id=(answer.request_id if answer else None) or getattr(error, "request_id", None),
        req_id=(answer.req_id if answer else None) or _queued_as(outcome),
        data_id=(answer.data_id if answer else None) or outcome.item.data_id,
        region=call.region,
        endpoint=call.endpoint,
        engine=verdict.engine if verdict else None,
        decision=None,
        reused=getattr(outcome, "reused", False),
        attempts=call.attempts,
        elapsed_ms=call.elapsed_ms,
        error=_problem(error) if error else None,
        raw=(verdict.raw if verdict else None) if raw else UNSET,
    )


def _timestamp(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _billed_calls(outcome: Outcome) -> int | None:
    """Return for how many calls an outcome is billed, or None if that is unknown, or not known yet."""
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


def _labels(labels: Iterable[Label], suppressions: Sequence[Suppression]) -> list[RecordLabel]:
    return [
        RecordLabel(
            label.label,
            label.confidence,
            label.description,
            label.risk_level,
            label.service,
            label.where,
            _suppression(label, suppressions),
        )
        for label in labels
    ]


def _suppression(label: Label, suppressions: Sequence[Suppression]) -> RecordSuppression | None:
    entry = suppression_for(label, suppressions) if suppressions else None
    return None if entry is None else RecordSuppression(entry.source, entry.reason, entry.expires)


def _service(part: ServiceVerdict, suppressions: Sequence[Suppression]) -> RecordService:
    return RecordService(part.service, part.risk_level, _labels(part.labels, suppressions), cast(Ext, part.ext))


def _frame(frame: Frame, suppressions: Sequence[Suppression]) -> RecordFrame:
    labels = _labels(frame.labels, suppressions)
    return RecordFrame(frame.index, frame.url, frame.risk_level, labels, cast(Ext, frame.ext))


def _ext(ext: Json) -> Ext:
    return cast(Ext, ext) if ext else _NO_EXT


def _problem(error: ModerateError) -> RecordError:
    return RecordError(
        error.code,
        getattr(error, "api_code", None),
        getattr(error, "http_status", None),
        error.message,
        error.hint,
        bool(getattr(error, "retryable", False)),
    )


def to_json(record: Mapping[str, Any]) -> str:
    """Return a record as JSON on one line; lone surrogates, from file names that are not UTF-8, are escaped."""
    try:
        return msgspec.json.encode(record).decode()
    except UnicodeEncodeError:
        return json.dumps(record, separators=(",", ":"))


def from_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; raises ValueError for invalid JSON, RecursionError for too deep a nesting."""
    try:
        return msgspec.json.decode(text)
    except ValueError:  # invalid, or a lone surrogate, which only Python's own parser accepts
        return json.loads(text)


_Record = Mapping[str, Any]
_MULTIMODAL = "Multimodal"  # what the operations about posts have in their names
# The fields that differ between schema 1 and 2.
_UPGRADED = frozenset({"schema", "risk_level", "labels", "per_service", "frames"})


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
            raise ValueError(f"unknown status {other!r}")


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


class _Said(Struct, frozen=True):
    """The parts of a verdict that a record holds in the shape of their own types."""

    risk_level: RiskLevel | None
    labels: tuple[Label, ...]
    per_service: tuple[_SaidService, ...]
    frames: tuple[_SaidFrame, ...]
    usage: Usage | None


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
        frames=tuple(Frame(part.index, part.url, part.risk_level, part.labels, part.ext or {}) for part in said.frames),
        notes=tuple(record.get("notes") or ()),
        ext=record["ext"],
        usage=said.usage,
        billed_calls=_charged(record) if is_old else record["billed_calls"],
        request_id=record["request_id"],
        req_id=record["req_id"],
        data_id=record["data_id"],
        engine=record["engine"],
    )
    verdict = replace(verdict, coverage=_coverage(record, verdict))
    return _weighed(verdict, is_old=is_old)


def _weighed(verdict: Verdict, *, is_old: bool) -> Verdict:
    """Return a verdict with its effective level, and the highest level without a label."""
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
