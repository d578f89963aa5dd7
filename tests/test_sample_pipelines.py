"""The pipelines and the hooks of the sample configurations, run on a real repository; of the container what can be."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from PIL import Image
from pipelines import SAMPLES, Pipeline, azure, github, gitlab, jenkins, text_of, yaml_of
from repositories import Repository
from runner_tools import RunnerTools

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator
from moderate_cli.sources.folders import IMAGE_SUFFIXES

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
ACTION = ROOT / ".github" / "actions" / "moderate" / "action.yml"
POSTER, LANDSCAPE = (DATA / "poster-qr.png").read_bytes(), (DATA / "landscape.jpg").read_bytes()
LOCAL = {"MODERATE_PROFILE": "local"}
INSTALLS = ["pip install moderate-cli @ git+https://github.com/OWNER/moderate@COMMIT"]
OURS = ("gitlab-ci.yml", "github-actions.yaml", "Jenkinsfile", "azure-pipelines.yml")

pytestmark = pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")


# ---------------------------------------------------------------------------------------------------- what is judged


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with a clean image in its first commit, and others and a text in its second."""
    repository = Repository.begin(tmp_path / "repository")
    repository.commit(**{"assets/old.jpg": LANDSCAPE})
    added = {"assets/new poster.PNG": POSTER, "readme.txt": "no image"}
    repository.commit(**added, **{"assets/old.jpg": None})
    return repository


def _base(repository: Repository) -> str:
    """Return the first commit, to which the branch `origin/main` is set."""
    base = repository.git("rev-list", "--max-parents=0", "HEAD")
    repository.git("update-ref", "refs/remotes/origin/main", base)
    return base


CHANGES: dict[str, Callable[[str], Pipeline]] = {
    "github": github,
    "gitlab": gitlab,
    "jenkins": lambda _: jenkins("main"),
    "azure": lambda _: azure("refs/heads/main"),
}
PUSHES: dict[str, Callable[[], Pipeline]] = {"github": github, "gitlab": gitlab, "jenkins": jenkins, "azure": azure}
REPORTED = ("gitlab", "jenkins", "azure")  # by JUnit
each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
each_push = pytest.mark.parametrize("push", PUSHES.values(), ids=PUSHES)


def _cases(path: Path) -> dict[str, bool]:
    """Return the images that a JUnit report has a case of, and which failed."""
    cases = ElementTree.parse(path).iter("testcase")
    return {Path(str(case.get("name"))).name: case.find("failure") is not None for case in cases}


@pytest.mark.parametrize("name", REPORTED)
def test_a_change_is_judged_by_what_it_adds(repository: Repository, name: str) -> None:
    done = CHANGES[name](_base(repository)).run(repository, **LOCAL)
    assert done.returncode == ExitCode.FOUND, done.stderr
    assert "QRCode" in done.stdout
    assert _cases(repository.folder / "moderate.xml") == {"new poster.PNG": True}
    assert (repository.folder / "moderate.html").stat().st_size
    assert not (repository.folder / "moderate-frames.xml").exists()
    installs = RunnerTools(Path(f"{repository.folder}-tools")).installs
    assert [line.replace(" --quiet", "") for line in installs if "pip" in line] == INSTALLS


@each_change
def test_a_change_without_images_passes(repository: Repository, change: Callable[[str], Pipeline]) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.git("update-ref", "refs/remotes/origin/main", base)
    repository.commit(**{"readme.txt": "still none"})
    done = change(base).run(repository, **LOCAL)
    assert done.returncode == ExitCode.OK, done.stderr


@each_change
def test_a_base_that_is_missing_fails_the_pipeline(repository: Repository, change: Callable[[str], Pipeline]) -> None:
    done = change("0" * 40).run(repository, **LOCAL)
    assert done.returncode not in {ExitCode.OK, ExitCode.FOUND}


@each_push
def test_a_push_judges_the_whole_tree_and_pays_once(
    repository: Repository, emulator: Emulator, account: dict[str, str], push: Callable[[], Pipeline]
) -> None:
    repository.commit(**{"assets/old.jpg": LANDSCAPE, ".moderateignore": "broken/\n", "broken/cut.png": "no image"})
    first = push().run(repository, **account)
    assert first.returncode == ExitCode.FOUND, first.stderr
    assert emulator.state.calls()[0]["ImageModeration"] == 2
    repository.git("clean", "-qxdf", "--exclude=.moderate-cache")  # where GitLab's cache brings it back
    if push is gitlab:
        shutil.rmtree(f"{repository.folder}.tmp")
    second = push().run(repository, **account)
    assert second.returncode == ExitCode.FOUND, second.stderr
    assert emulator.state.calls()[0]["ImageModeration"] == 2


def _animation() -> bytes:
    """Return a GIF whose sixth frame is the poster."""
    frames = [Image.open(DATA / "landscape.jpg").resize((400, 300)).rotate(turn) for turn in range(6)]
    frames[5] = Image.new("RGB", (400, 300), "white")
    frames[5].paste(Image.open(DATA / "poster-qr.png").convert("RGB").resize((300, 300)), (50, 0))
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return content.getvalue()


@each_change
def test_all_frames_and_slices_are_looked_at(repository: Repository, change: Callable[[str], Pipeline]) -> None:
    """A banner passes, since all of it was judged in the end, and a poster in an animation is found."""
    base = _base(repository)
    banner = io.BytesIO()
    Image.new("RGB", (1500, 500), "navy").save(banner, "PNG")
    changed = {"assets/banner.png": banner.getvalue(), "assets/party.gif": _animation()}
    repository.commit(**changed, **{"assets/new poster.PNG": None})
    done = change(base).run(repository, **LOCAL)
    assert done.returncode == ExitCode.FOUND, done.stderr
    assert "2 judged (2 none)" in done.stderr
    assert "2 judged (1 high, 1 none)" in done.stderr
    assert "QRCode" in done.stdout
    frames = repository.folder / "moderate-frames.xml"
    assert not frames.exists() or _cases(frames) == {"banner.png": False, "party.gif": True}


@pytest.mark.parametrize("pipeline", [gitlab("HEAD~1", fork=True), azure("main", fork=True)], ids=["gitlab", "azure"])
def test_a_fork_is_told_and_passes_without_a_call(
    repository: Repository, emulator: Emulator, account: dict[str, str], pipeline: Pipeline
) -> None:
    done = pipeline.run(repository, **account)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "Images not judged: " in done.stdout
    assert not sum(emulator.state.calls()[0].values())


def test_verdicts_that_somebody_commits_are_refused_where_the_cache_is_put(repository: Repository) -> None:
    repository.commit(**{".moderate-cache/store.db": "clean verdicts"})
    done = gitlab(_base(repository)).run(repository, **LOCAL)
    assert done.returncode not in {ExitCode.OK, ExitCode.INCOMPLETE}
    assert "Remove .moderate-cache from the commit" in done.stderr


# -------------------------------------------------------------------------------------------------- what is installed


@pytest.mark.parametrize("sample", OURS)
def test_one_variable_at_the_top_says_it(sample: str) -> None:
    text = text_of(sample)
    installs = [line.strip() for line in text.splitlines() if re.search(r"\bpip\b.*install ", line)]
    assert len(installs) == 1
    assert installs[0].endswith('install "$INSTALL_FROM"') or installs[0].endswith('install --quiet "$INSTALL_FROM"')
    assert len(re.findall(r"INSTALL_FROM\W+moderate-cli @ git\+https://github\.com/OWNER/moderate@COMMIT", text)) == 1
    assert text.index("INSTALL_FROM") < text.index(installs[0])


# ------------------------------------------------------------------------------------------ read by other programs


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (SAMPLES / "github-actions.yaml", "github-workflows"),
        (ACTION, "github-actions"),
        (SAMPLES / "gitlab-ci.yml", "gitlab-ci"),
        (SAMPLES / "azure-pipelines.yml", "azure-pipelines"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_vendors_schema_accepts_it(path: Path, schema: str) -> None:
    options = ["--regex-variant", "nonunicode", "--builtin-schema", f"vendor.{schema}"]
    done = _lint("check-jsonschema", *options, str(path))
    assert done.returncode == 0, done.stdout


def _shell_steps(path: Path) -> list[Any]:
    """Return what a workflow or an action gives to a shell."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    jobs = [document["runs"]] if "runs" in document else document["jobs"].values()
    return [step for job in jobs for step in job["steps"] if "run" in step]


def test_shellcheck_finds_nothing() -> None:
    scripts = [change("HEAD").script for change in CHANGES.values()]
    scripts += [step["run"] for path in (ACTION, SAMPLES / "github-actions.yaml") for step in _shell_steps(path)]
    for number, script in enumerate(scripts):
        shell = "sh" if script == jenkins().script else "bash"
        done = _lint("shellcheck", "--shell", shell, "-", stdin=script)
        assert done.returncode == 0, f"{number}: {done.stdout}"


@pytest.mark.parametrize("path", [ACTION, SAMPLES / "github-actions.yaml"], ids=lambda path: path.name)
def test_no_script_holds_an_expression(path: Path) -> None:
    """What an input or a branch is called reaches a script by its environment only, never as a part of it."""
    assert _shell_steps(path)
    assert not [step["run"] for step in _shell_steps(path) if "${{" in step["run"]]


def test_the_jenkinsfile_closes_what_it_opens() -> None:
    text = text_of("Jenkinsfile")
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")
    (results,), (kept,) = re.findall(r"testResults: '(.+?)'", text), re.findall(r"artifacts: '(.+?)'", text)
    for name in ("moderate", "moderate-frames"):
        assert Path(f"{name}.xml").match(results)
        assert Path(f"{name}.html").match(kept)


def _lint(program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)


# ----------------------------------------------------------------------------------------------------- the container


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", text_of("Containerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line]  # type: ignore[misc]


def test_hadolint_accepts_the_container_file() -> None:
    done = _lint("hadolint", str(SAMPLES / "Containerfile"))
    assert done.returncode == 0, done.stdout


def test_the_container_has_no_compiler_and_no_root() -> None:
    stages = [words.split() for name, words in _instructions() if name == "FROM"]
    assert [stage[0].partition(":")[2] for stage in stages] == ["3.13-bookworm", "3.13-slim-bookworm"]
    users = [words for name, words in _instructions() if name == "USER"]
    assert users
    assert int(users[-1]) > 0
    last = [words for name, words in _instructions()[_instructions().index(("FROM", stages[-1][0])) :] if name == "RUN"]
    assert not [words for words in last if re.search(r"gcc|build-essential|pip", words)]


def test_what_the_container_compiled_is_used_whatever_its_times_are(tmp_path: Path) -> None:
    """Else each start would print the warnings of old packages: its user may write nothing beside them."""
    module = tmp_path / "old_package.py"
    module.write_text('PATTERN = "\\d"\n')
    (command,) = [words for name, words in _instructions() if name == "RUN" and "compileall" in words]
    words = [str(tmp_path) if word == "/opt/moderate/lib" else word for word in shlex.split(command)]
    subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True, timeout=60)
    os.utime(module, (1, 1))
    command = ["-W", "error", "-c", "import old_package; print(old_package.PATTERN)"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("\\d\n", "")


# ----------------------------------------------------------------------------------------------------------- the hooks


def _hooks() -> dict[str, Any]:
    return {hook["id"]: hook for hook in yaml.safe_load(HOOKS.read_text(encoding="utf-8"))}


def test_the_sample_names_a_hook_with_its_own_arguments() -> None:
    (repository,) = yaml_of("pre-commit-config.yaml")["repos"]
    hook = _hooks()["moderate"]
    assert repository["hooks"] == [{"id": "moderate", "args": hook["args"]}]
    assert hook["args"][-1] == "--"
    other = re.findall(r"# - id: (.+)", text_of("pre-commit-config.yaml"))
    assert other == [name for name in _hooks() if name != "moderate"]
    assert _hooks()["moderate-local"]["additional_dependencies"] == [
        ".[local]"
    ]  # not of an index, where anybody may be


def test_the_hooks_take_every_name_of_an_image() -> None:
    for hook in _hooks().values():
        takes = re.compile(hook["files"])
        assert "types" not in hook  # pre-commit's own "image" has half of them
        for suffix in {*IMAGE_SUFFIXES, ".jfif", ".jpe", ".apng", ".jxl", ".svgz"}:
            assert takes.search(f"assets/x{suffix}")
            assert takes.search(f"X{suffix.upper()}")
        assert not takes.search("assets/png")
        assert not takes.search("readme.txt")


@pytest.mark.parametrize("name", ["moderate", "moderate-local"])
@pytest.mark.parametrize(("change", "code"), [("poster", 1), ("landscape", 0), ("--endpoint=nowhere.png", 1)])
def test_the_hook_in_a_repository(repository: Repository, name: str, change: str, code: int) -> None:
    hook = _hooks()[name]
    path = change if change.endswith(".png") else f"{change}.png"
    repository.write(path, LANDSCAPE if change == "landscape" else POSTER)
    repository.git("add", "--all")
    staged = repository.git("diff", "--cached", "--name-only", "-z").strip("\0").split("\0")
    assert staged == [path]
    # pre-commit puts the names of files behind the entry and its arguments.
    script = shlex.join([*shlex.split(hook["entry"]), *hook["args"], *staged])
    done = Pipeline(script, ("sh", "-c"), {}).run(repository, **(LOCAL if name == "moderate" else {}))
    assert done.returncode == code, done.stderr
    assert ("QRCode" in done.stdout) == bool(code)
