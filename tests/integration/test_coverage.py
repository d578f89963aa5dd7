"""How much of an image was judged is told in every format, and `--require-full` makes it count (faults.md, V12)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from actions import CLEAN, service
from faults import body
from invocation import Result
from PIL import Image

from moderate_cli.common.errors import ExitCode

LOCAL = ("--profile", "local")
FORMATS = ("csv", "html", "json", "jsonl", "junit", "markdown", "sarif")
KINDS = {
    "a.gif": ("frames", 1, 3, "1 of 3 frames judged"),
    "a.webp": ("frames", 1, 3, "1 of 3 frames judged"),
    "a.png": ("frames", 1, 3, "1 of 3 frames judged"),
    "a.tiff": ("pages", 1, 3, "1 of 3 pages judged"),
    "a.ico": ("frames", 1, 3, "1 of 3 frames judged"),
    "long.jpg": ("slices", 1, 4, "1 compressed view of 4 slices judged"),
}
FIRST_ASSUMED = {"a.webp", "a.png", "a.tiff"}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of each kind of which one call judges a part, and one of which it judges all."""
    folder = tmp_path_factory.mktemp("images")
    first, *others = (Image.new("RGB", (220, 220), color) for color in ("red", "green", "blue"))
    for name in ("a.gif", "a.webp", "a.png", "a.tiff"):
        first.save(folder / name, save_all=True, append_images=others)
    first.save(folder / "a.ico", sizes=[(16, 16), (32, 32), (64, 64)])
    Image.new("RGB", (220, 880), "red").save(folder / "long.jpg")
    first.save(folder / "one.jpg")
    return folder


def test_every_format_says_how_much_was_judged(moderate: Callable[..., Result], images: Path, tmp_path: Path) -> None:
    reports = [word for name in FORMATS for word in (f"--{name}-output", tmp_path / name)]
    result = moderate("sync", images, *LOCAL, *reports, "-f", "table")
    github = moderate("sync", images, *LOCAL, "-f", "github")
    assert (result.code, github.code) == (ExitCode.OK, ExitCode.OK)
    records = {Path(record["source"]).name: record for record in _lines(tmp_path / "jsonl")}
    assert records.pop("one.jpg")["coverage"] == []
    for name, (kind, judged, total, words) in KINDS.items():
        assert records[name]["coverage"] == [{"kind": kind, "judged": judged, "total": total}]
        assert any("the first is assumed" in note for note in records[name]["notes"]) is (name in FIRST_ASSUMED)
        assert records[name]["status"] == "judged"
        for shown in (_csv(tmp_path / "csv"), _junit(tmp_path / "junit"), _sarif(tmp_path / "sarif")):
            assert words in shown[name]
        for shown in (_markdown(tmp_path / "markdown"), _html(tmp_path / "html"), _github(github.stdout)):
            assert words in shown[name]
    assert json.loads((tmp_path / "json").read_text(encoding="utf-8"))["summary"]["coverage"] == {
        "frames": {"inputs": 4, "judged": 4, "total": 12},
        "pages": {"inputs": 1, "judged": 1, "total": 3},
        "slices": {"inputs": 1, "judged": 1, "total": 4},
    }
    for text in ("1 of 3 frames judged", "1 of 3 pages judged", "1 compressed view of 4 slices judged"):
        assert text in " ".join(result.stdout.split())
    lines = [line for line in result.stderr.splitlines() if re.search(r"image.*(frames|pages|slices) judged", line)]
    assert len(lines) == 3, result.stderr  # one for each kind


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _csv(path: Path) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return {Path(row["source"]).name: row["coverage"] for row in rows}


def _junit(path: Path) -> dict[str, str]:
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return {Path(case.get("name") or "").name: "".join(case.itertext()) for case in cases}


def _sarif(path: Path) -> dict[str, str]:
    (run,) = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return {
        Path(note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]).name: note["message"]["text"]
        for note in run["invocations"][0]["toolExecutionNotifications"]
        if "locations" in note
    }


def _markdown(path: Path) -> dict[str, str]:
    rows = re.findall(r"^\| \S+ \| <code>(.+?)</code> \| (.+) \|$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {Path(name.replace("&#95;", "_")).name: text for name, text in rows}


def _html(path: Path) -> dict[str, str]:
    cards = re.findall(r"<article.*?</article>", path.read_text(encoding="utf-8"), re.DOTALL)
    found = {}
    for card in cards:
        name = re.search(r"<h3><bdi[^>]*>(.+?)</bdi></h3>", card)
        assert name is not None
        found[Path(name[1]).name] = card
    return found


def _github(text: str) -> dict[str, str]:
    found = re.findall(r"^::\w+ .*?::(\S+?): (.*)$", text, re.MULTILINE)
    return {Path(name).name: words for name, words in found}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("gate", [(), ("--fail-on", "low"), ("--fail-on", "low", "--allow-partial")])
def test_require_full_makes_a_part_incomplete(
    name: str, gate: tuple[str, ...], moderate: Callable[..., Result], images: Path
) -> None:
    assert moderate("sync", images / name, *LOCAL, *gate).code == ExitCode.OK
    result = moderate("sync", images / name, *LOCAL, *gate, "--require-full", "-f", "jsonl")
    assert result.code == ExitCode.INCOMPLETE
    assert "incomplete: 1 image was not judged in full" in result.stderr
    assert moderate("sync", images / "one.jpg", *LOCAL, *gate, "--require-full").code == ExitCode.OK


def test_require_full_is_a_setting_and_a_variable(
    moderate: Callable[..., Result], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"MODERATE_REQUIRE_FULL": "true"}
    assert moderate("sync", images / "a.gif", *LOCAL, variables=variables).code == ExitCode.INCOMPLETE
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moderate.yaml").write_text("require_full: true\n", encoding="utf-8")
    assert moderate("sync", images / "a.gif", *LOCAL).code == ExitCode.INCOMPLETE
    assert moderate("sync", images / "a.gif", *LOCAL, "--no-require-full").code == ExitCode.OK


def test_the_preflight_is_not_needed_to_count(moderate: Callable[..., Result], images: Path) -> None:
    result = moderate("sync", images / "a.gif", images / "long.jpg", *LOCAL, "--no-preflight", "-f", "jsonl")
    kinds = {record["coverage"][0]["kind"] for record in result.records}
    assert kinds == {"frames", "slices"}


def test_an_interval_looks_at_all_of_it(moderate: Callable[..., Result], images: Path) -> None:
    for name in ("a.gif", "long.jpg"):
        command = ("async-submit", images / name, *LOCAL, "--wait", "--require-full", "--fail-on", "low", "-f", "jsonl")
        one = moderate(*command)
        assert one.code == ExitCode.INCOMPLETE
        assert one.records[0]["coverage"][0]["judged"] == 1
        every = moderate(*command, "--interval", "1")
        assert every.code == ExitCode.OK
        assert every.records[0]["coverage"] == []
        assert len(every.records[0]["frames"]) == KINDS[name][2]


def test_a_maximum_samples_the_rest(moderate: Callable[..., Result], tmp_path: Path) -> None:
    first, *others = (Image.new("RGB", (220, 220), (number * 8, 0, 0)) for number in range(30))
    first.save(tmp_path / "many.gif", save_all=True, append_images=others)
    result = moderate(
        *("async-submit", tmp_path / "many.gif", *LOCAL, "--wait", "--interval", "1", "--max-frames", "10"),
        *("-f", "jsonl"),
    )
    assert result.records[0]["coverage"] == [{"kind": "frames", "judged": 10, "total": 30}]
    assert "10 of 30 frames sampled" in result.stderr
    third = moderate("async-submit", tmp_path / "many.gif", *LOCAL, "--wait", "--interval", "3", "-f", "jsonl")
    assert third.records[0]["coverage"] == []  # all that was asked for


def test_what_is_collected_later_is_told_with_it(moderate: Callable[..., Result], images: Path) -> None:
    assert moderate("async-submit", images / "a.gif", images / "a.tiff", *LOCAL).code == ExitCode.OK
    result = moderate("poll", *LOCAL, "--wait", "--wait-timeout", "30", "-f", "jsonl")
    assert {record["coverage"][0]["kind"] for record in result.records} == {"frames", "pages"}


def test_an_address_is_unknown_where_its_suffix_can_move(moderate: Callable[..., Result]) -> None:
    with service(ImageModeration=CLEAN) as served:
        names = ["https://example.com/a.gif?x=1", "https://example.com/a.jpg"]
        result = moderate("sync", *names, "-f", "jsonl", "--require-full", variables=served.variables)
    records = {record["source"]: record["coverage"] for record in result.records}
    assert records == {names[0]: [{"kind": "frames", "judged": 1, "total": None}], names[1]: []}
    assert result.code == ExitCode.INCOMPLETE


def test_an_animation_in_a_post_is_told(moderate: Callable[..., Result], images: Path) -> None:
    command = ("multimodal", "--title", "t", "--text", "words", "--image", images / "a.gif", *LOCAL, "--wait")
    result = moderate(*command, "-f", "jsonl")
    assert result.code == ExitCode.OK, result.stderr
    assert result.records[0]["coverage"] == [{"kind": "frames", "judged": 1, "total": 3}]


def test_a_verdict_that_is_reused_keeps_its_coverage(moderate: Callable[..., Result], images: Path) -> None:
    command = ("sync", images, *LOCAL, "--reuse", "7d", "-f", "jsonl", "--require-full")
    first, second = moderate(*command), moderate(*command)
    assert all(record["reused"] for record in second.records)
    told = [sorted((Path(r["source"]).name, str(r["coverage"])) for r in run.records) for run in (first, second)]
    assert told[0] == told[1]
    assert (first.code, second.code) == (ExitCode.INCOMPLETE, ExitCode.INCOMPLETE)


def test_frames_that_were_announced_and_are_not_there(moderate: Callable[..., Result], images: Path) -> None:
    frames = json.dumps([{"Result": [{"Label": "nonLabel"}], "TempUrl": "http://x/1"}] * 2)
    result = body(200, {"RiskLevel": "none", "Frame": frames, "FrameNum": 30, "Result": [{"Label": "nonLabel"}]})
    submitted = body(200, {"ReqId": "T1"})
    with service(ImageAsyncModeration=submitted, DescribeImageModerationResult=result) as served:
        command = ("async-submit", images / "a.gif", "--interval", "1", "-f", "jsonl")
        assert moderate(*command, variables=served.variables).code == ExitCode.OK
        gated = moderate("poll", "T1", "--fail-on", "low", "-f", "jsonl", variables=served.variables)
        allowed = moderate("poll", "T1", "--fail-on", "low", "--allow-partial", variables=served.variables)
        both = moderate(
            *("poll", "T1", "--fail-on", "low", "--allow-partial", "--require-full"), variables=served.variables
        )
    (record,) = gated.records
    assert (record["status"], record["billed_calls"]) == ("judged", 30)
    assert record["coverage"] == [{"kind": "frames", "judged": 2, "total": 30}]
    assert (gated.code, allowed.code, both.code) == (ExitCode.INCOMPLETE, ExitCode.OK, ExitCode.INCOMPLETE)
