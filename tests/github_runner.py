"""What GitHub does with a workflow: which jobs and steps run, with which values, and what the cache brings back.

Steps that run a shell are run by it, word for word. Of the actions that they use, those of the cache are done here, and
the others are only noted down.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from github_expressions import evaluate, expand
from repositories import Repository
from runner_tools import RunnerTools

ROOT = Path(__file__).parents[1]
ACTION = "OWNER/moderate/.github/actions/moderate@COMMIT"
# How a step's shell is called: GitHub's page "Workflow syntax for GitHub Actions", on `shell`.
_SHELLS = {None: ("bash", "-e"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail")}


@dataclass
class JobRun:
    """What became of a job."""

    code: int = 0
    stdout: str = ""
    stderr: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, str] = field(default_factory=dict)
    """The SARIF files by their categories."""


@dataclass
class GithubRunner:
    """Runs workflows over one repository; `folder` is where all of a runner lies, and the cache between its runs."""

    repository: Repository
    folder: Path
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        self.tools = RunnerTools(self.folder / "tools")

    def run(self, workflow: Any, event: str, payload: Mapping[str, Any], *, is_fork: bool = False) -> dict[str, JobRun]:
        """Run the jobs that an event starts, on a new machine each; those of a fork see no secrets."""
        assert event in workflow[True]  # YAML reads `on` as true
        self.runs += 1
        github = {"event_name": event, "event": payload, "repository": "org/project", "run_id": str(self.runs)}
        contexts = {"github": github | {"run_attempt": "1"}, "secrets": {} if is_fork else self.secrets}
        jobs = {}
        for name, job in workflow["jobs"].items():
            run = _Job(self, contexts, workflow.get("env", {}), name)
            if run.is_wanted(job.get("if", "true")):
                run.steps(job["steps"])
                jobs[name] = run.done
        return jobs


class _Job:
    def __init__(
        self, runner: GithubRunner, contexts: Mapping[str, Any], variables: Mapping[str, str], name: str
    ) -> None:
        self.done = JobRun()
        self._runner = runner
        self._temp = runner.folder / "_temp"  # a runner's path is the same each time, and the cache's key has it
        shutil.rmtree(self._temp, ignore_errors=True)
        self._temp.mkdir(parents=True)
        self._contexts = {**contexts, "runner": {"temp": str(self._temp)}, "steps": {}, "inputs": {}}
        self._contexts["github"] = {**contexts["github"], "job": name}
        self._variables = dict(variables)

    def is_wanted(self, condition: str) -> bool:
        if condition == "true":
            return True
        functions = {"always": lambda: True, "hashFiles": self._hash_files}
        return bool(evaluate(condition, self._contexts, functions))

    def steps(self, steps: list[Any]) -> None:
        """Run each step that is due: after a failure only those that say `always()`."""
        for step in steps:
            if self.done.code and "always()" not in step.get("if", ""):
                continue
            if self.is_wanted(step.get("if", "true")):
                self._step(step)

    def _step(self, step: Any) -> None:
        given = {name: self._expanded(value) for name, value in step.get("with", {}).items()}
        variables = {name: self._expanded(value) for name, value in step.get("env", {}).items()}
        if "run" in step:
            assert "${{" not in step["run"]
            self._run(step, variables)
        elif step["uses"] == ACTION:
            self._composite(given, variables)
        else:
            self._use(step["uses"].partition("@")[0], given, step.get("id"))

    def _run(self, step: Any, variables: Mapping[str, str]) -> None:
        output, summary = self._temp / "output", self._temp / "summary"
        output.write_text("")
        done = subprocess.run(
            [*_SHELLS[step.get("shell")], "-c", step["run"]],
            cwd=self._runner.repository.folder,
            env={
                **os.environ,
                "PATH": self._runner.tools.path,
                "RUNNER_TEMP": str(self._temp),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_ACTION_PATH": str(ROOT / ".github" / "actions" / "moderate"),
                **self._runner.variables,
                **self._variables,
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        self.done.code = self.done.code or done.returncode
        self.done.stdout += done.stdout
        self.done.stderr += done.stderr
        self.done.summary += summary.read_text(encoding="utf-8") if summary.exists() else ""
        summary.unlink(missing_ok=True)
        if "id" in step:
            lines = output.read_text().splitlines()
            self._contexts["steps"][step["id"]] = {"outputs": dict(line.split("=", 1) for line in lines)}

    def _composite(self, given: Mapping[str, str], variables: Mapping[str, str]) -> None:
        action = yaml.safe_load((ROOT / ".github/actions/moderate/action.yml").read_text(encoding="utf-8"))
        assert given.keys() <= action["inputs"].keys()
        before = self._variables
        self._contexts["inputs"] = {name: each["default"] for name, each in action["inputs"].items()} | dict(given)
        self._variables = {**self._variables, **variables}
        self.steps(action["runs"]["steps"])
        self.done.outputs = {name: self._expanded(each["value"]) for name, each in action["outputs"].items()}
        self._variables = before

    def _use(self, action: str, given: Mapping[str, str], step: str | None) -> None:
        if action == "actions/cache/restore":
            self._restore(Path(given["path"]), [given["key"], *given["restore-keys"].split()])
        elif action == "actions/cache/save":
            if Path(given["path"]).exists():
                shutil.copytree(given["path"], self._runner.folder / "cache" / given["key"])
        elif action == "github/codeql-action/upload-sarif":
            self._upload((self._runner.repository.folder / given["sarif_file"]).read_text(encoding="utf-8"), given)
        elif action == "actions/setup-python":
            path = str(self._runner.tools.folder / "python3")
            self._contexts["steps"][step] = {"outputs": {"python-path": path}}
        else:
            assert action == "actions/checkout"

    def _upload(self, report: str, given: Mapping[str, str]) -> None:
        """Note a report by the category that the file itself names, and only else by that of the step."""
        (run,) = json.loads(report)["runs"]
        category = run.get("automationDetails", {}).get("id", given["category"] + "/").rpartition("/")[0]
        assert category not in self.done.uploads  # code scanning would put it in the place of the other
        self.done.uploads[category] = report

    def _restore(self, path: Path, keys: list[str]) -> None:
        """Bring back the newest entry whose key begins with the first of some keys that finds one."""
        entries = sorted((self._runner.folder / "cache").glob("*"), key=lambda entry: entry.stat().st_ctime_ns)
        for key in keys:
            if found := [entry for entry in entries if entry.name.startswith(key)]:
                shutil.copytree(found[-1], path)
                return

    def _hash_files(self, pattern: str) -> str:
        return "a hash" if list(self._runner.repository.folder.glob(pattern)) else ""

    def _expanded(self, value: Any) -> str:
        return expand(str(value), self._contexts, {})
