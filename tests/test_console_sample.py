"""The workflow for GitHub that plans what a rules file changes, and applies it on main, from the event to the push."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from github_runner import GithubRunner, JobRun
from pipelines import yaml_of
from repositories import Repository
from rules_files import SERVICE, write_pictures

from moderate_cli.account import LOCK_NAME
from moderate_cli.client import Credentials, ManagementClient
from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import AccessKey, Emulator, Fault

SECRETS = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAICanary",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "CanarySecret0123456789abcdefgh",  # of conftest.py: it stays unseen
}
WORKFLOW = yaml_of("github-console.yaml")
RULES = f"""version: 1
services: {{{SERVICE}: {{exempt: [brand]}}}}
image_libraries: {{brand: {{images: brand}}}}
keyword_libraries: {{slang: {{keywords: [alpha]}}}}
"""


@pytest.fixture
def service() -> Iterator[Emulator]:
    with Emulator() as emulator:
        emulator.add_key(AccessKey(*SECRETS.values()))
        yield emulator


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.begin(tmp_path / "repository")
    write_pictures(tmp_path / "repository" / "brand", 3)
    repository.commit(**{"moderate-rules.yaml": RULES})
    origin = Repository.begin(tmp_path / "origin")
    origin.git("config", "receive.denyCurrentBranch", "ignore")
    repository.git("remote", "add", "origin", str(origin.folder))
    repository.git("push", "--quiet", "origin", "main")
    return repository


@pytest.fixture
def runner(repository: Repository, service: Emulator, tmp_path: Path) -> GithubRunner:
    return GithubRunner(repository, tmp_path / "runner", SECRETS, {"MODERATE_ENDPOINT": service.endpoint})


def _pull_request(project: str = "org/project") -> dict[str, Any]:
    return {"pull_request": {"head": {"repo": {"full_name": project}}}}


def _only(jobs: dict[str, JobRun], name: str) -> JobRun:
    assert list(jobs) == [name]
    return jobs[name]


def _libraries(service: Emulator) -> list[str]:
    with ManagementClient(Credentials(*SECRETS.values()), endpoint=service.endpoint) as client:
        return [each.name for each in (*client.image_libraries(), *client.keyword_libraries())]


def test_a_pull_request_shows_the_plan_and_changes_nothing(runner: GithubRunner, service: Emulator) -> None:
    done = _only(runner.run(WORKFLOW, "pull_request", _pull_request()), "plan")
    assert done.code == ExitCode.OK, done.stderr
    assert done.summary == f"````\n{done.stdout}````\n"
    assert "+ 3 images in brand\n" in done.stdout
    assert _libraries(service) == []


def test_a_push_applies_it_and_commits_the_lock_file(
    runner: GithubRunner, repository: Repository, service: Emulator
) -> None:
    done = _only(runner.run(WORKFLOW, "push", {}), "apply")
    assert done.code == ExitCode.OK, done.stderr
    assert _libraries(service) == ["brand", "slang"]
    assert repository.git("status", "--porcelain") == ""
    lock = json.loads(repository.git("show", f"origin/main:{LOCK_NAME}"))
    assert len(lock["image_libraries"]["brand"]["images"]) == 3
    commits = repository.git("rev-list", "HEAD").split()
    again = _only(runner.run(WORKFLOW, "push", {}), "apply")
    assert again.code == ExitCode.OK, again.stderr
    assert repository.git("rev-list", "HEAD").split() == commits, "there is nothing to commit"
    plan = _only(runner.run(WORKFLOW, "pull_request", _pull_request()), "plan")
    assert plan.stdout == "nothing to change\n"


def test_what_was_uploaded_before_a_failure_is_locked(
    runner: GithubRunner, repository: Repository, service: Emulator
) -> None:
    service.faults.add([Fault("UpdateImageLibFreeInspection", status=403, code="NoPermission", times=None)])
    done = _only(runner.run(WORKFLOW, "push", {}), "apply")
    assert done.code == ExitCode.FATAL
    assert LOCK_NAME in repository.git("ls-tree", "--name-only", "origin/main")


def test_a_broken_rules_file_fails_the_pull_request(runner: GithubRunner, repository: Repository) -> None:
    repository.commit(**{"moderate-rules.yaml": RULES.replace("exempt: [brand]", "exempt: [brnd]")})
    done = _only(runner.run(WORKFLOW, "pull_request", _pull_request()), "plan")
    assert done.code == ExitCode.USAGE
    assert "unknown library 'brnd', did you mean 'brand'?" in done.stderr


def test_a_fork_is_not_planned(runner: GithubRunner) -> None:
    assert runner.run(WORKFLOW, "pull_request", _pull_request("stranger/project"), is_fork=True) == {}
