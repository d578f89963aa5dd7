"""The pipelines of the sample configurations, run as their runners do, but without installing anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from repositories import Repository

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
        program = Path(sys.executable).parent
        lines = [line for line in self.script.splitlines() if '" install ' not in line and "-m venv" not in line]
        script = "\n".join(line for line in lines if "pip install" not in line)
        return subprocess.run(
            [*self.shell, script.replace('"$WORKSPACE_TMP/venv/bin/moderate"', str(program / "moderate"))],
            cwd=repository.folder,
            env={
                **os.environ,
                "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
                **{name: text.format(top=repository.folder) for name, text in self.variables.items()},
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def text_of(sample: str) -> str:
    return (SAMPLES / sample).read_text(encoding="utf-8")


def yaml_of(sample: str) -> Any:
    return yaml.safe_load(text_of(sample))


def github(base: str) -> Pipeline:
    """Return the step that judges, with its variables as the runner fills them in."""
    (job,) = yaml_of("github-actions.yaml")["jobs"].values()
    (step,) = [step for step in job["steps"] if "moderate sync" in step.get("run", "")]
    store = step["env"]["MODERATE_STORE"].replace("${{ runner.temp }}", "{top}-temp")
    summary = "{top}-summary.md"
    return Pipeline(step["run"], _BASH, {"BASE": base, "MODERATE_STORE": store, "GITHUB_STEP_SUMMARY": summary})


def gitlab(base: str) -> Pipeline:
    job = yaml_of("gitlab-ci.yml")["moderate"]
    store = job["variables"]["MODERATE_STORE"].replace("$CI_PROJECT_DIR", "{top}")
    variables = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "MODERATE_STORE": store}
    return Pipeline("\n".join(job["script"]), _BASH, variables)


def jenkins(target: str | None = None) -> Pipeline:
    """Return the stage of a branch, or of a change request for another one."""
    (script,) = re.findall(r"sh '''(.+?)'''", text_of("Jenkinsfile"), re.DOTALL)
    variables = {"WORKSPACE_TMP": "{top}@tmp", **({"CHANGE_TARGET": target} if target else {})}
    return Pipeline(script.replace("\\\\", "\\"), ("sh", "-xe", "-c"), variables)
