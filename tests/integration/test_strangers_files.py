"""No file of a pull request decides about the gate: the pipelines of the samples, with a change that tries each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from faults import JUDGED, FaultServer, faults
from pipelines import Pipeline, azure, github, gitlab, jenkins
from repositories import Repository
from rule_builders import laying_down

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import AccessKey, Emulator
from moderate_cli.rules import FixedVerdict
from moderate_cli.settings.locate import user_file

MODERATE = Path(sys.executable).with_name("moderate")
HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
DATA = Path(__file__).parents[1] / "data"
POSTER, LANDSCAPE = (DATA / "poster-qr.png").read_bytes(), (DATA / "landscape.jpg").read_bytes()
SECRETS = ("CanarySecret0123456789abcdefgh", "CanaryToken0123456789abcdefghij")  # of conftest.py: they stay unseen
ALL = "all together"
# Files that a pull request adds, by what it tries; {evil} is a service that finds nothing.
N3 = {
    "another endpoint": {"moderate.yaml": "endpoint: {evil}\n"},
    "the local engine": {"moderate.yaml": "profile: local\n"},
    "a profile": {"moderate.yaml": "profile: p\nprofiles:\n  p:\n    endpoint: {evil}\n"},
    "another region": {"moderate.yaml": "region: cn-beijing\nfailover: [cn-shanghai]\n"},
    "other services": {"moderate.yaml": "services: generalOcr\ninfo_types: []\n"},
    "no gate": {"moderate.yaml": "fail_on: never\nrequire_full: false\nallow_partial: true\nmin_level: high\n"},
    "a store of clean verdicts": {"moderate.yaml": "store: clean.db\nreuse: forever\n", "clean.db": "{clean}"},
    "nothing to judge": {"moderate.yaml": "include: ['*.nothing']\nexclude: ['*']\n"},
    "its own trust": {"moderate.yaml": "endpoint: {evil}\ntrusted_folders: [/]\n"},
}
N4 = {
    "all findings suppressed": {".moderate-suppressions.yaml": "- {path: '**', label: '*', reason: trust me}\n"},
    "the same by the former name": {".moderateallow.yaml": "- {path: '**', label: '*', reason: trust me}\n"},
    "one .gitignore": {".gitignore": "assets/*\n"},
    "one .moderateignore": {".moderateignore": "assets/*\n"},
    "an ignore file beside the images": {"assets/.moderateignore": "*\n"},
}
SETTINGS = "endpoint: {evil}\nprofile: local\nfail_on: never\nstore: clean.db\nreuse: forever\nexclude: ['*']\n"
TRIES: dict[str, dict[str, str]] = N3 | N4
TRIES[ALL] = {name: text for files in TRIES.values() for name, text in files.items()} | {"moderate.yaml": SETTINGS}


@dataclass(frozen=True)
class Service:
    """An emulator that finds the code on the poster, and a store with what a lenient one at its place found."""

    endpoint: str
    clean: bytes


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("lenient")
    with Emulator(rules=laying_down(FixedVerdict([], name="*"))) as lenient:
        lenient.add_key(AccessKey("LTAICanary", *SECRETS))
        endpoint, port = lenient.endpoint, int(lenient.endpoint.rpartition(":")[2])
        (folder / "config.yaml").write_text(f"endpoint: {endpoint}\n")
        (folder / "poster.png").write_bytes(POSTER)
        variables = {**_keys(), "MODERATE_STORE": str(folder / "clean.db")}
        done = _moderate(folder, "sync", "poster.png", "--config", "config.yaml", "--fail-on", "low", **variables)
        assert done.returncode == ExitCode.OK, done.stderr
    with Emulator(port=port) as emulator:
        emulator.add_key(AccessKey("LTAICanary", *SECRETS))
        yield Service(endpoint, (folder / "clean.db").read_bytes())


@pytest.fixture(autouse=True)
def own_settings(service: Service) -> None:
    """The runner's own file, which no change can reach, names the service."""
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text(f"endpoint: {service.endpoint}\n")


@pytest.fixture
def evil() -> Iterator[FaultServer]:
    with faults(JUDGED) as server:
        yield server


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository whose base has an image."""
    repository = Repository.begin(tmp_path / "repository")
    repository.commit(**{"assets/old.jpg": LANDSCAPE})
    return repository


def _keys() -> dict[str, str]:
    names = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN")
    return dict(zip(names, ("LTAICanary", *SECRETS), strict=True))


def _moderate(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MODERATE, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _files(attempt: str, service: Service, evil: FaultServer) -> dict[str, str | bytes]:
    return {
        name: service.clean if text == "{clean}" else text.replace("{evil}", evil.endpoint)
        for name, text in TRIES[attempt].items()
    }


def _pipeline(name: str, repository: Repository, base: str) -> Pipeline:
    """Return the pipeline of a change request for the branch that ends with a commit."""
    repository.git("update-ref", "refs/remotes/origin/main", base)
    if name in _BY_BRANCH:
        return _BY_BRANCH[name]("main")
    return {"github": github, "gitlab": gitlab}[name](base)


_BY_BRANCH = {"jenkins": jenkins, "azure": azure}
each_pipeline = pytest.mark.parametrize("pipeline", ["github", "gitlab", "jenkins", "azure"])


@each_pipeline
@pytest.mark.parametrize("attempt", TRIES)
def test_a_pull_request_cannot_suppress_its_own_findings(
    repository: Repository, service: Service, evil: FaultServer, pipeline: str, attempt: str
) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.commit(**{"assets/poster.png": POSTER}, **_files(attempt, service, evil))
    done = _pipeline(pipeline, repository, base).run(repository, **_keys())
    assert done.returncode == ExitCode.FOUND, done.stderr
    assert "QRCode" in done.stdout
    assert evil.requests == []
    for name in TRIES[attempt]:
        if name != "clean.db":
            place = "origin/main" if pipeline in _BY_BRANCH else base[:12]
            assert f"the working tree's {name} is ignored: policy from {place}" in done.stderr
    assert not [name for name in repository.git("status", "--porcelain").splitlines() if "moderate.db" in name]


@each_pipeline
def test_a_clean_pull_request_passes_with_all_that(
    repository: Repository, service: Service, evil: FaultServer, pipeline: str
) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.commit(**{"assets/new.jpg": LANDSCAPE}, **_files(ALL, service, evil))
    done = _pipeline(pipeline, repository, base).run(repository, **_keys())
    assert done.returncode == ExitCode.OK, done.stderr
    assert evil.requests == []


@pytest.mark.parametrize("attempt", N3)
def test_nor_where_nothing_names_a_base(
    repository: Repository, service: Service, evil: FaultServer, attempt: str
) -> None:
    repository.commit(**{"assets/poster.png": POSTER}, **_files(attempt, service, evil))
    done = _moderate(repository.folder, "sync", "assets", "--fail-on", "high", "-q", **_keys())
    assert done.returncode == ExitCode.FOUND, done.stderr
    assert evil.requests == []
    (told,) = [line for line in done.stderr.splitlines() if "moderate.yaml" in line]
    assert told.startswith("moderate: settings from moderate.yaml (not trusted: ")
    assert "`moderate config trust` trusts this folder" in told
    assert told.endswith(f"; endpoint {service.endpoint}")


def test_the_store_of_clean_verdicts_would_do_it(repository: Repository, service: Service, evil: FaultServer) -> None:
    """Else the tests above would show nothing."""
    repository.commit(**{"assets/poster.png": POSTER}, **_files("a store of clean verdicts", service, evil))
    arguments = ("sync", "assets/poster.png", "--fail-on", "high")
    done = _moderate(repository.folder, *arguments, "--config", "moderate.yaml", **_keys())
    assert (done.returncode, json.loads(done.stdout)["reused"]) == (ExitCode.OK, True), done.stderr


# --- a project's own settings


OWN = {
    "moderate.yaml": "services: baselineCheck_global_01\nexclude: [broken]\nfail_on: high\n",
    ".moderateignore": "drafts\n",
    "assets/broken/fixture.png": "no image",
    "assets/drafts/x.png": "no image either",
}


@pytest.fixture
def settled(repository: Repository) -> Repository:
    """A repository with settings of its own, and a clean change that touches what they leave out."""
    repository.commit(**OWN)
    change: dict[str, str | bytes] = {"assets/broken/fixture.png": "still none", "assets/drafts/x.png": "nor that"}
    repository.commit(**change, **{"assets/new.jpg": LANDSCAPE})
    return repository


@each_pipeline
def test_a_projects_own_settings_count_in_its_pipelines(settled: Repository, pipeline: str) -> None:
    base = settled.git("rev-parse", "HEAD~1")
    done = _pipeline(pipeline, settled, base).run(settled, **_keys())
    assert done.returncode == ExitCode.OK, done.stderr
    assert "does not count" not in done.stderr
    place = "origin/main" if pipeline in _BY_BRANCH else base[:12]
    assert f"moderate: settings from {place}:moderate.yaml (policy from {place}) and ~" in done.stderr or (
        f"moderate: settings from {place}:moderate.yaml (policy from {place}) and {user_file()}" in done.stderr
    )
    if pipeline == "gitlab":
        lines = (settled.folder / "moderate.jsonl").read_text(encoding="utf-8").splitlines()
        assert _services(map(json.loads, lines)) == {"assets/new.jpg": ["baselineCheck_global_01"]}


def test_and_on_a_laptop_once_its_folder_is_trusted(settled: Repository) -> None:
    arguments = ("sync", "assets", "-f", "jsonl")
    before = _moderate(settled.folder, *arguments, **_keys())
    assert before.returncode == ExitCode.INCOMPLETE
    assert "not trusted: services, exclude ignored" in before.stderr
    assert _moderate(settled.folder, "config", "trust").returncode == ExitCode.OK
    after = _moderate(settled.folder, *arguments, **_keys())
    assert after.returncode == ExitCode.OK, after.stderr
    found = _services(map(json.loads, after.stdout.splitlines()))
    assert found == {name: ["baselineCheck_global_01"] for name in ("assets/old.jpg", "assets/new.jpg")}
    assert "not trusted" not in after.stderr


def test_and_so_does_the_hook(settled: Repository) -> None:
    """Which is given names, of those too that the project leaves out."""
    hook = next(hook for hook in yaml.safe_load(HOOKS.read_text(encoding="utf-8")) if hook["id"] == "moderate")
    staged = ["assets/broken/fixture.png", "assets/drafts/x.png", "assets/new.jpg"]
    arguments = [*hook["entry"].split()[1:], *hook["args"], *staged]
    assert _moderate(settled.folder, *arguments, **_keys()).returncode == ExitCode.INCOMPLETE
    _moderate(settled.folder, "config", "trust")
    done = _moderate(settled.folder, *arguments, **_keys())
    assert done.returncode == ExitCode.OK, done.stderr


def _services(records: Iterator[dict[str, Any]]) -> dict[str, list[str]]:
    return {record["source"]: record["services"] for record in records}
