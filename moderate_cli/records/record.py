"""The record of an input: its type, its JSON Schema, and how it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired, TypedDict, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from moderate_cli.common.errors import ModerateError
from moderate_cli.common.text import well_formed_json
from moderate_cli.models import (
    Decision,
    Engine,
    Failed,
    Frame,
    Json,
    Judged,
    Label,
    Outcome,
    PartKind,
    Pending,
    QueuedTask,
    RiskLevel,
    ServiceVerdict,
    Skipped,
    Usage,
    Verdict,
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

Count = Annotated[int, Meta(ge=0)]
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


class LocalEngine(TypedDict):
    """The checks that the local engine made; the summary of a document has those that it did not make."""

    checks: list[EngineCheck]


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


class RecordSavedFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """The picture of a frame in a file."""

    file: Annotated[str, Meta(description="Absolute path")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class RecordFrame(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer about one frame of an animation, or one slice of a long image."""

    index: int
    url: Annotated[str | None, Meta(description="Expires after five minutes")]
    saved: Annotated[RecordSavedFrame | None, Meta(description="Its picture, where --save-frames kept it")]
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
    judged: Count
    total: Count | None


class RecordDecision(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's newest decision about the verdict."""

    value: Annotated[str, Meta(description="confirmed, false-positive, missed, suppressed or escalated")]
    by: str | None
    at: _Timestamp | None
    note: str | None
    expires: Annotated[str | None, Meta(description="Last day on which a suppression is to count (YYYY-MM-DD)")]


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
    """The outcome of one input; null means unknown. Each field is always present unless its description limits it."""

    schema: Annotated[int, Meta(extra_json_schema={"const": SCHEMA})]
    source: Annotated[str, Meta(description="The input as its user named it")]
    sha256: Annotated[Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None, Meta(description="Of a local file")]
    bytes: Annotated[Count | None, Meta(description="Size of a local file")]
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
    unlabelled_level: (
        Annotated[RiskLevel, Meta(description="Level that no label explains, nor a suppression lowers; only with one")]
        | UnsetType
    ) = UNSET
    labels: _Labels
    per_service: list[RecordService]
    frames: list[RecordFrame]
    ext: Ext
    usage: Usage | None
    gate: Annotated[RecordGate | None, Meta(description="Null without a gate, and while there is no answer")]
    coverage: Annotated[list[RecordCoverage], Meta(description="Only what is partial or unknown")]
    notes: Annotated[list[str], Meta(description="Remarks about the input and its answer")]
    billed_calls: Annotated[
        Count | None,
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
    attempts: Count
    elapsed_ms: Annotated[Count | None, Meta(description="Milliseconds")]
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
    for closed in ("Usage", "LocalEngine"):  # types that cannot forbid unknown fields by themselves
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
    call = outcome.call
    passed = policy.passes(outcome, suppressions)
    return Record(
        schema=SCHEMA,
        source=outcome.item.source,
        sha256=outcome.sha256,
        bytes=outcome.size,
        judged_at=timestamp(call.answered_at or outcome.at),
        operation=call.operation,
        services=list(call.services),
        status=status(outcome),
        risk_level=verdict.risk_level if verdict else None,
        reported_level=verdict.reported_level if verdict else None,
        unlabelled_level=verdict.unexplained if verdict and verdict.unexplained is not RiskLevel.NONE else UNSET,
        labels=_labels(verdict.labels, suppressions) if verdict else [],
        per_service=[_service(part, suppressions) for part in verdict.per_service] if verdict else [],
        frames=[_frame(frame, suppressions) for frame in verdict.frames] if verdict else [],
        ext=_ext(verdict.ext) if verdict else _NO_EXT,
        usage=verdict.usage if verdict else None,
        gate=None if passed is None or policy.fail_on is None else RecordGate(policy.fail_on, passed),
        coverage=[RecordCoverage(part.kind, part.judged, part.total) for part in verdict.coverage] if verdict else [],
        notes=list(notes(outcome)),
        billed_calls=_billed_calls(outcome),
        request_id=request_id_of(outcome),
        req_id=req_id_of(outcome),
        data_id=data_id_of(outcome),
        region=call.region,
        endpoint=call.endpoint,
        engine=verdict.engine if verdict else None,
        decision=_decision(outcome.decision) if outcome.decision else None,
        reused=getattr(outcome, "reused", False),
        attempts=call.attempts,
        elapsed_ms=call.elapsed_ms,
        error=_problem(error) if error else None,
        raw=(verdict.raw if verdict else None) if raw else UNSET,
    )


def _answer(outcome: Outcome) -> Verdict | Pending | None:
    """Return what the service said of an input, a verdict or that it is queued; None where it said nothing."""
    return verdict_of(outcome) or (outcome if isinstance(outcome, Pending) else None)


def request_id_of(outcome: Outcome) -> str | None:
    """Return the request id of an answer, or of the error in its place; None if unknown."""
    answer = _answer(outcome)
    error = outcome.error if isinstance(outcome, Skipped | Failed) else None
    return (answer.request_id if answer else None) or getattr(error, "request_id", None)


def req_id_of(outcome: Outcome) -> str | None:
    """Return the id of the task that an input was queued as, of the error in its place too; None if unknown."""
    answer = _answer(outcome)
    task = outcome.item.image.req_id if isinstance(outcome.item.image, QueuedTask) else None
    error = outcome.error if isinstance(outcome, Failed) else None
    return (answer.req_id if answer else None) or task or getattr(error, "req_id", None)


def data_id_of(outcome: Outcome) -> str | None:
    """Return the user's own id of an input, as the answer or the input has it, or None."""
    answer = _answer(outcome)
    return (answer.data_id if answer else None) or outcome.item.data_id


def _decision(said: Decision) -> RecordDecision:
    return RecordDecision(said.value, said.by, timestamp(said.at), said.note, said.expires)


def decision_record(said: Decision) -> dict[str, Any]:
    """Return a decision as records have it."""
    record: dict[str, Any] = to_builtins(_decision(said))
    return record


def timestamp(seconds: float | None) -> str | None:
    """Return a time in seconds since 1970 as records have it: in UTC, to the second."""
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
    saved = RecordSavedFrame(frame.saved.file, frame.saved.sha256) if frame.saved else None
    labels = _labels(frame.labels, suppressions)
    return RecordFrame(frame.index, frame.url, saved, frame.risk_level, labels, cast(Ext, frame.ext))


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
    """Return the value of a JSON text, `well_formed`, as earlier versions did not write it.

    Raises ValueError for invalid JSON, RecursionError for too deep a nesting.
    """
    try:
        return msgspec.json.decode(text)
    except ValueError:  # invalid, or a lone surrogate, which only Python's own parser accepts
        return well_formed_json(json.loads(text))
