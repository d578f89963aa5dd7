"""The sample configurations do what they say: each is loaded or run, with the local engine in place of an account.

The pipelines among them are in `test_sample_pipelines.py` and `test_github_sample.py`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from emulating import emulating
from PIL import Image
from pipelines import SAMPLES, text_of

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
ACTION = ROOT / ".github" / "actions" / "moderate" / "action.yml"
FILES = [*(path for path in SAMPLES.iterdir() if path.is_file()), HOOKS, ACTION]


# --------------------------------------------------------------------------------------------------- all of them


def test_every_sample_is_tested_here() -> None:
    assert sorted(path.name for path in SAMPLES.iterdir()) == [
        "Containerfile",
        "Jenkinsfile",
        "azure-pipelines.yml",
        "github-actions.yaml",
        "github-console.yaml",
        "gitlab-ci.yml",
        "moderate-rules.yaml",
        "moderate.full.yaml",
        "moderate.yaml",
        "post.yaml",
        "pre-commit-config.yaml",
        "rules",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_begins_with_what_it_is_for(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert re.match(r"(#|//) [A-Z]", first)
    assert not re.search(r"LTAI|AccessKey[A-Z]\w*=", path.read_text(encoding="utf-8"))


def _commands() -> list[tuple[str, list[str]]]:
    """Return each command line of moderate that stands in a sample, in comments too."""
    found = []
    for path in FILES:
        text = re.sub(r"\\+\n\s*|\n +(?=--)", " ", path.read_text(encoding="utf-8"))
        for line in re.findall(r"""(?:^|[ `/$])moderate"? ([a-z-]+(?: [^`\n|]+)?)""", text, re.MULTILINE):
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
    pipelines = {"Jenkinsfile", "azure-pipelines.yml", "github-actions.yaml", "gitlab-ci.yml", ACTION.name}
    both = {(name, words[0]) for name, words in _commands()}
    assert both >= {(name, command) for name in pipelines for command in ("sync", "async-submit")}
    assert {name for name, _ in both} >= {
        "Containerfile",
        "moderate-rules.yaml",
        "post.yaml",
        "moderate.yaml",
        HOOKS.name,
    }


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


def test_the_rules(moderate: Callable, tmp_path: Path) -> None:
    def labels(*arguments: object) -> list[tuple[str, str]]:
        result = moderate(*arguments, variables=emulator.variables)
        assert result.code == 0, result.stderr
        return [(one["label"], one["risk_level"]) for one in result.records[0]["labels"]]

    parcel, sign = tmp_path / "parcel.jpg", tmp_path / "sign.webp"
    Image.open(SAMPLES / "rules" / "seized" / "parcel.jpg").resize((240, 192)).save(parcel)
    Image.open(SAMPLES / "rules" / "brand" / "shop-sign.png").resize((260, 260)).save(sign)
    with emulating("--rules", str(SAMPLES / "moderate-rules.yaml")) as emulator:
        by_name = labels("sync", LANDSCAPE, "--data-id", "poster-violent.png")
        assert by_name == [("violent_explosion", "high"), ("violent_weapon", "medium")]
        assert labels("sync", DATA / "still-life.webp") == [("pornographic_adultContent", "high")]
        assert labels("sync", DATA / "still-life.webp", "-s", "baselineCheck") == []
        assert labels("sync", POSTER, "--data-id", "approved-1") == []
        assert labels("sync", parcel) == [("contraband_drug_lib", "high")]
        assert labels("sync", sign) == [("nonLabel_lib", "none")]
        text = ("--title", "Market", "--text", "SNOW  WHITE tonight", "--image", LANDSCAPE)
        queued = moderate("multimodal", *text, variables=emulator.variables)
        assert queued.code == 0, queued.stderr
        while (result := moderate("poll", variables=emulator.variables)).code == ExitCode.PENDING:
            pass
        assert [label["label"] for label in result.records[0]["labels"]] == ["contraband_drug_lib"]
