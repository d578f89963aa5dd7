"""The workflow and the action for GitHub, from the event to the job's end: what they call, cache, tell and upload."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from github_runner import ACTION, GithubRunner, JobRun
from pipelines import yaml_of
from repositories import Repository
from rule_builders import laying_down

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import AccessKey, Emulator
from moderate_cli.rules import FixedFinding, FixedVerdict
from moderate_cli.sources.folders import IMAGE_SUFFIXES

SECRETS = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAICanary",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "CanarySecret0123456789abcdefgh",  # of conftest.py: it stays unseen
}
WORKFLOW = yaml_of("github-actions.yaml")
# The steps of a job that uses the action instead.
SHORT: dict[Any, Any] = {
    True: {"pull_request": None, "push": None},
    "jobs": {
        "images": {
            "steps": [
                {"uses": "actions/checkout@v5"},
                {
                    "uses": ACTION,
                    "with": {"changed-since": "${{ github.event.pull_request.base.sha }}"},
                    "env": {name: f"${{{{ secrets.{name} }}}}" for name in SECRETS},
                },
            ]
        }
    },
}

pytestmark = pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")


def _image(text: str) -> bytes:
    """Return a PNG of one pixel that holds a text, so that each is another file."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + text.encode()),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    ]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def service() -> Iterator[Emulator]:
    """A service that knows the runner's key, finds something in images of one name, and looks at no pixels."""
    bad = FixedVerdict([FixedFinding("violent_explosion", 90.0)], name="bad-*")
    with Emulator(rules=laying_down(bad, FixedVerdict([], name="*"))) as emulator:
        emulator.add_key(AccessKey(*SECRETS.values()))
        yield emulator


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.begin(tmp_path / "repository")


@pytest.fixture
def runner(repository: Repository, service: Emulator, tmp_path: Path) -> GithubRunner:
    variables = {"MODERATE_ENDPOINT": service.endpoint, "MODERATE_DATA_ID_FROM": "name", "MODERATE_TIMEOUT": "600"}
    return GithubRunner(repository, tmp_path / "runner", SECRETS, variables)


def _pull_request(base: str, project: str = "org/project") -> dict[str, Any]:
    return {"pull_request": {"base": {"sha": base}, "head": {"repo": {"full_name": project}}}}


def _only(jobs: dict[str, JobRun]) -> JobRun:
    assert list(jobs) == ["images"]
    return jobs["images"]


def _calls(service: Emulator) -> int:
    """Return how many billed calls were made since the last time."""
    answered = service.state.calls()[0]
    now = sum(answered.get(name, 0) for name in ("ImageModeration", "ImageBatchModeration", "ImageAsyncModeration"))
    before, service.counted = getattr(service, "counted", 0), now  # type: ignore[attr-defined]
    return now - before


each_workflow = pytest.mark.parametrize("workflow", [WORKFLOW, SHORT], ids=["sample", "action"])


@each_workflow
def test_twelve_of_five_thousand_are_twelve_calls_and_the_next_push_makes_none(
    repository: Repository, runner: GithubRunner, service: Emulator, workflow: Any
) -> None:
    tree: dict[str, Any] = {f"assets/{number // 100}/{number}.png": _image(str(number)) for number in range(5_000)}
    base = repository.commit(**tree, **{".moderateignore": "fixtures/broken/\n"})
    changed = {f"assets/{number}/{number * 100}.png": _image(f"{number} anew") for number in range(5)}
    added = {f"assets/új/{number} x.PNG": _image(f"{number} added") for number in range(7)}
    repository.commit(
        **changed, **added, **{"fixtures/broken/cut.png": b"\x89PNG\r\n\x1a\n, cut", "assets/0/1.png": None}
    )
    first = _only(runner.run(workflow, "pull_request", _pull_request(base)))
    assert first.code == ExitCode.OK, first.stderr
    assert _calls(service) == 12
    repository.commit(**{"readme.txt": "no image"})
    second = _only(runner.run(workflow, "pull_request", _pull_request(base)))
    assert second.code == ExitCode.OK, second.stderr
    assert _calls(service) == 0
    repository.commit(**{"assets/one more.png": _image("one more")})
    third = _only(runner.run(workflow, "pull_request", _pull_request(base)))
    assert third.code == ExitCode.OK, third.stderr
    assert _calls(service) == 1


def test_every_name_of_an_image_is_one(repository: Repository, runner: GithubRunner, service: Emulator) -> None:
    """No list of globs can fall behind what the program knows."""
    base = repository.commit(**{"assets/old.png": _image("old")})
    suffixes = {*IMAGE_SUFFIXES, ".jfif", ".jpe", ".apng", ".jxl", ".svgz", ""}
    repository.commit(**{f"assets/a name{suffix.upper()}": _image(suffix) for suffix in suffixes})
    done = _only(runner.run(WORKFLOW, "pull_request", _pull_request(base)))
    assert done.code == ExitCode.OK, done.stderr
    assert _calls(service) == len(suffixes)


@each_workflow
def test_a_push_judges_the_whole_tree_once(
    repository: Repository, runner: GithubRunner, service: Emulator, workflow: Any
) -> None:
    repository.commit(**{f"assets/{number}.png": _image(str(number)) for number in range(30)})
    first = _only(runner.run(workflow, "push", {}))
    assert first.code == ExitCode.OK, first.stderr
    assert _calls(service) == 30
    repository.commit(**{f"assets/{number}.png": _image(f"{number} anew") for number in range(3)})
    second = _only(runner.run(workflow, "push", {}))
    assert second.code == ExitCode.OK, second.stderr
    assert _calls(service) == 3


@each_workflow
def test_what_a_failed_job_paid_for_is_kept(
    repository: Repository, runner: GithubRunner, service: Emulator, workflow: Any
) -> None:
    base = repository.commit(**{"assets/old.png": _image("old")})
    repository.commit(**{"assets/bad-1.png": _image("bad"), "assets/good.png": _image("good")})
    first = _only(runner.run(workflow, "pull_request", _pull_request(base)))
    assert first.code == ExitCode.FOUND, first.stderr
    assert first.stdout.startswith("::error file=assets/bad-1.png,")
    assert "2 inputs: 1 high, 1 none." in first.summary
    assert first.summary.count("## ") == 1  # and none that tells that no frames were asked for
    assert _calls(service) == 2
    second = _only(runner.run(workflow, "pull_request", _pull_request(base)))
    assert (second.code, _calls(service)) == (ExitCode.FOUND, 0)


def test_both_reports_are_uploaded_whatever_was_found(repository: Repository, runner: GithubRunner) -> None:
    """Code scanning misses one that a branch has and a pull request has not."""
    repository.commit(**{"assets/bad-1.png": _image("bad")})
    uploads = _only(runner.run(WORKFLOW, "push", {})).uploads
    rules = {
        name: [result["ruleId"] for result in json.loads(text)["runs"][0]["results"]] for name, text in uploads.items()
    }
    assert rules == {"moderate": ["violent_explosion"], "moderate-frames": []}


@pytest.mark.parametrize("project", ["stranger/project", None])
def test_a_fork_is_told_and_passes_without_a_call(
    repository: Repository, runner: GithubRunner, service: Emulator, project: str | None
) -> None:
    base = repository.commit(**{"assets/old.png": _image("old")})
    repository.commit(**{"assets/bad-1.png": _image("bad")})
    payload = _pull_request(base, project or "")
    if project is None:  # the fork was deleted
        payload["pull_request"]["head"]["repo"] = None
    jobs = runner.run(WORKFLOW, "pull_request", payload, is_fork=True)
    assert list(jobs) == ["fork"]
    assert (jobs["fork"].code, _calls(service)) == (ExitCode.OK, 0)
    assert jobs["fork"].stdout.startswith("::warning title=Images not judged::")


def test_secrets_that_are_missing_elsewhere_fail_the_job(repository: Repository, runner: GithubRunner) -> None:
    """As with those that somebody forgot to set, or of Dependabot: only forks pass."""
    base = repository.commit(**{"assets/old.png": _image("old")})
    repository.commit(**{"assets/new.png": _image("new")})
    done = _only(runner.run(WORKFLOW, "pull_request", _pull_request(base), is_fork=True))
    assert done.code == ExitCode.FATAL, done.stderr
    short = _only(runner.run(SHORT, "pull_request", _pull_request(base), is_fork=True))
    assert (short.code, short.outputs) == (ExitCode.FATAL, {"exit-code": "4"})


# --------------------------------------------------------------------------------------------------------- the action


def _with(**inputs: str) -> Any:
    step = {"uses": ACTION, "with": inputs, "env": {name: f"${{{{ secrets.{name} }}}}" for name in SECRETS}}
    return {True: {"push": None}, "jobs": {"images": {"steps": [step]}}}


def test_the_action_takes_names_for_names(repository: Repository, runner: GithubRunner, service: Emulator) -> None:
    names = ["$(touch stolen).png", "`touch stolen`.png", "--endpoint=nowhere.png", "a b.png"]
    repository.commit(**{name: _image(name) for name in [*names, "not asked for.png"]})
    done = _only(runner.run(_with(sources="\n".join(["", *names, "  "])), "push", {}))
    assert done.code == ExitCode.OK, done.stderr
    assert _calls(service) == len(names)
    assert not (repository.folder / "stolen").exists()


def test_its_inputs_say_what_is_installed_and_what_fails(repository: Repository, runner: GithubRunner) -> None:
    repository.commit(**{"bad-1.png": _image("bad")})
    done = _only(runner.run(_with(**{"fail-on": "never", "sarif": "out.sarif", "install-from": "a.whl"}), "push", {}))
    assert (done.code, done.outputs) == (ExitCode.OK, {"exit-code": "0"}), done.stderr
    assert {path.name for path in repository.folder.glob("*.sarif")} == {"out.sarif", "out-frames.sarif"}
    runner.run(_with(), "push", {})
    runner.variables = {}  # an endpoint is not for the local engine
    local = _only(runner.run(_with(profile="local"), "push", {}))
    assert local.code == ExitCode.OK, local.stderr  # the local engine has no rules
    assert runner.tools.installs[0] == "pip install --quiet a.whl"
    assert [line.rpartition("moderate/")[2] for line in runner.tools.installs[1:]] == ["../../..", "../../..[local]"]
