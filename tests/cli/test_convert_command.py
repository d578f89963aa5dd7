"""`moderate convert`: a run is shown as it showed itself, and what is missing is told."""

from __future__ import annotations

import io
import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import failed, fatal_error, judged, schema_1, skipped, unreadable_answer, verdict
from formats import FORMATS
from invocation import Result
from msgspec.structs import replace
from render_builders import HOSTILE_NAMES, LOGO, local, mixed_run, shown
from samples import pending_image

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode
from moderate_cli.main import run
from moderate_cli.models import Coverage, Decision, Item, Judged, Outcome, QueuedTask, RiskLevel
from moderate_cli.preflight import FIRST_ASSUMED
from moderate_cli.records import to_json, to_outcome, to_record
from moderate_cli.render import Format, renderer
from moderate_cli.results import NO_GATE, GatePolicy, RunSummary, Suppression, suppression_for

_NOW = 1_767_225_600.0
_PARTIAL = (Coverage("frames", 2, 3, unanswered=True), Coverage("slices", 1, None))


@pytest.fixture(autouse=True)
def _in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)


def _convert(*arguments: str, stdin: str = "") -> Result:
    stdout, stderr = io.StringIO(newline=""), io.StringIO()
    environment = Environment(
        stdin=io.TextIOWrapper(io.BytesIO(stdin.encode())),
        stdout=stdout,
        stderr=stderr,
        variables={},
        clock=lambda: _NOW,
    )
    code = run(["convert", *arguments], environment)
    return Result(code, stdout.getvalue(), stderr.getvalue())


def _as_run(outcome: Outcome) -> Outcome:
    """Return an outcome as a run would have it, whose image is what its name says."""
    image = to_outcome(to_record(outcome)).item.image
    is_task = isinstance(image, QueuedTask)
    return outcome if is_task else replace(outcome, item=Item(outcome.item.source, image))


def _everything() -> list[Outcome]:
    outcomes = [
        *mixed_run(),
        replace(judged("low", "x", source="d.png"), decision=Decision("missed", "me", _NOW, "look again")),
        replace(judged(source="e.png"), decision=Decision("false-positive", None, _NOW, None)),
        failed("f.png", error=fatal_error()),
        failed("g.png", error=unreadable_answer(), verdict=verdict("medium", "a", billed_calls=1)),
        failed(
            "h.png", error=unreadable_answer(), verdict=verdict(None, notes=("odd",), coverage=_PARTIAL, billed_calls=3)
        ),
        judged("low", "x", coverage=_PARTIAL, billed_calls=3, source="i.gif"),
        replace(judged("high", "x", notes=("odd",), source="j.tiff"), notes=(FIRST_ASSUMED,)),
        *(local("high", name, source=name) for name in HOSTILE_NAMES),
        *(local("none", source=f"{number}.png") for number in range(30)),
    ]
    return [_as_run(each) for each in outcomes if not isinstance(each, Judged) or each.verdict.risk_level is not None]


def _shown(
    choice: Format,
    outcomes: Sequence[Outcome],
    policy: GatePolicy = NO_GATE,
    entries: Sequence[Suppression] = (),
    **changes: Any,
) -> tuple[str, RunSummary]:
    """Return what a run shows, and its summary; `changes` are the summary's."""
    stream = io.StringIO(newline="")
    environment = Environment(variables={}, clock=lambda: _NOW, stderr=io.StringIO())
    shows = renderer(choice, stream, environment, color="never", raw=False, policy=policy)
    summary = RunSummary(policy=policy)
    for outcome in outcomes:
        found = outcome.verdict.labels if isinstance(outcome, Judged) else ()
        matching = [entry for entry in entries if any(suppression_for(label, [entry]) for label in found)]
        summary.add(outcome, matching)
        summary.suppressed_by.update(entry.file for entry in matching)
        shows.add(outcome, suppressions=matching)
    for name, value in changes.items():
        setattr(summary, name, value)
    shows.finish(summary)
    return stream.getvalue(), summary


def _jsonl(*outcomes: Outcome, policy: GatePolicy = NO_GATE) -> str:
    return _shown(Format.JSONL, outcomes, policy)[0]


@pytest.mark.parametrize("choice", FORMATS)
@pytest.mark.parametrize("source", [Format.JSON, Format.JSONL])
@pytest.mark.parametrize("policy", [NO_GATE, GatePolicy(RiskLevel.MEDIUM), GatePolicy(RiskLevel.HIGH, True)])
@pytest.mark.parametrize("entries", [(), (LOGO, Suppression("violent_smoke", None, "smoke", "a.yaml:7"))])
def test_a_run_is_shown_as_it_showed_itself(
    choice: Format, source: Format, policy: GatePolicy, entries: tuple[Suppression, ...]
) -> None:
    outcomes = _everything()
    if choice is Format.TABLE:  # lays a post out by its texts, which no record holds
        outcomes = [outcome for outcome in outcomes if "posts/" not in outcome.item.source]
    text, summary = _shown(source, outcomes, policy, entries)
    done = _convert("-", "-f", choice, "--color", "never", stdin=text)
    assert done.stdout == _shown(choice, outcomes, policy, entries)[0]
    assert done.code == summary.exit_code(allow_empty=False)


@pytest.mark.parametrize("choice", FORMATS)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"not_tried": 7, "at_least": True}, ExitCode.INCOMPLETE),
        ({"stopped_by": ExitCode.INTERRUPTED}, ExitCode.INTERRUPTED),
        ({"fatal": True}, ExitCode.FATAL),
        ({"bugs": 1}, ExitCode.BUG),
        ({"unwritten": 1}, ExitCode.FATAL),
        ({"judged": 9, "levels": {RiskLevel.NONE: 8, RiskLevel.LOW: 1}, "reused": 8, "local": True}, ExitCode.OK),
        ({"suppressed_by": {"old.jsonl": 2}, "ignored_by": {".gitignore": 1}, "ignored": 3, "links": 1}, ExitCode.OK),
        ({"elsewhere": 2, "non_images": 4}, ExitCode.OK),
        ({"pending": 1, "awaited": True}, ExitCode.PENDING),
    ],
)
def test_a_document_tells_what_no_record_can(choice: Format, changes: dict[str, Any], code: ExitCode) -> None:
    counts = {name: Counter(value) if isinstance(value, dict) else value for name, value in changes.items()}
    outcomes = [local("low", "x", source="a.png")]
    text, _ = _shown(Format.JSON, outcomes, **counts)
    done = _convert("-", "-f", choice, "--color", "never", stdin=text)
    assert done.stdout == _shown(choice, outcomes, **counts)[0]
    assert done.code == code


def test_all_reports_are_written_from_one_reading() -> None:
    Path("run.jsonl").write_text(_jsonl(*_everything()), encoding="utf-8")
    reports = ("csv", "html", "json", "jsonl", "junit", "markdown", "sarif")
    options = [word for name in reports for word in (f"--{name}-output", f"out.{name}")]
    done = _convert("run.jsonl", "-f", "github", "-q", *options)
    assert done.stderr == ""
    for name in reports:
        text = Path(f"out.{name}").read_bytes().decode()
        assert text == _convert("run.jsonl", "-f", name, "-q").stdout


def test_the_gate_is_that_of_the_run_unless_another_is_given() -> None:
    text = _jsonl(local("medium", "x", source="a.png"), policy=GatePolicy(RiskLevel.HIGH))
    assert _convert("-", "-f", "jsonl", stdin=text).code == ExitCode.OK
    done = _convert("-", "-f", "jsonl", "--fail-on", "low", stdin=text)
    assert (done.code, done.records[0]["gate"]) == (ExitCode.FOUND, {"fail_on": "low", "passed": False})
    done = _convert("-", "-f", "jsonl", "--fail-on", "never", stdin=text)
    assert (done.code, done.records[0]["gate"]) == (ExitCode.OK, None)
    assert _convert("-", "--fail-on", "much", stdin=text).code == ExitCode.USAGE


def test_what_was_suppressed_stays_so_under_another_gate() -> None:
    text = _shown(Format.JSONL, [judged("high", LOGO.label)], entries=[LOGO])[0]
    assert _convert("-", "--fail-on", "low", stdin=text).code == ExitCode.OK


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), ExitCode.OK),
        (("--fail-on", "high"), ExitCode.INCOMPLETE),
        (("--fail-on", "high", "--allow-partial"), ExitCode.OK),
        (("--require-full",), ExitCode.INCOMPLETE),
    ],
)
def test_what_was_judged_in_part_counts_as_the_options_say(options: tuple[str, ...], code: ExitCode) -> None:
    text = _jsonl(judged(coverage=_PARTIAL, billed_calls=3))
    assert _convert("-", "-f", "jsonl", *options, stdin=text).code == code


def test_several_runs_are_one_under_the_strictest_of_their_gates() -> None:
    Path("a.jsonl").write_text(_jsonl(local("low", "x", source="a.png"), policy=GatePolicy(RiskLevel.HIGH)))
    low = [local("low", "y", source="a.png")]
    Path("b.json").write_text(_shown(Format.JSON, low, GatePolicy(RiskLevel.LOW), not_tried=2)[0])
    done = _convert("a.jsonl", "-", "b.json", "-f", "json", stdin=_jsonl(failed("c.png")))
    document = json.loads(done.stdout)
    assert [record["source"] for record in document["results"]] == ["a.png", "c.png", "a.png"]  # none is dropped
    counted = document["summary"]
    assert (counted["judged"], counted["failed"], counted["not_tried"], counted["cut_off"]) == (2, 1, 2, True)
    assert counted["gate"]["fail_on"] == "low"
    assert counted["by_label"] == {"x": 1, "y": 1}
    assert done.code == counted["exit_code"] == ExitCode.INCOMPLETE


@pytest.mark.parametrize("cut", [1, 30, 200])
@pytest.mark.parametrize("choice", [Format.JSONL, Format.JSON])
def test_a_killed_run_is_told_and_incomplete(choice: Format, cut: int) -> None:
    text = _shown(choice, [local("low", "x", source=f"{number}.png") for number in range(3)])[0]
    line = 2 if choice is Format.JSONL else 3
    Path("run.json").write_text("".join(text.splitlines(keepends=True)[: line - 1]) + text.splitlines()[line - 1][:cut])
    done = _convert("run.json", "-f", "json", "-q")
    assert done.code == ExitCode.INCOMPLETE
    assert f"run.json:{line}: the end is missing" in done.stderr
    document = json.loads(done.stdout)
    assert document["summary"]["not_tried"] == 1
    assert [record["source"] for record in document["results"]] == ["0.png"]


def test_a_document_without_its_end_is_that_of_a_killed_run() -> None:
    text = _shown(Format.JSON, [local("low", "x", source="a.png")])[0]
    done = _convert("-", "-f", "junit", stdin=text[: text.index("\n]")])
    assert done.code == ExitCode.INCOMPLETE
    assert "at least 1 input was not tried" in done.stdout
    assert "--max-calls" not in done.stderr


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "not a record on one line"),
        ("nonsense", "broken JSON"),
        ("[]", "not a record"),
        ("null", "not a record"),
        ('{"schema": 99}', "a record of schema 99, and this version reads 1 and 2"),
        ('{"schema": 2}', "not a whole record"),
        ('{"schema": true}', "not a record"),
    ],
)
@pytest.mark.parametrize("before", [0, 2])
def test_what_cannot_be_read_is_an_error_that_names_its_line_and_nothing_is_written(
    line: str, what: str, before: int
) -> None:
    if before and line == "{":
        what = "broken JSON"
    text = _jsonl(*[judged()] * before) + f"{line}\n" + _jsonl(judged())
    Path("run.jsonl").write_text(text)
    Path("out.csv").write_text("earlier")
    done = _convert("run.jsonl", "-f", "csv", "-o", "out.csv")
    assert done.code == ExitCode.USAGE
    assert f"moderate: run.jsonl:{before + 1}: {what}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert Path("out.csv").read_text() == "earlier"


@pytest.mark.parametrize(
    "changes",
    [{"gate": {"fail_on": "nope", "passed": True}}, {"ext": None}, {"reused": "x"}, {"error": {"code": 5}}],
    ids=str,
)
@pytest.mark.parametrize("choice", ["table", "csv", "html"])
def test_a_field_of_another_type_is_an_error_before_anything_is_written(changes: dict[str, Any], choice: str) -> None:
    record = to_record(judged("high", "a")) | changes
    done = _convert("-", "-f", choice, stdin=_jsonl(judged()) + json.dumps(record) + "\n")
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert "moderate: stdin:2: not a whole record" in done.stderr


@pytest.mark.parametrize(
    "changes",
    [{"not_tried": "3"}, {"by_level": {"awful": 1}}, {"notes": []}, {"not_checked": [{}]}, {"gate": 5}, {"judged": -1}],
    ids=str,
)
def test_a_count_of_another_type_is_an_error_before_anything_is_written(changes: dict[str, Any]) -> None:
    document = json.loads(_shown(Format.JSON, [judged()])[0])
    document["summary"] |= changes
    done = _convert("-", "-f", "csv", stdin=json.dumps(document))
    assert (done.code, done.stdout) == (ExitCode.USAGE, "")
    assert "moderate: stdin: the summary cannot be read" in done.stderr


def test_files_that_cannot_be_opened_are_errors_before_anything_is_written() -> None:
    Path("folder").mkdir()
    for name, reason in (("gone.jsonl", "No such file"), ("folder", "Is a directory"), ("a\0b", "null")):
        done = _convert(name, "-f", "json")
        assert (done.code, done.stdout) == (ExitCode.USAGE, "")
        assert reason in done.stderr


def test_compressed_results_are_told() -> None:
    Path("run.jsonl.gz").write_bytes(b"\x1f\x8b\x08 rest")
    assert "is compressed (gunzip -c FILE | moderate convert -)" in _convert("run.jsonl.gz").stderr


def test_results_that_powershell_redirected_are_told() -> None:
    Path("run.jsonl").write_text(_jsonl(judged()), encoding="utf-16")
    assert "is UTF-16, as PowerShell writes it (let moderate write it: -o FILE)" in _convert("run.jsonl").stderr


def test_nothing_is_no_success() -> None:
    done = _convert("-", "-f", "json")
    assert done.code == ExitCode.NO_INPUT
    assert "stdin holds no results" in done.stderr
    assert _convert("-", "-f", "json", "--allow-empty").code == ExitCode.OK
    assert _convert("-", "-", "-f", "json").code == ExitCode.USAGE
    assert _convert("-f", "json").code == ExitCode.USAGE


def test_records_of_the_first_version_are_read() -> None:
    text = f"{to_json(schema_1(judged('high', 'x')))}\n{to_json(schema_1(skipped('b.png')))}\n"
    done = _convert("-", "-f", "jsonl", "--fail-on", "high", stdin=text)
    assert [(record["schema"], record["risk_level"]) for record in done.records] == [(2, "high"), (2, None)]
    assert done.code == ExitCode.INCOMPLETE
    document = '{"schema":1,"results":[\n' + to_json(schema_1(judged("high", "x"))) + '\n],"summary":'
    counts = {"inputs": 1, "judged": 1, "skipped": 0, "failed": 0, "pending": 0, "passed_over": 2}
    counts |= {"by_level": {"high": 1}, "by_label": {"x": 1}}
    done = _convert("-", "-f", "json", "--fail-on", "high", stdin=f"{document}{json.dumps(counts)}}}\n")
    assert done.code == ExitCode.FOUND
    assert json.loads(done.stdout)["summary"]["passed_over"] == 2


@pytest.mark.parametrize("program", [".", "-c .", "-S .", "--tab ."])
def test_a_document_that_jq_wrote_is_read_as_well(program: str) -> None:
    text, _ = _shown(Format.JSON, [local("low", "x", source="a.png")], not_tried=3)
    try:
        done = subprocess.run(["jq", *program.split()], input=text, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("jq is not installed")
    assert json.loads(_convert("-", "-f", "json", stdin=done.stdout).stdout) == json.loads(text)


def test_a_document_whose_results_were_taken_out_still_counts_them() -> None:
    text, _ = _shown(Format.JSON, [local("high", "x", source="a.png")], GatePolicy(RiskLevel.HIGH))
    document = json.loads(text)
    document["results"] = []
    assert _convert("-", "-f", "json", stdin=json.dumps(document)).code == ExitCode.FOUND


def test_tasks_that_were_polled_in_vain_are_pending_and_submitted_ones_are_not() -> None:
    submitted = pending_image()
    polled = replace(submitted, call=replace(submitted.call, operation="DescribeImageModerationResult"))
    assert _convert("-", "-f", "jsonl", stdin=_jsonl(submitted)).code == ExitCode.OK
    assert _convert("-", "-f", "jsonl", stdin=_jsonl(polled)).code == ExitCode.PENDING


def test_the_answers_of_raw_records_are_kept() -> None:
    text = shown(Format.JSONL, [judged()])
    record = json.loads(text) | {"raw": {"Code": 200, "Data": {}}}
    [kept] = _convert("-", "-f", "jsonl", stdin=json.dumps(record)).records
    assert kept["raw"] == {"Code": 200, "Data": {}}


def test_csv_for_excel_begins_with_a_mark() -> None:
    text = _convert("-", "-f", "csv", "--csv-bom", stdin=_jsonl(judged())).stdout
    assert text.startswith('\ufeff"source"')
    assert text.count("\ufeff") == 1
