"""The record: every field always there, and valid by the schema that `moderate schema` prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import (
    NO_EXT,
    SHA256,
    call,
    failed,
    fatal_error,
    item,
    judged,
    pending,
    service_error,
    skipped,
    unreadable_answer,
    verdict,
)
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from moderate_cli.models import (
    Coverage,
    Frame,
    Judged,
    Label,
    Outcome,
    QueuedTask,
    RiskLevel,
    SavedFrame,
    ServiceVerdict,
    Usage,
)
from moderate_cli.records import SCHEMA, from_json, load_schema, record_schema, to_json, to_record
from moderate_cli.results import GatePolicy, Suppression

FIELDS = [
    "schema",
    "source",
    "sha256",
    "bytes",
    "judged_at",
    "operation",
    "services",
    "status",
    "risk_level",
    "reported_level",
    "labels",
    "per_service",
    "frames",
    "ext",
    "usage",
    "gate",
    "coverage",
    "notes",
    "billed_calls",
    "request_id",
    "req_id",
    "data_id",
    "region",
    "endpoint",
    "engine",
    "decision",
    "reused",
    "attempts",
    "elapsed_ms",
    "error",
]
EXT = {
    "custom_image": [{"image_id": "12345", "lib_id": "L1", "lib_name": "Risk Image Library A"}],
    "text_in_image": {"ocr_result": [{"text": "line 1"}], "risk_word": ["word"], "custom_text": [{"key_words": "k"}]},
    "public_figure": [{"figure_id": None, "figure_name": "Yang San"}],
    "logo_data": [{"logo": [{"name": "CCTV", "label": "pt_logo", "confidence": 96.15}]}],
    "VlContent": {"OutputText": "kept as it came"},
}
LABEL = Label("violent_explosion", 81.22, "Fireworks", RiskLevel.HIGH, "baselineCheck", "$.content")
SMOKE = Label("smoke", 50, None, RiskLevel.LOW, "baselineCheck")
EXEMPTION = Label("nonLabel_lib", 83, None, RiskLevel.NONE, "baselineCheck")
FULL = Judged(
    item=item("assets/a.png", data_id="asked"),
    call=call(attempts=2, elapsed_ms=312, answered_at=1_795_926_734.9, repeated=True),
    sha256=SHA256,
    size=48213,
    notes=("a remark about the file",),
    at=1_795_926_799.0,
    verdict=verdict(
        "high",
        LABEL,
        SMOKE,
        EXEMPTION,
        reported_level="HIGH ",
        per_service=(ServiceVerdict("baselineCheck", RiskLevel.HIGH, (LABEL,), NO_EXT),),
        frames=(
            Frame(0, "https://example.com/0", None, (), NO_EXT),
            Frame(1, None, RiskLevel.LOW, (LABEL,), EXT, saved=SavedFrame("/frames/T-1.jpg", "ab" * 32)),
        ),
        ext=EXT,
        usage=Usage(1039, 983, None),
        coverage=(Coverage("frames", 2, 3, unanswered=True), Coverage("slices", 1, None)),
        notes=("a remark about the answer", "a remark about the file"),
        billed_calls=3,
        req_id="Q1",
        data_id="answered",
        engine="local",
        raw={"Code": 200, "Data": {"Result": []}},
    ),
)
OUTCOMES = {
    "full": FULL,
    "minimal": judged(),
    "level_by_label": judged("high", "a_label", reported_level=None),
    "label_without_confidence": judged("none", Label("a_label")),
    "no_ext": judged(ext={}),
    "skipped": skipped(),
    "skipped_empty": skipped(size=0),
    "failed": failed(),
    "failed_by_service": failed(error=service_error(), attempts=1),
    "failed_fatally": failed(error=fatal_error(), attempts=1),
    "failed_and_read": failed(error=unreadable_answer(), attempts=1, verdict=verdict("medium", "a_label")),
    "failed_unreadable": failed(error=unreadable_answer(), attempts=1, verdict=verdict(None, reported_level="?")),
    "pending": pending(),
    "odd_source": failed("a\x1b[31m\udcff\U0001f600.png"),
}


def _problems(record: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(load_schema()).iter_errors(record)]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(load_schema())
    assert json.loads(record_schema()) == load_schema()
    assert load_schema()["properties"]["schema"]["const"] == SCHEMA


def test_the_schema_requires_every_field_and_allows_only_two_besides() -> None:
    schema = load_schema()
    assert schema["required"] == FIELDS
    assert set(schema["properties"]) - set(FIELDS) == {"raw", "unlabelled_level"}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_every_record_is_valid_and_has_every_field(outcome: Outcome, raw: bool) -> None:
    record = to_record(outcome, raw=raw)
    assert list(record) == FIELDS + (["raw"] if raw else [])
    assert _problems(json.loads(json.dumps(record))) == []


@pytest.mark.parametrize("level", [*RiskLevel, None])
def test_every_level_is_written_as_the_word(level: RiskLevel | None) -> None:
    record = json.loads(json.dumps(to_record(judged(level, Label("a_label", risk_level=level)))))
    assert record["risk_level"] == level
    assert record["labels"][0]["risk_level"] == level
    assert _problems(record) == []


def test_a_verdict_is_told_in_full() -> None:
    policy = GatePolicy(RiskLevel.LOW)
    suppressed = [
        Suppression("smoke", "baselineCheck", "our own stage fog", ".moderate-suppressions.yaml:3", "2026-12-31")
    ]
    record = json.loads(json.dumps(to_record(FULL, suppressions=suppressed, policy=policy, raw=True)))
    label = {
        "label": "violent_explosion",
        "confidence": 81.22,
        "description": "Fireworks",
        "risk_level": "high",
        "service": "baselineCheck",
        "where": "$.content",
        "suppressed": None,
    }
    smoke = {
        "label": "smoke",
        "confidence": 50,
        "description": None,
        "risk_level": "low",
        "service": "baselineCheck",
        "where": None,
        "suppressed": {"by": ".moderate-suppressions.yaml:3", "reason": "our own stage fog", "expires": "2026-12-31"},
    }
    exemption = smoke | {"label": "nonLabel_lib", "confidence": 83, "risk_level": "none", "suppressed": None}
    assert record == {
        "schema": 2,
        "source": "assets/a.png",
        "sha256": SHA256,
        "bytes": 48213,
        "judged_at": "2026-11-29T04:32:14Z",
        "operation": "ImageModeration",
        "services": ["baselineCheck_global"],
        "status": "judged",
        "risk_level": "high",
        "reported_level": "HIGH ",
        "labels": [label, smoke, exemption],
        "per_service": [{"service": "baselineCheck", "risk_level": "high", "labels": [label], "ext": NO_EXT}],
        "frames": [
            {
                "index": 0,
                "url": "https://example.com/0",
                "saved": None,
                "risk_level": None,
                "labels": [],
                "ext": NO_EXT,
            },
            {
                "index": 1,
                "url": None,
                "saved": {"file": "/frames/T-1.jpg", "sha256": "ab" * 32},
                "risk_level": "low",
                "labels": [label],
                "ext": EXT,
            },
        ],
        "ext": EXT,
        "usage": {"total_tokens": 1039, "input_tokens": 983, "output_tokens": None},
        "gate": {"fail_on": "low", "passed": False},
        "coverage": [
            {"kind": "frames", "judged": 2, "total": 3},
            {"kind": "slices", "judged": 1, "total": None},
        ],
        "notes": [
            "a remark about the file",
            "sent again after its answer was lost, and maybe billed twice; the console's detection results tell",
            "a remark about the answer",
        ],
        "billed_calls": 3,
        "request_id": "R1",
        "req_id": "Q1",
        "data_id": "answered",
        "region": "ap-southeast-1",
        "endpoint": "green-cip.ap-southeast-1.aliyuncs.com",
        "engine": "local",
        "decision": None,
        "reused": False,
        "attempts": 2,
        "elapsed_ms": 312,
        "error": None,
        "raw": {"Code": 200, "Data": {"Result": []}},
    }


@pytest.mark.parametrize(
    ("outcome", "status", "request_id", "error"),
    [
        (
            skipped(),
            "skipped",
            None,
            {
                "code": "not_an_image",
                "api_code": 407,
                "http_status": None,
                "message": "the content is not an image",
                "hint": "give an image",
                "retryable": False,
            },
        ),
        (
            failed(),
            "failed",
            None,
            {
                "code": "not_found",
                "api_code": None,
                "http_status": None,
                "message": "no such file",
                "hint": "check the name",
                "retryable": False,
            },
        ),
        (
            failed(error=service_error(), attempts=1),
            "failed",
            "R2",
            {
                "code": "download_timeout",
                "api_code": 405,
                "http_status": 200,
                "message": "downloading the image took the service too long (code 405)",
                "hint": "give the image as a file",
                "retryable": True,
            },
        ),
    ],
)
def test_an_outcome_without_a_verdict_tells_why(
    outcome: Outcome, status: str, request_id: str | None, error: dict[str, Any]
) -> None:
    record = to_record(outcome, raw=True)
    assert (record["status"], record["request_id"], record["error"]) == (status, request_id, error)
    assert [record[name] for name in ("risk_level", "labels", "engine", "usage", "raw")] == [None, [], None, None, None]
    assert [record[name] for name in ("reported_level", "gate", "coverage", "notes")] == [None, None, [], []]
    assert record["billed_calls"] == 0
    assert record["ext"] == NO_EXT
    assert (record["region"], record["endpoint"]) == (outcome.call.region, outcome.call.endpoint)


@pytest.mark.parametrize(("answered", "expected"), [("answered", "answered"), (None, "asked"), ("", "asked")])
def test_the_data_id_is_the_answers_and_else_the_one_that_was_given(answered: str | None, expected: str) -> None:
    outcome = Judged(item=item(data_id="asked"), call=call(), verdict=verdict(data_id=answered))
    assert to_record(outcome)["data_id"] == expected


@pytest.mark.parametrize(
    ("answered_at", "at", "expected"),
    [
        (1_795_926_734.9, 1_795_926_799.0, "2026-11-29T04:32:14Z"),
        (None, 1_795_926_734.0, "2026-11-29T04:32:14Z"),
        (None, None, None),
    ],
)
def test_a_record_tells_when_the_answer_came(answered_at: float | None, at: float | None, expected: str | None) -> None:
    outcome = replace(judged(), call=call(answered_at=answered_at), at=at)
    assert to_record(outcome)["judged_at"] == expected


def test_a_failed_answer_keeps_what_was_readable() -> None:
    said = verdict("medium", "a_label", notes=("odd",), billed_calls=1)
    record = to_record(failed(error=unreadable_answer(), verdict=said), policy=GatePolicy(RiskLevel.HIGH), raw=True)
    assert (record["status"], record["risk_level"], record["reported_level"]) == ("failed", "medium", "medium")
    assert [label["label"] for label in record["labels"]] == ["a_label"]
    assert (record["notes"], record["billed_calls"], record["request_id"]) == (["odd"], 1, "R1")
    assert record["gate"] == {"fail_on": "high", "passed": False}
    assert record["error"]["code"] == "unreadable_answer"


TASK = QueuedTask("Q1", "image")


@pytest.mark.parametrize(
    ("outcome", "calls"),
    [
        (judged(billed_calls=3), 3),
        (judged(billed_calls=None), None),
        (replace(judged(billed_calls=3), reused=True), 0),
        (skipped(), 0),
        (failed(), 0),
        (failed(error=fatal_error(), attempts=1), 0),
        (failed(error=unreadable_answer(), attempts=1), None),
        (failed(error=service_error(code="read_timeout", api_code=None), attempts=2), None),
        (failed(error=unreadable_answer(), attempts=1, verdict=verdict(billed_calls=1)), 1),
        (replace(failed(error=unreadable_answer(), verdict=verdict(billed_calls=1)), item=item(image=TASK)), None),
        (pending(), None),
        (pending(reused=True), 0),
    ],
)
def test_a_record_tells_what_was_billed(outcome: Outcome, calls: int | None) -> None:
    record = to_record(outcome)
    assert record["billed_calls"] == calls
    assert _problems(json.loads(json.dumps(record))) == []


def test_a_remark_that_came_with_an_earlier_answer_is_told_once() -> None:
    outcome = replace(judged(notes=("first assumed", "odd")), notes=("first assumed",), reused=True)
    assert to_record(outcome)["notes"] == ["first assumed", "odd"]


@pytest.mark.parametrize("source", ["a.png", "\u56fe\u7247.png", "caf\udce9.png", "a\x00\x1b\u2028.png", "\U0001f600"])
def test_a_record_is_read_back_from_its_json_whatever_the_name(source: str) -> None:
    record = to_record(failed(source))
    text = to_json(record)
    assert "\n" not in text
    assert text.encode()
    assert from_json(text) == json.loads(text) == record


@pytest.mark.parametrize("text", ["", "{", "nothing", b"\xff"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


def test_the_schema_of_each_part_of_a_record_is_closed_and_requires_every_field() -> None:
    definitions = load_schema()["$defs"]
    open_to_the_api = {"Ext", "TextInImage", "EngineCheck"}
    for name, part in definitions.items():
        if part.get("type") == "object":
            assert part.get("additionalProperties", True) is (name in open_to_the_api), name
            assert set(part["required"]) == set(part["properties"]) - {"local_engine"}, name
    assert sorted(definitions["RecordLabel"]["properties"]) == sorted(
        ["label", "confidence", "description", "risk_level", "service", "where", "suppressed"]
    )


def test_half_of_a_character_that_an_earlier_version_wrote_is_not_written_again() -> None:
    said = r'{"source":"caf\udce9.png","request_id":"a\ud800"}'
    assert to_json(from_json(said)) == r'{"source":"caf\udce9.png","request_id":"a\ufffd"}'
