"""The README tells the truth: its library example runs, and its exit codes are those of the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moderate_cli.commands import COMMANDS
from moderate_cli.emulator import Emulator
from moderate_cli.errors import ExitCode

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DATA = Path(__file__).parent / "data"


def test_the_exit_codes_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == [(code.value, code.meaning) for code in ExitCode]


def _blocks() -> list[str]:
    """Return the shell examples that need neither an account nor an installation, a block a script."""
    blocks = re.findall(r"```console\n(.+?)```", README, re.DOTALL)
    scripts = ["\n".join(line.removeprefix("$ ") for line in block.splitlines()) for block in blocks]
    return [script for script in scripts if "pip install" not in script and "export ALIBABA" not in script]


@pytest.mark.parametrize("script", _blocks(), ids=lambda script: script.split("\n")[0][:50])
def test_the_shell_examples_run_word_for_word(script: str, tmp_path: Path) -> None:
    if "jq" in script and not shutil.which("jq"):
        pytest.skip("jq is not installed")
    folders = {name: str(tmp_path) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-m", "-e", "-o", "pipefail", "-c", script],  # -m: job control, for `kill %1`
        cwd=ROOT,
        env={**os.environ, **folders, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr
    assert ": failed: " not in done.stderr


@pytest.mark.parametrize(
    ("command", "block"), re.findall(r"```text\n\$ moderate ?(.*?) ?--help\n(.+?)```", README, re.DOTALL)
)
def test_the_help_blocks_are_what_help_shows(command: str, block: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("moderate"), *command.split(), "--help"],
        env={"PATH": os.environ["PATH"], "COLUMNS": "100", "TERM": "dumb"},
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    shown = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    assert shown.strip("\n") == block.strip("\n")


def test_every_command_is_named() -> None:
    named = set(re.findall(r"`(?:moderate )?([a-z-]+)(?=[ `])", README))
    assert {entry.name for entry in COMMANDS} <= named


def test_every_sample_is_named() -> None:
    samples = {path.name for path in (ROOT / "sample_configs").iterdir()} - {"moderate.yaml", "moderate.full.yaml"}
    assert {name for name in samples if f"`{name}`" not in README and f"sample_configs/{name}" not in README} == set()


def test_the_library_example_runs(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    address = f"{emulator.endpoint}/a.jpg"  # the emulator is no picture: a code inside the body
    key = emulator.access_key
    code = code.replace("LTAI...", key.access_key_id).replace("the secret", key.access_key_secret)
    shutil.copy(DATA / "poster-qr.png", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("moderate_cli.client.green.region_endpoint", lambda _region, **_: emulator.endpoint)
    first, second = code.split("\n    with Path")
    exec(first.rsplit("    verdict", 1)[0] + "    with Path" + second)
    assert "QRCode" in capsys.readouterr().out
    from moderate_cli.client import ServiceError

    with pytest.raises(ServiceError) as caught:
        exec(first.replace("https://example.com/a.jpg", address))
    assert caught.value.api_code == 404
