"""The record: every field always there, and valid by the schema that `moderate schema` prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import NO_EXT, SHA256, call, failed, fatal_error, item, judged, service_error, skipped, verdict
from jsonschema import Draft202012Validator

from moderate_cli.records import SCHEMA, record_schema, to_record
from moderate_cli.records.record import load_schema
from moderate_cli.verdicts import Frame, Judged, Label, Outcome, RiskLevel, ServiceVerdict, Usage

FIELDS = [
    "schema",
    "source",
    "sha256",
    "bytes",
    "operation",
    "services",
    "status",
    "risk_level",
    "labels",
    "per_service",
    "frames",
    "ext",
    "usage",
    "request_id",
    "req_id",
    "data_id",
    "region",
    "endpoint",
    "engine",
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
FULL = Judged(
    item=item("assets/a.png", data_id="asked"),
    call=call(attempts=2, elapsed_ms=312),
    sha256=SHA256,
    size=48213,
    verdict=verdict(
        "high",
        LABEL,
        per_service=(ServiceVerdict("baselineCheck", RiskLevel.HIGH, (LABEL,), NO_EXT),),
        frames=(Frame(0, "https://example.com/0", None, (), NO_EXT), Frame(1, None, RiskLevel.LOW, (LABEL,), EXT)),
        ext=EXT,
        usage=Usage(1039, 983, None),
        req_id="Q1",
        data_id="answered",
        engine="local",
        raw={"Code": 200, "Data": {"Result": []}},
    ),
)
OUTCOMES = {
    "full": FULL,
    "minimal": judged(),
    "level_unknown": judged(None, "a_label"),
    "label_without_confidence": judged("none", Label("a_label")),
    "no_ext": judged(ext={}),
    "skipped": skipped(),
    "skipped_empty": skipped(size=0),
    "failed": failed(),
    "failed_by_service": failed(error=service_error(), attempts=1),
    "failed_fatally": failed(error=fatal_error(), attempts=1),
    "odd_source": failed("a\x1b[31m\udcff\U0001f600.png"),
}


def _problems(record: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(load_schema()).iter_errors(record)]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(load_schema())
    assert json.loads(record_schema()) == load_schema()
    assert load_schema()["properties"]["schema"]["const"] == SCHEMA


def test_the_schema_requires_every_field_of_schema_1_and_allows_only_raw_besides() -> None:
    schema = load_schema()
    assert schema["required"] == FIELDS
    assert set(schema["properties"]) - set(FIELDS) == {"raw"}
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
    record = json.loads(json.dumps(to_record(FULL, raw=True)))
    label = {
        "label": "violent_explosion",
        "confidence": 81.22,
        "description": "Fireworks",
        "risk_level": "high",
        "service": "baselineCheck",
        "where": "$.content",
    }
    assert record == {
        "schema": 1,
        "source": "assets/a.png",
        "sha256": SHA256,
        "bytes": 48213,
        "operation": "ImageModeration",
        "services": ["baselineCheck_global"],
        "status": "judged",
        "risk_level": "high",
        "labels": [label],
        "per_service": [{"service": "baselineCheck", "risk_level": "high", "labels": [label], "ext": NO_EXT}],
        "frames": [
            {"index": 0, "url": "https://example.com/0", "risk_level": None, "labels": [], "ext": NO_EXT},
            {"index": 1, "url": None, "risk_level": "low", "labels": [label], "ext": EXT},
        ],
        "ext": EXT,
        "usage": {"total_tokens": 1039, "input_tokens": 983, "output_tokens": None},
        "request_id": "R1",
        "req_id": "Q1",
        "data_id": "answered",
        "region": "ap-southeast-1",
        "endpoint": "green-cip.ap-southeast-1.aliyuncs.com",
        "engine": "local",
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
    assert record["ext"] == NO_EXT
    assert (record["region"], record["endpoint"]) == (outcome.call.region, outcome.call.endpoint)


@pytest.mark.parametrize(("answered", "expected"), [("answered", "answered"), (None, "asked"), ("", "asked")])
def test_the_data_id_is_the_answers_and_else_the_one_that_was_given(answered: str | None, expected: str) -> None:
    outcome = Judged(item=item(data_id="asked"), call=call(), verdict=verdict(data_id=answered))
    assert to_record(outcome)["data_id"] == expected
