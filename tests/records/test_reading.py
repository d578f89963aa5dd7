"""A record back into its outcome: what was told can be told again, word for word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import failed, fatal_error, judged, service_error, skipped
from samples import IMAGE_MODERATION, vendor_outcome

from moderate_cli.records import read_verdict, to_outcome, to_record
from moderate_cli.verdicts import (
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
    ServiceVerdict,
    Usage,
)

FRAMES = (Frame(0, "https://example.com/0.jpg", RiskLevel.HIGH, (Label("a", 1.5, "d", RiskLevel.LOW, "s"),), {}),)
PARTS = (ServiceVerdict("s", RiskLevel.MEDIUM, (Label("b"),), {"custom_image": []}),)


def _pending() -> Pending:
    outcome = judged()
    return Pending(item=outcome.item, call=outcome.call, req_id="id-1", request_id="r", data_id="d", reused=True)


@pytest.mark.parametrize(
    "outcome",
    [
        *map(vendor_outcome, IMAGE_MODERATION),
        judged("high", Label("a", 99.0, "d", RiskLevel.HIGH, "s", "$.mainData"), usage=Usage(3, 2, 1)),
        judged(None, frames=FRAMES, per_service=PARTS, req_id="id-1", engine="local"),
        replace(judged(), reused=True, sha256="ab" * 32, size=7),
        skipped(),
        failed(),
        failed(error=service_error()),
        failed(error=fatal_error()),
        _pending(),
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
