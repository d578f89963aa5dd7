"""The sample configurations do what they say: each is loaded or run, with the local engine in place of an account."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from emulating import emulating

from moderate_cli.commands import COMMANDS
from moderate_cli.commands.lazy import load
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode
from moderate_cli.settings import SETTINGS, Sourced, resolve
from moderate_cli.settings.checking import check_text

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_configs"
DATA = Path(__file__).parent / "data"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
POSTER, LANDSCAPE = DATA / "poster-qr.png", DATA / "landscape.jpg"
OURS = ("gitlab-ci.yml", "github-actions.yaml", "Jenkinsfile")


def _text(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


# --------------------------------------------------------------------------------------------------- all of them


def test_every_sample_is_tested_here() -> None:
    assert sorted(path.name for path in SAMPLES.iterdir()) == [
        "Jenkinsfile",
        "github-actions.yaml",
        "gitlab-ci.yml",
        "moderate.full.yaml",
        "moderate.yaml",
        "post.yaml",
        "pre-commit-config.yaml",
        "rules.yaml",
    ]


@pytest.mark.parametrize("path", [*SAMPLES.iterdir(), HOOKS], ids=lambda path: path.name)
def test_each_begins_with_what_it_is_for(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert re.match(r"(#|//) [A-Z]", first)
    assert not re.search(r"LTAI|AccessKey[A-Z]\w*=", path.read_text(encoding="utf-8"))


def _commands() -> list[tuple[str, list[str]]]:
    """Return each command line of moderate that stands in a sample, in comments too."""
    found = []
    for path in [*SAMPLES.iterdir(), HOOKS]:
        text = re.sub(r"\\+\n\s*|\n +(?=--)", " ", path.read_text(encoding="utf-8"))
        for line in re.findall(r"(?:^|[ `/])moderate ([a-z-]+(?: [^`\n|]+)?)", text, re.MULTILINE):
            words = shlex.split(line, comments=True)
            if words[0] in {entry.name for entry in COMMANDS}:
                found.append((path.name, words))
    return found


@pytest.mark.parametrize(("sample", "words"), _commands(), ids=lambda one: one if isinstance(one, str) else one[0])
def test_each_command_line_is_understood(sample: str, words: list[str]) -> None:
    command = load(words[0])
    with command.make_context(words[0], words[1:], obj=Environment()) as context:
        assert context.params or hasattr(command, "commands")


def test_the_command_lines_are_found() -> None:
    assert {name for name, _ in _commands()} >= {*OURS, "rules.yaml", "post.yaml", "moderate.yaml", HOOKS.name}


# ---------------------------------------------------------------------------------------- settings, post and rules


def test_the_full_settings_have_every_setting_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"config": Sourced(str(SAMPLES / "moderate.full.yaml"), "--config")}
    settings = resolve(given, Environment(variables={}))
    assert settings.profile == "production"
    assert set(SETTINGS) == set(check_text(_text("moderate.full.yaml"), "moderate.yaml").top)
    assert not [name for name, origin in settings.origins.items() if origin == "default"]


def test_the_small_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moderate.yaml").write_text(_text("moderate.yaml"))
    monkeypatch.chdir(tmp_path)
    settings = resolve({}, Environment(variables={}))
    assert (settings.region, settings.fail_on, settings.reuse) == ("eu-central-1", "high", 7 * 86_400)
    mainland = resolve({"profile": Sourced("mainland", "--profile")}, Environment(variables={}))
    assert (mainland.region, mainland.services) == ("cn-shanghai", ("baselineCheck",))


def test_the_post(moderate: Callable) -> None:
    result = moderate("multimodal", SAMPLES / "post.yaml", "--wait", "--profile", "local")
    (record,) = result.records
    assert (result.code, record["status"], record["data_id"]) == (0, "judged", "flea-market-2026")
    assert [(label["label"], label["where"]) for label in record["labels"]] == [("QRCode", "$.mainData")]


def test_the_rules(moderate: Callable) -> None:
    def labels(*arguments: object) -> list[tuple[str, str]]:
        result = moderate(*arguments, variables=emulator.variables)
        assert result.code == 0, result.stderr
        return [(one["label"], one["risk_level"]) for one in result.records[0]["labels"]]

    with emulating("--rules", str(SAMPLES / "rules.yaml")) as emulator:
        by_name = labels("sync", LANDSCAPE, "--data-id", "poster-violent.png")
        assert by_name == [("violent_explosion", "high"), ("violent_weapon", "medium")]
        assert labels("sync", DATA / "still-life.webp") == [("pornographic_adultContent", "high")]
        assert labels("sync", DATA / "still-life.webp", "-s", "aigcDetector_global") == []
        assert labels("sync", POSTER, "--data-id", "approved-1") == []
        queued = moderate("multimodal", SAMPLES / "post.yaml", variables=emulator.variables)
        assert queued.code == 0, queued.stderr
        while (result := moderate("poll", variables=emulator.variables)).code == ExitCode.PENDING:
            pass
        assert [label["label"] for label in result.records[0]["labels"]] == ["QRCode", "contraband_local_rule"]


# ------------------------------------------------------------------------------------------------- pipelines, run


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a clean image in its first commit, and others and a text in its second."""
    folder = tmp_path / "repository"
    (folder / "assets").mkdir(parents=True)
    (folder / "assets" / "old.jpg").write_bytes(LANDSCAPE.read_bytes())
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _commit(folder)
    (folder / "assets" / "new poster.PNG").write_bytes(POSTER.read_bytes())
    (folder / "assets" / "old.jpg").unlink()
    (folder / "readme.txt").write_text("no image")
    _commit(folder)
    return folder


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def _commit(folder: Path) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message=x")


def _run(folder: Path, shell: Sequence[str], script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a pipeline as its runner does, but without installing anything and with the local engine."""
    program = Path(sys.executable).parent
    script = "\n".join(line for line in script.splitlines() if "pip install" not in line and "-m venv" not in line)
    return subprocess.run(
        [*shell, script.replace(".venv/bin/", f"{program}/")],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
            "MODERATE_PROFILE": "local",
            "BASE": _git(folder, "rev-parse", "HEAD~1").strip(),
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": _git(folder, "rev-parse", "HEAD~1").strip(),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _cases(path: Path) -> list[tuple[str, bool]]:
    cases = ElementTree.parse(path).iter("testcase")
    return [(str(case.get("name")), case.find("failure") is not None) for case in cases]


def test_the_github_workflow(repository: Path, tmp_path: Path) -> None:
    workflow = _yaml(SAMPLES / "github-actions.yaml")
    assert set(workflow[True]) == {"pull_request"}  # YAML reads `on` as true
    (job,) = workflow["jobs"].values()
    steps = [step for step in job["steps"] if "moderate sync" in step.get("run", "")]
    assert len(steps) == 1
    assert all("secrets." in value for name, value in steps[0]["env"].items() if name.startswith("ALIBABA"))
    summary = tmp_path / "summary.md"
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
    done = _run(repository, shell, steps[0]["run"], GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error file=assets/new poster.PNG,")
    assert "QRCode" in summary.read_text(encoding="utf-8")
    uploads = [step for step in job["steps"] if "upload-sarif" in step.get("uses", "")]
    report = json.loads((repository / uploads[0]["with"]["sarif_file"]).read_text(encoding="utf-8"))
    assert [result["ruleId"] for result in report["runs"][0]["results"]] == ["QRCode"]


def test_a_pull_request_without_images_passes(repository: Path) -> None:
    (repository / "readme.txt").write_text("still none")
    _commit(repository)
    (step,) = [
        step
        for step in _yaml(SAMPLES / "github-actions.yaml")["jobs"]["images"]["steps"]
        if "moderate sync" in step.get("run", "")
    ]
    done = _run(repository, ["bash", "-eo", "pipefail", "-c"], step["run"])
    assert done.returncode == 0, done.stderr


def test_the_gitlab_job(repository: Path) -> None:
    job = _yaml(SAMPLES / "gitlab-ci.yml")["moderate"]
    done = _run(repository, ["bash", "-eo", "pipefail", "-c"], "\n".join(job["script"]))
    assert done.returncode == 1, done.stderr
    assert "QRCode" in done.stdout
    assert _cases(repository / job["artifacts"]["reports"]["junit"]) == [("assets/new poster.PNG", True)]
    assert all((repository / name).stat().st_size for name in job["artifacts"]["paths"])


def test_the_jenkins_stage(repository: Path) -> None:
    text = _text("Jenkinsfile")
    (script,) = re.findall(r"sh '''(.+?)'''", text, re.DOTALL)
    done = _run(repository, ["sh", "-xe", "-c"], script.replace("\\\\", "\\"))
    assert done.returncode == 1, done.stderr
    assert "QRCode" in done.stdout
    (results,), (kept,) = re.findall(r"testResults: '(.+?)'", text), re.findall(r"artifacts: '(.+?)'", text)
    assert _cases(repository / results) == [("assets/new poster.PNG", True)]
    assert (repository / kept).stat().st_size
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


# ----------------------------------------------------------------------------------------------------- pre-commit


def test_the_sample_names_a_hook_with_its_own_arguments() -> None:
    (hook,) = _yaml(HOOKS)
    (repository,) = _yaml(SAMPLES / "pre-commit-config.yaml")["repos"]
    assert repository["hooks"] == [{"id": hook["id"], "args": hook["args"]}]
    assert hook["args"][-1] == "--"


@pytest.mark.parametrize(("change", "code"), [("poster", 1), ("landscape", 0), ("--endpoint=nowhere.png", 1)])
def test_the_hook_in_a_repository(repository: Path, change: str, code: int) -> None:
    (hook,) = _yaml(HOOKS)
    name = change if change.endswith(".png") else f"{change}.png"
    (repository / name).write_bytes((LANDSCAPE if change == "landscape" else POSTER).read_bytes())
    _git(repository, "add", "--all")
    staged = _git(repository, "diff", "--cached", "--name-only", "-z").strip("\0").split("\0")
    assert staged == [name]
    # pre-commit puts the names of files behind the entry and its arguments.
    script = shlex.join([*shlex.split(hook["entry"]), *hook["args"], *staged])
    done = _run(repository, ["sh", "-c"], script)
    assert done.returncode == code, done.stderr
    assert ("QRCode" in done.stdout) == bool(code)
