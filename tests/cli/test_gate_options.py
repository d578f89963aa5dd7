"""The former names of the gate's options: each works as the new one does, and is told of once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import schema_1

from moderate_cli.common.errors import ExitCode
from moderate_cli.records import to_outcome

POSTER = Path(__file__).parents[1] / "data" / "poster-qr.png"
GATE = ("-p", "local", "--fail-on", "low")
NEW, FORMER = ".moderate-suppressions.yaml", ".moderateallow.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    (folder / ".git").mkdir(parents=True)
    shutil.copy(POSTER, folder)
    (folder / "ours.yaml").write_text("- {path: '**', label: '*', reason: ours}\n")
    (folder / "none.yaml").write_text("")
    monkeypatch.chdir(folder)
    return folder


def _deprecated(stderr: str) -> list[str]:
    return [line.removeprefix("moderate: ") for line in stderr.splitlines() if "deprecated" in line]


OLD_OPTION = "--ignore-file is deprecated: use --suppressions"
OLD_VARIABLE = "MODERATE_IGNORE_FILE is deprecated: use MODERATE_SUPPRESSIONS"


@pytest.mark.parametrize(
    ("options", "variables", "code", "told"),
    [
        ([], {}, ExitCode.FOUND, []),
        (["--suppressions", "ours.yaml"], {}, ExitCode.OK, []),
        ([], {"MODERATE_SUPPRESSIONS": "ours.yaml"}, ExitCode.OK, []),
        (["--ignore-file", "ours.yaml"], {}, ExitCode.OK, [OLD_OPTION]),
        (["--ignore-file=ours.yaml"], {}, ExitCode.OK, [OLD_OPTION]),
        ([], {"MODERATE_IGNORE_FILE": "ours.yaml"}, ExitCode.OK, [OLD_VARIABLE]),
        # the new name counts, and the command line before the environment
        (["--ignore-file", "none.yaml", "--suppressions", "ours.yaml"], {}, ExitCode.OK, [OLD_OPTION]),
        (["--suppressions", "none.yaml", "--ignore-file", "ours.yaml"], {}, ExitCode.FOUND, [OLD_OPTION]),
        (["--ignore-file", "ours.yaml"], {"MODERATE_SUPPRESSIONS": "none.yaml"}, ExitCode.OK, [OLD_OPTION]),
        (["--suppressions", "ours.yaml"], {"MODERATE_IGNORE_FILE": "none.yaml"}, ExitCode.OK, [OLD_VARIABLE]),
        (
            [],
            {"MODERATE_SUPPRESSIONS": "ours.yaml", "MODERATE_IGNORE_FILE": "none.yaml"},
            ExitCode.OK,
            [OLD_VARIABLE],
        ),
        (["--ignore-file", "ours.yaml", "-q"], {}, ExitCode.OK, []),
    ],
)
def test_the_suppressions_file(
    moderate: Callable, options: list[str], variables: dict[str, str], code: ExitCode, told: list[str]
) -> None:
    result = moderate("sync", POSTER.name, *GATE, *options, variables=variables)
    assert result.code == code, result.stderr
    assert _deprecated(result.stderr) == told


@pytest.mark.parametrize(
    ("options", "variables", "told"),
    [
        (["--show-suppressed"], {}, []),
        ([], {"MODERATE_SHOW_SUPPRESSED": "1"}, []),
        (["--show-ignored"], {}, ["--show-ignored is deprecated: use --show-suppressed"]),
        (
            [],
            {"MODERATE_SHOW_IGNORED": "1"},
            ["MODERATE_SHOW_IGNORED is deprecated: use MODERATE_SHOW_SUPPRESSED"],
        ),
    ],
)
def test_suppressed_findings_are_shown(
    moderate: Callable, options: list[str], variables: dict[str, str], told: list[str]
) -> None:
    arguments = ("sync", POSTER.name, *GATE, "-f", "table", "--suppressions", "ours.yaml")
    result = moderate(*arguments, *options, variables=variables)
    assert "suppressed: ours (ours.yaml:1)" in result.stdout
    assert _deprecated(result.stderr) == told
    assert "suppressed: ours" not in moderate(*arguments).stdout


def test_the_former_file(moderate: Callable, folder: Path) -> None:
    (folder / "ours.yaml").rename(folder / FORMER)
    result = moderate("sync", POSTER.name, *GATE)
    assert result.code == ExitCode.OK
    assert _deprecated(result.stderr) == [f"{FORMER} is a deprecated name: rename the file to {NEW}"]
    assert "1 finding suppressed by .moderateallow.yaml" in result.stderr
    (folder / NEW).write_text("")
    result = moderate("sync", POSTER.name, *GATE)
    assert result.code == ExitCode.FOUND
    assert _deprecated(result.stderr) == []
    assert result.stderr.count(f"{FORMER} is ignored: {NEW} beside it takes precedence") == 1


def test_a_baseline_with_records_of_the_former_schema(moderate: Callable, folder: Path) -> None:
    record = json.loads(moderate("sync", POSTER.name, *GATE, "-f", "jsonl").stdout)
    (folder / "new.jsonl").write_text(json.dumps(record))
    (folder / "old.jsonl").write_text(json.dumps(schema_1(to_outcome(record))))
    lines = {"new.jsonl": [], "old.jsonl": ["old.jsonl has records of schema 1, which is deprecated"]}
    for name, told in lines.items():
        result = moderate("sync", POSTER.name, *GATE, "--baseline", name)
        assert result.code == ExitCode.OK, result.stderr
        assert [line.split(":")[0] for line in _deprecated(result.stderr)] == told


@pytest.mark.parametrize("command", ["sync", "batch", "async-submit", "poll", "multimodal", "allow"])
def test_help_shows_the_new_names_alone(moderate: Callable, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert moderate(command, "--help").code == ExitCode.OK
    text = capsys.readouterr().out
    assert "--suppressions" in text
    assert not [name for name in ("--ignore-file", "--show-ignored", "IGNORE_FILE", "SHOW_IGNORED") if name in text]


def test_completion_offers_the_new_names_alone(moderate: Callable) -> None:
    lines = moderate("completion", "fish", "--", "sync", "--").stdout.splitlines()
    names = {line.split("\t")[0] for line in lines}
    assert {"--suppressions", "--show-suppressed"} <= names
    assert not {"--ignore-file", "--show-ignored"} & names
