"""A record back into its outcome: what was told can be told again, word for word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders import (
    NO_EXT,
    call,
    failed,
    fatal_error,
    judged,
    schema_1,
    service_error,
    skipped,
    unreadable_answer,
    verdict,
)
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from samples import IMAGE_MODERATION, vendor_outcome

from moderate_cli.models import (
    Coverage,
    Frame,
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
    SavedFrame,
    ServiceVerdict,
    Usage,
)
from moderate_cli.records import UNREADABLE, load_schema, read_verdict, to_outcome, to_record, upgraded

SAVED = SavedFrame("/frames/T-0.jpg", "ab" * 32)
LOW = Label("a", 1.5, "d", RiskLevel.LOW, "s")
FRAMES = (Frame(0, "https://example.com/0.jpg", RiskLevel.HIGH, (LOW,), NO_EXT, saved=SAVED),)
PARTS = (ServiceVerdict("s", RiskLevel.MEDIUM, (Label("b"),), NO_EXT),)

WRONG: list[dict[str, Any]] = [
    {"schema": 3},
    {"source": None},
    {"sha256": 5},
    {"bytes": "12"},
    {"bytes": -1},
    {"bytes": 2**64},
    {"judged_at": 5},
    {"judged_at": "yesterday"},
    {"judged_at": "9999-12-31T23:59:59-23:59"},
    {"operation": None},
    {"services": "a"},
    {"labels": [{"label": "a", "suppressed": 5}]},
    {"labels": [{"label": "a", "suppressed": {"by": 5, "reason": "x", "expires": None}}]},
    {"labels": [{"label": "a", "confidence": 10**400}]},
    {"frames": [{"index": 0, "url": None, "risk_level": None, "labels": [], "ext": []}]},
    {"ext": None},
    {"ext": []},
    {"gate": {"fail_on": "nope", "passed": True}},
    {"gate": {"fail_on": "high", "passed": "yes"}},
    {"coverage": [{"kind": "foo", "judged": "1", "total": 3}]},
    {"coverage": [{"kind": "frames", "judged": 1, "total": "3"}]},
    {"notes": [5]},
    {"request_id": {}},
    {"req_id": 5},
    {"data_id": []},
    {"region": 5},
    {"endpoint": None},
    {"engine": "steam"},
    {"decision": {"value": 5, "by": None, "at": None, "note": None}},
    {"decision": {"value": "confirmed", "by": None, "at": 5, "note": None}},
    {"reused": "x"},
    {"attempts": True},
    {"elapsed_ms": "x"},
    {"error": 5},
    {"error": {"code": 5, "api_code": "5", "http_status": None, "message": [], "hint": None, "retryable": 1}},
    {"raw": "text"},
]


def _pending() -> Pending:
    outcome = judged()
    return Pending(item=outcome.item, call=outcome.call, req_id="id-1", request_id="r", data_id="d", reused=True)


@pytest.mark.parametrize(
    "outcome",
    [
        *map(vendor_outcome, IMAGE_MODERATION),
        judged("high", Label("a", 99.0, "d", RiskLevel.HIGH, "s", "$.mainData"), usage=Usage(3, 2, 1)),
        judged(
            "high",
            Label("a", where="$.frames[0]"),
            unexplained=RiskLevel.HIGH,
            frames=FRAMES,
            per_service=PARTS,
            req_id="id-1",
            engine="local",
        ),
        judged("high", Label("a"), reported_level=None, notes=("odd",), billed_calls=None),
        judged("high", reported_level="critical", unexplained=RiskLevel.HIGH),
        judged(coverage=(Coverage("frames", 2, 3, unanswered=True), Coverage("slices", 1, None)), billed_calls=3),
        replace(judged(), at=1_795_926_799.0, notes=("a remark",), call=call(repeated=True, answered_at=1.0)),
        replace(judged(), reused=True, sha256="ab" * 32, size=7),
        skipped(),
        failed(),
        failed(error=service_error()),
        failed(error=fatal_error()),
        replace(failed(error=fatal_error()), notes=("a remark",), call=call(repeated=True)),
        failed(error=unreadable_answer(), verdict=verdict("medium", "a", billed_calls=1)),
        _pending(),
        replace(_pending(), at=1_795_926_799.0, notes=("a remark",)),
    ],
)
def test_a_record_read_back_is_the_same_record(outcome: Outcome) -> None:
    record = json.loads(json.dumps(to_record(outcome)))
    assert json.loads(json.dumps(to_record(to_outcome(record)))) == record


@pytest.mark.parametrize(
    ("source", "image"),
    [
        ("a.png", LocalFile(Path("a.png"))),
        ("https://example.com/a.png", ImageUrl("https://example.com/a.png")),
        ("HTTP://example.com/a.png", ImageUrl("HTTP://example.com/a.png")),
        ("oss://bucket/a/b.png", OssObject("bucket", "a/b.png")),
    ],
)
def test_an_image_is_known_by_its_name(source: str, image: object) -> None:
    assert to_outcome(to_record(judged(source=source))).item == Item(source, image)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "kind"), [("DescribeImageModerationResult", "image"), ("MultimodalAsyncModeration", "multimodal")]
)
def test_a_task_is_known_by_its_id(operation: str, kind: str) -> None:
    record = to_record(judged(req_id="id-1")) | {"operation": operation}
    image = to_outcome(record).item.image
    assert isinstance(image, QueuedTask)
    assert (image.req_id, image.kind) == ("id-1", kind)


def test_a_verdict_is_read_alone() -> None:
    outcome = vendor_outcome("risk")
    assert isinstance(outcome, Judged)
    assert replace(read_verdict(to_record(outcome)), raw={}) == replace(outcome.verdict, raw={})


def test_what_is_no_outcome_is_an_error() -> None:
    with pytest.raises(ValueError, match="lost"):
        to_outcome(to_record(judged()) | {"status": "lost"})


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_a_field_of_another_type_makes_a_record_unreadable(changes: dict[str, Any], is_old: bool) -> None:
    for outcome in (judged("high", "a"), skipped(), failed(), _pending()):
        said = schema_1(outcome) if is_old else to_record(outcome)
        with pytest.raises(UNREADABLE):
            to_outcome(said | changes)


@pytest.mark.parametrize("lost", ["source", "bytes", "ext", "error", "reported_level", "billed_calls", "reused"])
def test_a_record_without_a_field_is_unreadable(lost: str) -> None:
    for outcome in (judged("high", "a"), failed()):
        record = to_record(outcome)
        del record[lost]
        with pytest.raises(UNREADABLE):
            to_outcome(record)


def test_what_has_no_verdict_has_an_error() -> None:
    with pytest.raises(UNREADABLE):
        to_outcome(to_record(failed()) | {"error": None})


@pytest.mark.parametrize("lost", ["notes", "judged_at", "decision", "gate", "coverage", "unlabelled_level", "raw"])
def test_fields_that_older_records_lack_may_be_missing_and_unknown_ones_are_no_harm(lost: str) -> None:
    record = to_record(judged("high", "a")) | {"of_a_later_version": 1}
    record.pop(lost, None)
    assert isinstance(to_outcome(record), Judged)


@pytest.mark.parametrize(
    ("services", "coverage", "calls", "unanswered"),
    [
        (("a",), Coverage("frames", 2, 3, unanswered=True), 3, True),
        (("a",), Coverage("frames", 1, 3), 1, False),
        (("a", "b"), Coverage("frames", 1, 3), 2, False),  # the first frame, looked at by both
        (("a",), Coverage("frames", 100, 300), 100, False),
        (("a",), Coverage("pages", 1, 2), 1, False),
        (("a",), Coverage("slices", 1, 4), 1, False),
        (("a", "b"), Coverage("services", 1, 2, unanswered=True), 2, True),
        (("a",), Coverage("parts", 6, 10, unanswered=True), None, True),
    ],
)
def test_what_was_not_answered_is_still_known(
    services: tuple[str, ...], coverage: Coverage, calls: int | None, unanswered: bool
) -> None:
    said = verdict(call=call(services=services), coverage=(coverage,), billed_calls=calls)
    assert coverage.unanswered is unanswered
    assert read_verdict(to_record(Judged(item=judged().item, call=said.call, verdict=said))).coverage == (coverage,)


@pytest.mark.parametrize(
    ("level", "labels", "parts", "expected", "found"),
    [
        ("none", (), {}, "none", []),
        (None, (), {}, "none", []),
        (None, (Label("a"),), {}, "high", [("a", None)]),
        ("low", (Label("a", risk_level=RiskLevel.HIGH),), {}, "high", [("a", None)]),
        ("none", (), {"per_service": PARTS}, "medium", [("b", None)]),
        ("none", (), {"frames": FRAMES}, "high", [("a", "$.frames[0]")]),
        ("none", (Label("nonLabel_lib", 83),), {}, "none", [("nonLabel_lib", None)]),
    ],
)
def test_a_record_of_schema_1_gets_the_level_and_the_labels_that_count(
    level: str | None,
    labels: tuple[Label, ...],
    parts: dict[str, Any],
    expected: str,
    found: list[tuple[str, str | None]],
) -> None:
    old = schema_1(judged(level, *labels, **parts))
    said = read_verdict(old)
    assert said.risk_level is RiskLevel(expected)
    assert [(label.label, label.where) for label in said.labels] == found
    new = upgraded(old, at=1_795_926_734.0)
    assert (new["schema"], new["risk_level"], new["reported_level"]) == (2, expected, level)
    assert (new["judged_at"], new["billed_calls"], new["coverage"]) == ("2026-11-29T04:32:14Z", 1, [])
    assert [problem.message for problem in Draft202012Validator(load_schema()).iter_errors(new)] == []
    assert upgraded(new) == new


@pytest.mark.parametrize("outcome", [skipped(), failed(), failed(error=service_error()), _pending()])
def test_a_record_of_schema_1_without_a_verdict_stays_what_it_was(outcome: Outcome) -> None:
    record = json.loads(json.dumps(to_record(outcome)))
    assert json.loads(json.dumps(upgraded(schema_1(outcome)))) == record


@pytest.mark.parametrize("reported", ["critical", "3", "[]"])
def test_a_level_that_nobody_knows_is_high_when_it_is_read_back(reported: str) -> None:
    said = read_verdict(to_record(judged("high", Label("a", risk_level=RiskLevel.LOW), reported_level=reported)))
    assert (said.risk_level, said.unexplained) == (RiskLevel.HIGH, RiskLevel.HIGH)
