"""The sample configurations do what they say: each is loaded or run, with the local engine in place of an account."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from emulating import emulating
from pipelines import SAMPLES, Pipeline, github, gitlab, jenkins, text_of, yaml_of
from repositories import Repository

from moderate_cli.cli import COMMANDS, load
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode
from moderate_cli.settings import SETTINGS, Sourced, resolve
from moderate_cli.settings.edit import trust
from moderate_cli.settings.validate import validate_text

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
POSTER, LANDSCAPE = DATA / "poster-qr.png", DATA / "landscape.jpg"
LOCAL = {"MODERATE_PROFILE": "local"}
OURS = ("gitlab-ci.yml", "github-actions.yaml", "Jenkinsfile")


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
        "moderate-rules.yaml",
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
        for line in re.findall(r"""(?:^|[ `/])moderate"? ([a-z-]+(?: [^`\n|]+)?)""", text, re.MULTILINE):
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
    assert {name for name, _ in _commands()} >= {*OURS, "moderate-rules.yaml", "post.yaml", "moderate.yaml", HOOKS.name}


# ---------------------------------------------------------------------------------------- settings, post and rules


def test_the_full_settings_have_every_setting_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"config": Sourced(str(SAMPLES / "moderate.full.yaml"), "--config")}
    settings = resolve(given, Environment(variables={}))
    assert settings.profile == "production"
    assert set(SETTINGS) == set(validate_text(text_of("moderate.full.yaml"), "moderate.yaml").top)
    assert not [name for name, origin in settings.origins.items() if origin == "default"]


def test_the_small_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moderate.yaml").write_text(text_of("moderate.yaml"))
    monkeypatch.chdir(tmp_path)
    trust(tmp_path)
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

    with emulating("--rules", str(SAMPLES / "moderate-rules.yaml")) as emulator:
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
def repository(tmp_path: Path) -> Repository:
    """A repository with a clean image in its first commit, and others and a text in its second."""
    repository = Repository.begin(tmp_path / "repository")
    repository.commit(**{"assets/old.jpg": LANDSCAPE.read_bytes()})
    added = {"assets/new poster.PNG": POSTER.read_bytes(), "readme.txt": "no image"}
    repository.commit(**added, **{"assets/old.jpg": None})
    return repository


def _base(repository: Repository) -> str:
    return repository.git("rev-parse", "HEAD~1")


def _cases(path: Path) -> list[tuple[str, bool]]:
    cases = ElementTree.parse(path).iter("testcase")
    return [(str(case.get("name")), case.find("failure") is not None) for case in cases]


def test_the_github_workflow(repository: Repository) -> None:
    workflow = yaml_of("github-actions.yaml")
    assert set(workflow[True]) == {"pull_request"}  # YAML reads `on` as true
    (job,) = workflow["jobs"].values()
    (step,) = [step for step in job["steps"] if "moderate sync" in step.get("run", "")]
    assert all("secrets." in value for name, value in step["env"].items() if name.startswith("ALIBABA"))
    assert "base.sha" in step["env"]["BASE"]
    done = github(_base(repository)).run(repository, **LOCAL)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error file=assets/new poster.PNG,")
    assert "QRCode" in Path(f"{repository.folder}-summary.md").read_text(encoding="utf-8")
    uploads = [step for step in job["steps"] if "upload-sarif" in step.get("uses", "")]
    report = json.loads((repository.folder / uploads[0]["with"]["sarif_file"]).read_text(encoding="utf-8"))
    assert [result["ruleId"] for result in report["runs"][0]["results"]] == ["QRCode"]


def test_a_pull_request_without_images_passes(repository: Repository) -> None:
    repository.commit(**{"readme.txt": "still none"})
    done = github(_base(repository)).run(repository, **LOCAL)
    assert done.returncode == 0, done.stderr


def test_the_gitlab_job(repository: Repository) -> None:
    job = yaml_of("gitlab-ci.yml")["moderate"]
    done = gitlab(_base(repository)).run(repository, **LOCAL)
    assert done.returncode == 1, done.stderr
    assert "QRCode" in done.stdout
    assert _cases(repository.folder / job["artifacts"]["reports"]["junit"]) == [("assets/new poster.PNG", True)]
    assert all((repository.folder / name).stat().st_size for name in job["artifacts"]["paths"])


@pytest.mark.parametrize("target", [None, "main"])
def test_the_jenkins_stage(repository: Repository, target: str | None) -> None:
    text = text_of("Jenkinsfile")
    repository.git("update-ref", "refs/remotes/origin/main", _base(repository))
    done = jenkins(target).run(repository, **LOCAL)
    assert done.returncode == 1, done.stderr
    assert "QRCode" in done.stdout
    (results,), (kept,) = re.findall(r"testResults: '(.+?)'", text), re.findall(r"artifacts: '(.+?)'", text)
    assert _cases(repository.folder / results) == [("assets/new poster.PNG", True)]
    assert (repository.folder / kept).stat().st_size
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


def test_a_base_that_is_missing_fails_the_pipeline(repository: Repository) -> None:
    for pipeline in (jenkins("main"), github("0" * 40), gitlab("0" * 40)):
        assert pipeline.run(repository, **LOCAL).returncode not in {0, 1}


@pytest.mark.parametrize("sample", OURS)
def test_nothing_is_installed_by_a_name_that_anybody_could_take(sample: str) -> None:
    """One variable at the top says what: no index has a package of ours."""
    text = text_of(sample)
    installs = [line.strip() for line in text.splitlines() if re.search(r"\bpip\b.*install", line)]
    assert len(installs) == 1
    assert installs[0].endswith('install "$INSTALL_FROM"')
    assert len(re.findall(r"INSTALL_FROM\W+moderate-cli @ git\+https://github\.com/OWNER/moderate@COMMIT", text)) == 1
    assert text.index("INSTALL_FROM") < text.index(installs[0])


# ----------------------------------------------------------------------------------------------------- pre-commit


def test_the_sample_names_a_hook_with_its_own_arguments() -> None:
    (hook,) = _yaml(HOOKS)
    (repository,) = yaml_of("pre-commit-config.yaml")["repos"]
    assert repository["hooks"] == [{"id": hook["id"], "args": hook["args"]}]
    assert hook["args"][-1] == "--"


@pytest.mark.parametrize(("change", "code"), [("poster", 1), ("landscape", 0), ("--endpoint=nowhere.png", 1)])
def test_the_hook_in_a_repository(repository: Repository, change: str, code: int) -> None:
    (hook,) = _yaml(HOOKS)
    name = change if change.endswith(".png") else f"{change}.png"
    repository.write(name, (LANDSCAPE if change == "landscape" else POSTER).read_bytes())
    repository.git("add", "--all")
    staged = repository.git("diff", "--cached", "--name-only", "-z").strip("\0").split("\0")
    assert staged == [name]
    # pre-commit puts the names of files behind the entry and its arguments.
    script = shlex.join([*shlex.split(hook["entry"]), *hook["args"], *staged])
    done = Pipeline(script, ("sh", "-c"), {}).run(repository, **LOCAL)
    assert done.returncode == code, done.stderr
    assert ("QRCode" in done.stdout) == bool(code)
