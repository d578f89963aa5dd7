"""`moderate completion`: the scripts, and what the last word of a line can become."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shells import SCRIPTS

from moderate_cli.catalog.labels import labels
from moderate_cli.catalog.services import regions, services
from moderate_cli.cli import COMMANDS, load

Completed = Callable[..., list[str]]
UNWANTED = {"rich", "requests", "urllib3", "oss2", "yaml", "PIL", "numpy", "http.server"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def completed(moderate: Callable) -> Completed:
    """Return what the last of some words can become, as bash is told of it."""

    def completed(*words: str) -> list[str]:
        result = moderate("completion", "bash", "--", *words)
        assert (result.code, result.stderr) == (0, "")
        return result.stdout.splitlines()

    return completed


@pytest.mark.parametrize(
    ("shell", "name"), [("bash", "moderate.bash"), ("zsh", "_moderate"), ("fish", "moderate.fish")]
)
def test_the_scripts_in_completions_are_those_that_are_printed(moderate: Callable, shell: str, name: str) -> None:
    result = moderate("completion", shell)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout.encode() == (SCRIPTS / name).read_bytes()
    assert f"printed by: moderate completion {shell}\n" in result.stdout


def test_nothing_else_is_in_completions() -> None:
    assert sorted(path.name for path in SCRIPTS.iterdir()) == ["_moderate", "moderate.bash", "moderate.fish"]


def test_a_shell_without_a_script(moderate: Callable) -> None:
    assert moderate("completion", "tcsh").code == 2


def test_commands(completed: Completed) -> None:
    assert completed("") == [entry.name for entry in COMMANDS]
    assert completed("sy") == ["sync"]
    assert completed("config", "") == ["show", "init", "path", "trust", "untrust"]
    assert sorted(completed("-")) == ["--help", "--version", "-h"]
    assert completed("nonsense", "") == []


def test_help_stands_beside_a_candidate(moderate: Callable) -> None:
    lines = moderate("completion", "fish", "--", "sync", "--prof").stdout.splitlines()
    assert lines == ["--profile\tProfile, or local, which needs no account: the local engine."]
    lines = moderate("completion", "zsh", "--", "sync", "--region", "eu-c").stdout.splitlines()
    assert lines == ["eu-central-1\tGermany (Frankfurt)"]


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_option_of_every_command(completed: Completed, entry: object) -> None:
    command = load(entry.name)
    if hasattr(command, "commands"):
        pytest.skip("its commands have the options")
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    names = [name for one in options for name in (*one.opts, *one.secondary_opts)]
    assert completed(entry.name, "-")[: len(names)] == names
    assert set(completed(entry.name, "-")) == {*names, "-h", "--help"}


def test_an_option_is_offered_once_unless_it_can_be_repeated(completed: Completed) -> None:
    given = ["sync", "--region", "eu-west-1", "--exclude", "*.gif", "-q"]
    left = completed(*given, "-")
    assert not {"--region", "-q", "--quiet"} & set(left)
    assert {"--exclude", "-v", "--profile"} <= set(left)


def test_values_of_the_catalogue(completed: Completed) -> None:
    assert completed("sync", "--region", "") == [region.id for region in regions().values()]
    assert completed("sync", "--service", "") == [service.name for service in services().values()]
    assert set(completed("history", "--label", "")) == {label.label for label in labels()}
    assert completed("sync", "--info-type", "t") == ["textInImage"]
    assert completed("history", "--risk", "") == ["high", "medium", "low", "none"]
    assert completed("history", "--risk", "high,m") == ["high,medium"]


def test_choices(completed: Completed) -> None:
    assert completed("sync", "--fail-on", "") == ["high", "medium", "low", "never"]
    assert completed("sync", "-f", "js") == ["jsonl", "json"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        (["--region=eu-c"], ["--region=eu-central-1"]),
        (["--region", "=", "eu-c"], ["eu-central-1"]),  # as bash splits it
        (["--region="], [f"--region={region}" for region in regions()]),
        (["--region", "="], list(regions())),
        (["--service=baselineCheck,aigcV"], ["--service=baselineCheck,aigcViolationDetection"]),
        (["-s", "aigcV"], ["aigcViolationDetection"]),
        (["-s", "aigcViolationDetection,aigcV"], []),  # nothing twice
    ],
)
def test_values_behind_an_equals_sign_and_commas(completed: Completed, words: list[str], candidates: list[str]) -> None:
    assert completed("sync", *words) == candidates


@pytest.mark.parametrize("words", [["!=nonLabel_"], ["!", "=", "nonLabel_"], ["!=QRCode,nonLabel_"]])
def test_labels_that_are_not_wanted(completed: Completed, words: list[str]) -> None:
    head = "" if words[0] == "!" else words[0].removesuffix("nonLabel_")
    assert completed("history", "--label", *words) == [f"{head}nonLabel_lib"]


def test_files_and_folders_are_left_to_the_shell(completed: Completed) -> None:
    assert completed("sync", "a") == ["\tfiles"]
    assert completed("sync", "a.png", "b") == ["\tfiles"]
    assert completed("sync", "--sarif-output", "") == ["\tfiles"]
    assert completed("sync", "--sarif-output=x") == ["\tfiles"]
    assert completed("poll", "--save-frames", "x") == ["\tfolders"]


def test_a_value_that_nobody_knows(completed: Completed) -> None:
    assert completed("sync", "--data-id", "") == []
    assert completed("schema", "") == []


def test_behind_two_dashes_there_are_no_options(completed: Completed) -> None:
    assert completed("sync", "--", "-") == ["\tfiles"]


def test_profiles_of_the_settings(completed: Completed, tmp_path: Path) -> None:
    (tmp_path / "moderate.yaml").write_text("profiles: {production: {}, drafts: {}}\n")
    (tmp_path / "other.yaml").write_text("profiles: {other: {}}\n")
    assert completed("sync", "--profile", "") == ["local", "production", "drafts"]
    assert completed("config", "show", "-p", "pro") == ["production"]
    assert completed("sync", "--config", "other.yaml", "--profile", "") == ["local", "other"]


@pytest.mark.parametrize("text", ["profiles: [", "nonsense: 1", "profiles: {x: {fail_on: maybe}}", "\x00", "region: 1"])
def test_a_broken_settings_file_breaks_nothing(completed: Completed, tmp_path: Path, text: str) -> None:
    (tmp_path / "moderate.yaml").write_text(text)
    assert completed("sync", "--profile", "") == ["local"]
    assert completed("sync", "--region", "eu-c") == ["eu-central-1"]


def test_a_settings_file_that_is_not_there(completed: Completed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATE_CONFIG", "nowhere.yaml")
    assert completed("sync", "--profile", "") == ["local"]


def test_variables_that_are_wrong_break_nothing(completed: Completed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATE_JOBS", "many")
    monkeypatch.setenv("MODERATE_FORMAT", "none of them")
    assert completed("sync", "--region", "eu-c") == ["eu-central-1"]


@pytest.mark.parametrize(
    "words", [["sync", "--nonsense", "x", "--reg"], ["sync", "--jobs", "many", "--reg"], ["sync", "--help", "--reg"]]
)
def test_what_is_wrong_before_the_last_word_breaks_nothing(completed: Completed, words: list[str]) -> None:
    assert completed(*words) == ["--region"]


@pytest.mark.parametrize("words", [[""], ["sync", "--region", "eu"], ["history", "--label", ""], ["sync", "-"]])
def test_it_loads_little(words: list[str]) -> None:
    code = (
        "import sys\nfrom moderate_cli.main import run\nfrom moderate_cli.common.environment import Environment\n"
        "code = run(sys.argv[1:], Environment())\n"
        "print(code, sorted(sys.modules), file=sys.stderr)\n"
    )
    arguments = [sys.executable, "-c", code, "completion", "bash", "--", *words]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout
    code_text, _, modules = done.stderr.partition(" ")
    assert code_text == "0"
    assert not UNWANTED & {name.strip("'") for name in modules.strip()[1:-1].split(", ")}
