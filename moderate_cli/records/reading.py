"""How is a record read back into the outcome that it describes? Those of the first version too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, convert
from msgspec.structs import replace

from moderate_cli.catalog import load_data
from moderate_cli.common.errors import ExitCode, ModerateError, ServiceError
from moderate_cli.levels import Part, gathered, stated_level, weighed
from moderate_cli.models import (
    Call,
    Coverage,
    Decision,
    Engine,
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
    PartKind,
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
from moderate_cli.results import REPEATED, Status, Suppression

_Record = Mapping[str, Any]
_STDIN = "-"  # the name of an image from standard input
# The fields that differ between schema 1 and 2.
_UPGRADED = frozenset({"schema", "risk_level", "labels", "per_service", "frames"})


# Notes on an input, which are no part of the answer about it.
_ABOUT_INPUT = frozenset({*IMAGE_NOTES, REPEATED})
# Errors that no service reported, and that have an exit code of their own.
_EXIT_CODES = {"bug": ExitCode.BUG, "no_credentials": ExitCode.FATAL, "untrusted_upload_endpoint": ExitCode.FATAL}


UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""The errors that a record of another version, or a damaged one, may raise when it is read."""


_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # as SQLite can store it
_Number = Annotated[int, Meta(ge=-(2**53), le=2**53)] | float  # so that a float can have the value of the int


class _SaidSuppression(Struct, frozen=True):
    by: str
    reason: str
    expires: str | None


class _SaidLabel(Struct, frozen=True):
    label: str
    confidence: _Number | None = None
    description: str | None = None
    risk_level: RiskLevel | None = None
    service: str | None = None
    where: str | None = None
    suppressed: _SaidSuppression | None = None


class _SaidService(Struct, frozen=True):
    service: str
    risk_level: RiskLevel | None
    labels: tuple[_SaidLabel, ...]
    ext: Json | None  # null in records of 0.1.0


class _SaidFrame(Struct, frozen=True):
    index: int
    url: str | None
    risk_level: RiskLevel | None
    labels: tuple[_SaidLabel, ...]
    ext: Json | None
    saved: SavedFrame | None = None  # missing in records of 0.1.0


class _SaidGate(Struct, frozen=True):
    fail_on: Literal["high", "medium", "low"]
    passed: bool


class _SaidCoverage(Struct, frozen=True):
    kind: PartKind
    judged: _Count
    total: _Count | None


class _SaidDecision(Struct, frozen=True):
    value: str
    by: str | None
    at: str | None
    note: str | None
    expires: str | None = None


class _SaidError(Struct, frozen=True):
    code: str
    api_code: int | None
    http_status: int | None
    message: str
    hint: str | None
    retryable: bool


class _Said(Struct, frozen=True, kw_only=True):
    """A whole record, of schema 1 or 2: what has a default is missing in older ones, and fields of later ones pass.

    Whatever reads a record reads it by this type first, so that nothing in it can surprise what comes after.
    """

    schema: Literal[1, 2]
    source: str
    sha256: str | None
    bytes: _Count | None
    judged_at: str | None = None
    operation: str
    services: tuple[str, ...]
    status: Status
    risk_level: RiskLevel | None
    reported_level: str | UnsetType | None = UNSET
    unlabelled_level: RiskLevel | None = None  # missing where there is none, too
    labels: tuple[_SaidLabel, ...]
    per_service: tuple[_SaidService, ...]
    frames: tuple[_SaidFrame, ...]
    ext: Json
    usage: Usage | None
    gate: _SaidGate | None = None
    coverage: tuple[_SaidCoverage, ...] | None = None
    notes: tuple[str, ...] | None = None
    billed_calls: _Count | UnsetType | None = UNSET
    request_id: str | None
    req_id: str | None
    data_id: str | None
    region: str | None
    endpoint: str
    engine: Engine | None
    decision: _SaidDecision | None = None
    reused: bool
    attempts: _Count
    elapsed_ms: _Count | None
    error: _SaidError | None
    raw: Json | None = None

    def __post_init__(self) -> None:
        if not self.is_old and UNSET in (self.reported_level, self.billed_calls):
            raise ValueError("a field is missing that only schema 1 lacks")

    @property
    def is_old(self) -> bool:
        """Whether the record has schema 1."""
        return self.schema != SCHEMA


def to_outcome(record: _Record) -> Outcome:
    """Return the outcome that a record of schema 1 or 2 describes.

    The kind of image is derived from its name, and a post is known by its task only. Raises one of UNREADABLE for a
    record that is not whole, or has a field of another type.
    """
    said = convert(record, _Said)
    call = _call(said)
    known: dict[str, Any] = {
        "item": Item(said.source, _image(said), data_id=said.data_id),
        "call": call,
        "sha256": said.sha256,
        "size": said.bytes,
        "at": call.answered_at,
        "decision": _decision(said.decision) if said.decision else None,
        "notes": said.notes or (),
    }
    if said.status == "pending":
        known |= {"request_id": said.request_id, "data_id": said.data_id, "reused": said.reused}
        return Pending(**known, req_id=said.req_id or "")
    has_verdict = said.status == "judged" or (said.status == "failed" and _has_verdict(said))
    verdict = _verdict(said, call) if has_verdict else None
    if verdict is not None:
        known["notes"] = _notes_on_input(said)
    if said.status == "judged" and verdict is not None:
        return Judged(**known, verdict=verdict, reused=said.reused)
    if said.error is None:
        raise ValueError(f"{said.status} without an error")
    error = _error(said.error, said.request_id)
    return Skipped(**known, error=error) if said.status == "skipped" else Failed(**known, error=error, verdict=verdict)


def _has_verdict(said: _Said) -> bool:
    """Return whether the answer to a failed input could be read in part; only then there is an engine in schema 2."""
    return bool(said.risk_level or said.labels or (said.schema == SCHEMA and said.engine))


def _notes_on_input(said: _Said) -> tuple[str, ...]:
    """Return the notes that are about the input and its call, which stand before those on the answer."""
    noted = said.notes or ()
    last = max((number for number, note in enumerate(noted, start=1) if note in _ABOUT_INPUT), default=0)
    return noted[:last]


def suppressions_of(record: _Record) -> tuple[Suppression, ...]:
    """Return what suppresses the findings of a record that `to_outcome` can read.

    It is for a label as a whole where all its entries are suppressed.
    """
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


def read_verdict(record: _Record) -> Verdict:
    """Return the verdict in the record of a judged input; raises like `to_outcome`.

    A record of schema 1 gets its effective level and the labels of its parts.
    """
    said = convert(record, _Said)
    return _verdict(said, _call(said))


def _verdict(said: _Said, call: Call) -> Verdict:
    notes = said.notes or ()
    verdict = Verdict(
        call=call,
        risk_level=said.risk_level,
        reported_level=said.risk_level if said.reported_level is UNSET else said.reported_level,
        labels=_labels(said.labels),
        per_service=tuple(
            ServiceVerdict(part.service, part.risk_level, _labels(part.labels), part.ext or {})
            for part in said.per_service
        ),
        frames=tuple(
            Frame(part.index, part.url, part.risk_level, _labels(part.labels), part.ext or {}, saved=part.saved)
            for part in said.frames
        ),
        notes=notes[len(_notes_on_input(said)) :],
        ext=said.ext,
        usage=said.usage,
        billed_calls=_charged(said) if said.billed_calls is UNSET else said.billed_calls,
        request_id=said.request_id,
        req_id=said.req_id,
        data_id=said.data_id,
        engine=said.engine or "cloud",
        raw=said.raw or {},
    )
    verdict = replace(verdict, coverage=_coverage(said, verdict))
    verdict = _weighed(verdict, said.unlabelled_level, is_old=said.is_old)
    has_no_level = said.status == "failed" and said.risk_level is None and not said.is_old
    return replace(verdict, risk_level=None) if has_no_level else verdict


def _labels(said: Iterable[_SaidLabel]) -> tuple[Label, ...]:
    return tuple(
        Label(each.label, each.confidence, each.description, each.risk_level, each.service, each.where) for each in said
    )


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


def _coverage(said: _Said, verdict: Verdict) -> tuple[Coverage, ...]:
    """Return what was not judged; frames that were billed and are missing count as unanswered."""
    charged = (verdict.billed_calls or 0) // max(1, len(verdict.call.services))
    return tuple(
        Coverage(
            part.kind,
            part.judged,
            part.total,
            unanswered=part.kind in {"parts", "services"} or (part.kind == "frames" and part.judged < charged),
        )
        for part in said.coverage or ()
    )


def _charged(said: _Said) -> int:
    """Return the billed calls of a record of schema 1: one per image or frame and service."""
    if said.reused or said.engine == "local":
        return 0
    return max(1, len(said.services)) * max(1, len(said.frames))


def _call(said: _Said) -> Call:
    return Call(
        operation=said.operation,
        services=said.services,
        region=said.region,
        endpoint=said.endpoint,
        attempts=said.attempts,
        elapsed_ms=said.elapsed_ms,
        answered_at=_seconds(said.judged_at),
    )


def _seconds(timestamp: str | None) -> float | None:
    if timestamp is None:
        return None
    try:
        return datetime.fromisoformat(timestamp).astimezone(UTC).timestamp()
    except OverflowError as error:  # in UTC it is before the year 1, or after 9999
        raise ValueError(f"no time is {timestamp!r}") from error


def _decision(said: _SaidDecision) -> Decision:
    return Decision(said.value, said.by, _seconds(said.at), said.note, said.expires)


def _image(said: _Said) -> Image | Post | QueuedTask:
    source = said.source
    kind: TaskKind = "multimodal" if is_about_posts(said.operation) else "image"
    if said.req_id is not None:
        return QueuedTask(
            req_id=said.req_id,
            kind=kind,
            services=said.services,
            region=said.region,
            endpoint=said.endpoint,
            sha256=said.sha256,
            size=said.bytes,
        )
    if kind == "multimodal":
        return Post({})
    if source == _STDIN:
        return InlineImage(b"")
    if source.lower().startswith(("http://", "https://")):
        return ImageUrl(source)
    return OssObject.named(source) or LocalFile(Path(source))


def _error(said: _SaidError, request_id: str | None) -> ModerateError:
    if said.api_code is not None or said.http_status is not None:
        return ServiceError(
            said.message,
            code=said.code,
            hint=said.hint,
            api_code=said.api_code,
            http_status=said.http_status,
            request_id=request_id,
            retryable=said.retryable,
            fatal=_is_fatal(said.api_code, said.code),
        )
    error = ModerateError(said.message, code=said.code, hint=said.hint)
    error.exit_code = _EXIT_CODES.get(said.code, error.exit_code)
    return error


def _is_fatal(api_code: int | None, code: str) -> bool:
    """Return whether every further call would have failed with an error of the service, too."""
    codes = load_data("codes.json")
    entries: list[dict[str, Any]] = codes["body"] if api_code is not None else codes["gateway"]
    for entry in entries:
        if entry["code"] == api_code if api_code is not None else code.startswith(entry["prefix"]):
            return bool(entry["fatal"])
    return False
