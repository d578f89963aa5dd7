"""The pipelines of the sample configurations, run word for word as their runners do; nothing is installed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from repositories import Repository
from runner_tools import RunnerTools

SAMPLES = Path(__file__).parents[1] / "sample_configs"
_BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")


@dataclass(frozen=True)
class Pipeline:
    """What a runner runs: a script, its shell, and the variables that the sample and the runner set."""

    script: str
    shell: tuple[str, ...]
    variables: Mapping[str, str]

    def run(self, repository: Repository, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the script in the working tree of a repository; what a runner would put elsewhere lies beside it."""
        for folder in ("-temp", ".tmp", "@tmp"):
            Path(f"{repository.folder}{folder}").mkdir(exist_ok=True)
        return subprocess.run(
            [*self.shell, self.script],
            cwd=repository.folder,
            env={
                **os.environ,
                "PATH": RunnerTools(Path(f"{repository.folder}-tools")).path,
                **{name: text.format(top=repository.folder) for name, text in self.variables.items()},
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def text_of(sample: str) -> str:
    return (SAMPLES / sample).read_text(encoding="utf-8")


def yaml_of(sample: str) -> Any:
    return yaml.safe_load(text_of(sample))


def github(base: str = "") -> Pipeline:
    """Return the step that judges, of a pull request to a commit, or of a push."""
    (step,) = [
        step for step in yaml_of("github-actions.yaml")["jobs"]["images"]["steps"] if "jq" in step.get("run", "")
    ]
    store = step["env"]["MODERATE_STORE"].replace("${{ runner.temp }}", "{top}-temp")
    summary = "{top}-summary.md"
    variables = {"BASE": base, "MODERATE_STORE": store, "GITHUB_STEP_SUMMARY": summary, "RUNNER_TEMP": "{top}-temp"}
    return Pipeline(step["run"], _BASH, variables)


def gitlab(base: str = "", *, fork: bool = False) -> Pipeline:
    """Return the job of a merge request whose base is a commit, or of a push."""
    job = yaml_of("gitlab-ci.yml")["moderate"]
    variables = {name: str(text).replace("$CI_PROJECT_DIR", "{top}") for name, text in job["variables"].items()}
    variables |= {"CI_PROJECT_DIR": "{top}", "CI_PROJECT_ID": "2" if fork else "1"}
    if base:
        variables |= {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_MERGE_REQUEST_PROJECT_ID": "1"}
    return Pipeline("\n".join(job["script"]), _BASH, variables)


def jenkins(target: str | None = None) -> Pipeline:
    """Return the stage of a branch, or of a change request for another one."""
    (script,) = re.findall(r"sh '''(.+?)'''", text_of("Jenkinsfile"), re.DOTALL)
    (source,) = re.findall(r"INSTALL_FROM = '(.+?)'", text_of("Jenkinsfile"))
    variables = {"WORKSPACE_TMP": "{top}@tmp", "INSTALL_FROM": source, **({"CHANGE_TARGET": target} if target else {})}
    return Pipeline(script.replace("\\\\", "\\"), ("sh", "-xe", "-c"), variables)


def azure(target: str | None = None, *, fork: bool = False) -> Pipeline:
    """Return the script of a pull request to a branch, or of a push."""
    pipeline = yaml_of("azure-pipelines.yml")
    scripts = [step["bash"] for step in pipeline["steps"] if "bash" in step]
    store = pipeline["variables"]["MODERATE_STORE"].replace("$(Pipeline.Workspace)", "{top}-temp")
    variables = {"MODERATE_STORE": store, "INSTALL_FROM": pipeline["variables"]["INSTALL_FROM"]}
    variables["AGENT_TEMPDIRECTORY"] = "{top}.tmp"
    if target:
        variables |= {"SYSTEM_PULLREQUEST_TARGETBRANCH": target, "SYSTEM_PULLREQUEST_ISFORK": str(fork)}
    return Pipeline("\n".join(scripts), ("bash", "--noprofile", "--norc", "-c"), variables)
