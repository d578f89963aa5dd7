"""What an earlier output makes known, and what is wrong with one that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import SHA256, call, failed, item, judged, skipped
from msgspec.structs import replace

from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.gate.gate import Baseline, services_by_label
from moderate_cli.models import Frame, ImageUrl, Judged, Label, Outcome, RiskLevel, ServiceVerdict
from moderate_cli.records import to_record
from moderate_cli.settings.locate import Location

A, B = "serviceA", "serviceB"
HIGH = RiskLevel.HIGH


def _read(path: Path) -> Baseline:
    return Baseline(Location(path, str(path), required=True))


@pytest.fixture
def baseline(tmp_path: Path) -> Callable[..., Baseline]:
    def baseline(*outcomes: Outcome) -> Baseline:
        path = tmp_path / "before.jsonl"
        path.write_text("".join(json.dumps(to_record(outcome)) + "\n" for outcome in outcomes))
        return _read(path)

    return baseline


def _parts(**labels: str) -> Judged:
    """The verdict of a batch call: for each service one label."""
    parts = tuple(ServiceVerdict(name, HIGH, (Label(label, service=name),), {}) for name, label in labels.items())
    first = {label: name for name, label in reversed(labels.items())}
    merged = [Label(label, service=name) for label, name in first.items()]
    return judged("high", *merged, call=call(services=tuple(labels)), per_service=parts)


def test_what_it_holds_is_known_and_nothing_else(baseline: Callable[..., Baseline]) -> None:
    before = baseline(judged("high", "a", "b"), judged("none", source="b.png"), failed("c.png"), skipped("d.png"))
    services = {"baselineCheck_global"}
    assert before.knows(judged(), "a", services)
    assert before.knows(judged(), "b", services)
    assert not before.knows(judged(), "c", services)
    assert not before.knows(judged(), "a", {"another"})
    assert not before.knows(judged(source="b.png"), "a", services)


def test_an_image_is_known_by_its_content_and_only_without_that_by_its_name(baseline: Callable[..., Baseline]) -> None:
    outcome = replace(judged("high", "a"), sha256=SHA256)
    before, services = baseline(outcome), {"baselineCheck_global"}
    assert before.knows(replace(outcome, item=item("renamed.png")), "a", services)
    assert not before.knows(replace(outcome, sha256="cd" * 32), "a", services)
    assert not before.knows(replace(outcome, sha256=None), "a", services)
    by_name = baseline(judged("high", "a", source="https://a.example/a"))
    url = replace(judged("high", "a"), item=item("https://a.example/a", image=ImageUrl("https://a.example/a")))
    assert by_name.knows(url, "a", services)
    assert not by_name.knows(replace(url, sha256=SHA256), "a", services)


def test_each_service_has_its_own_findings(baseline: Callable[..., Baseline]) -> None:
    before = baseline(judged("high", "x", call=call(services=(A,))))
    now = _parts(serviceA="x", serviceB="x")
    assert services_by_label(now.verdict) == {"x": {A, B}}
    assert before.knows(now, "x", {A})
    assert not before.knows(now, "x", {A, B})
    assert baseline(now).knows(now, "x", {A, B})
    assert baseline(now).knows(judged("high", "x", call=call(services=(B,))), "x", {B})


def test_the_labels_of_frames_count_too(baseline: Callable[..., Baseline]) -> None:
    frames = tuple(Frame(index, None, None, (Label(name),), {}) for index, name in enumerate(("x", "y")))
    outcome = judged("high", frames=frames)
    assert services_by_label(outcome.verdict) == {"x": {"baselineCheck_global"}, "y": {"baselineCheck_global"}}
    assert baseline(outcome).knows(outcome, "y", {"baselineCheck_global"})


def test_an_exemption_is_no_finding_that_could_be_known() -> None:
    assert services_by_label(judged("none", "nonLabel_lib").verdict) == {}


# A record that 0.1.0 wrote: the level of the whole is lower than that of its label, and a frame alone has another.
OF_SCHEMA_1: dict[str, Any] = {
    "schema": 1,
    "source": "a.png",
    "sha256": None,
    "bytes": None,
    "operation": "ImageModeration",
    "services": ["baselineCheck_global"],
    "status": "judged",
    "risk_level": "low",
    "labels": [
        {"label": "a", "confidence": 81.22, "description": None, "risk_level": "high", "service": A, "where": None}
    ],
    "per_service": [],
    "frames": [
        {
            "index": 0,
            "url": None,
            "risk_level": None,
            "labels": [
                {"label": "b", "confidence": 9, "description": None, "risk_level": None, "service": None, "where": None}
            ],
            "ext": None,
        }
    ],
    "ext": {"custom_image": [], "text_in_image": None, "public_figure": [], "logo_data": []},
    "usage": None,
    "request_id": "R1",
    "req_id": None,
    "data_id": None,
    "region": "ap-southeast-1",
    "endpoint": "green-cip.ap-southeast-1.aliyuncs.com",
    "engine": "cloud",
    "reused": False,
    "attempts": 1,
    "elapsed_ms": 312,
    "error": None,
}


def test_the_output_of_0_1_0_is_a_baseline_too(tmp_path: Path) -> None:
    path = tmp_path / "before.jsonl"
    path.write_text(json.dumps(OF_SCHEMA_1) + "\n" + json.dumps(to_record(judged("high", "c"))) + "\n")
    before = _read(path)
    assert before.knows(judged(), "a", {A})
    assert before.knows(judged(), "b", {"baselineCheck_global"})
    assert before.knows(judged(), "c", {"baselineCheck_global"})
    assert not before.knows(judged(), "a", {"baselineCheck_global"})


def test_a_service_that_nobody_knows_is_none() -> None:
    outcome = judged("high", "x", call=call(services=(A, B)))
    assert services_by_label(outcome.verdict) == {"x": {None}}
    assert services_by_label(judged("none").verdict) == {}


def _broken(path: Path, content: bytes) -> UsageError:
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        _read(path)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint == "give what an earlier run with -f jsonl wrote"
    return caught.value


def _line(**changes: Any) -> bytes:
    return json.dumps({**to_record(judged("high", "a")), **changes}).encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "broken JSON"),
        (b'{"schema": 1, "source": "a', "broken JSON"),
        (b"\xff\xfe", "broken JSON"),
        (b"[" * 100_000, "broken JSON"),
        (b"1" * 5_000, "broken JSON"),
        (b"[]", "not a record"),
        (b"null", "not a record"),
        (b'"text"', "not a record"),
        (b"{}", "not a record"),
        (b'{"schema": "\\u001b[31m"}', "not a record"),
        (b'{"schema": 1}', "not a whole record"),
        (b'{"schema": 2}', "not a whole record"),
        (_line(schema=3), "a record of schema 3, and this version reads 1 and 2"),
        (_line(schema=0), "a record of schema 0, and this version reads 1 and 2"),
        (_line(labels=None), "not a whole record"),
        (_line(labels=["a"]), "not a whole record"),
        (_line(labels=[{}]), "not a whole record"),
        (_line(risk_level="extreme"), "not a whole record"),
        (_line(status="lost"), "not a whole record"),
        (_line(source=None), "not a whole record"),
        (_line(services=3), "not a whole record"),
    ],
)
def test_what_is_no_record_is_an_error_with_its_line(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "before.jsonl"
    assert _broken(path, _line() + b"\n\n" + line + b"\n" + _line()).message == f"{path}:3: {message}"


def test_a_json_document_is_no_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    assert _broken(path, b'{"schema": 1, "results": [\n').message == f"{path}:1: broken JSON"


def test_empty_lines_and_a_byte_order_mark_are_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "before.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + _line() + b"\r\n\r\n  \n")
    assert _read(path).knows(judged(), "a", {"baselineCheck_global"})
    path.write_bytes(b"")
    assert not _read(path).knows(judged(), "a", {"baselineCheck_global"})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, message in {
        tmp_path / "none": f"there is no baseline {tmp_path / 'none'}",
        tmp_path: f"cannot read {tmp_path}: Is a directory",
        tmp_path / "\0": "cannot read",
    }.items():
        with pytest.raises(UsageError) as caught:
            _read(path)
        assert caught.value.message.startswith(message)


def test_odd_names_are_no_harm(baseline: Callable[..., Baseline]) -> None:
    odd = judged("high", Label("a\0\udcff"), source="caf\udce9\n.png")
    assert baseline(odd).knows(odd, "a\0\udcff", {"baselineCheck_global"})
