"""The README and the manual tell the truth: their examples run, and what they name exists."""

from __future__ import annotations

import html
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pictures
import pytest
from PIL import Image

from moderate_cli.cli import COMMANDS, load
from moderate_cli.cli.help import topics
from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOPICS = {name: topic.text for name, topic in topics().items()}
PAGES = {"README": README, **TOPICS}
PICTURES = ROOT / ".github" / "pictures"
DATA = Path(__file__).parent / "data"
BLOCK = re.compile(r"```(\w+)\n(.+?)```", re.DOTALL)

each_page = pytest.mark.parametrize("page", PAGES)


# ------------------------------------------------------------------------------------------------ commands that run


def _blocks() -> Iterator[tuple[str, str]]:
    """Yield the shell examples that need neither an account nor an installation, a block a script, with their page."""
    for page, text in PAGES.items():
        for kind, block in BLOCK.findall(text):
            script = "\n".join(line.removeprefix("$ ") for line in block.splitlines())
            if kind == "console" and "pip install" not in script and "export ALIBABA" not in script:
                yield page, script


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what the examples name, in which they may write."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(DATA, folder / "tests" / "data")
    shutil.copy(DATA.parent / "animation.gif", folder / "tests")
    for name in ("completions", "sample_configs"):
        shutil.copytree(ROOT / name, folder / name)
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@example.com")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(("page", "script"), list(_blocks()), ids=lambda text: text.split("\n")[0][:50])
def test_the_shell_examples_run_word_for_word(page: str, script: str, clone: Path, tmp_path: Path) -> None:
    if missing := [name for name in ("jq", "curl") if name in script and not shutil.which(name)]:
        pytest.skip(f"{missing[0]} is not installed")
    shutil.copytree(clone, tmp_path / "clone")
    folders = {name: str(tmp_path) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        script = script.replace("8080", str(free.getsockname()[1]))  # that one may be in use
    shell = ["bash", "-m", "-o", "pipefail", "-c", script]  # -m: job control, for `kill %1`
    if "|| " not in script and "--fail-on high" not in script:
        shell.insert(1, "-e")
    done = subprocess.run(
        shell,
        cwd=tmp_path / "clone",
        env={**os.environ, **folders, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout or "-f github" in script  # which annotates findings only
    assert "Traceback" not in done.stderr
    assert ": failed: " not in done.stderr


def _python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.+?)```", page, re.DOTALL)


@pytest.mark.parametrize("page", ["README", "python"])
def test_a_program_judges_a_folder(
    page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    code = next(block for block in _python_blocks(PAGES[page]) if " scan(" in block)
    exec(code)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert [line for line in lines if line.startswith("tests/data/poster-qr.png high")]


def test_the_example_on_ray_is_that_of_the_manual_which_a_test_runs() -> None:
    (code,) = (block for block in _python_blocks(README) if "import ray" in block)
    assert code in TOPICS["scale"]


def test_the_client_example_runs(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, code) = _python_blocks(TOPICS["python"])
    address = f"{emulator.endpoint}/a.jpg"  # the emulator is no picture: a code inside the body
    key = emulator.access_key
    code = code.replace("LTAI...", key.access_key_id).replace("the secret", key.access_key_secret)
    shutil.copy(DATA / "poster-qr.png", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("moderate_cli.client.caller.region_endpoint", lambda _region, **_: emulator.endpoint)
    first, second = code.split("\n    with Path")
    exec(first.rsplit("    verdict", 1)[0] + "    with Path" + second)
    assert "QRCode" in capsys.readouterr().out
    from moderate_cli.client import ServiceError

    with pytest.raises(ServiceError) as caught:
        exec(first.replace("https://example.com/a.jpg", address))
    assert caught.value.api_code == 404


# ------------------------------------------------------------------------------------------------- names that exist


@pytest.mark.parametrize("page", ["README", "exit-codes"])
def test_the_exit_codes_are_those_of_the_program(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGES[page], re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == [(code.value, code.meaning) for code in ExitCode]


def test_every_command_is_named() -> None:
    named = set(re.findall(r"`(?:moderate )?([a-z-]+)(?=[ `])", README))
    assert {entry.name for entry in COMMANDS} <= named


def test_every_sample_is_named() -> None:
    samples = {path.name for path in (ROOT / "sample_configs").iterdir()}
    assert {name for name in samples if f"`{name}`" not in README and f"sample_configs/{name}" not in README} == set()


@each_page
def test_every_topic_that_is_named_exists(page: str) -> None:
    named = set(re.findall(r"moderate\s+help\s+([a-z][a-z-]*)", PAGES[page]))
    assert named <= set(TOPICS)
    assert page not in named


def test_every_topic_is_named_in_the_readme() -> None:
    assert set(re.findall(r"`moderate help ([a-z-]+)`", README)) == set(TOPICS)


def _options() -> set[str]:
    """Return every option of every command."""
    commands: list[Any] = [load(entry.name) for entry in COMMANDS]
    options = {"--help", "--version"}
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        options |= {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    return options


@each_page
def test_every_option_that_is_named_exists(page: str) -> None:
    """In the text between commands; the commands themselves are run."""
    text = BLOCK.sub("", PAGES[page])
    assert set(re.findall(r"(?<![\w-])--[a-z][\w-]+", text)) <= _options() | {"--quick"}


@each_page
def test_every_error_code_that_is_named_exists(page: str) -> None:
    """In the tables of errors."""
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "moderate_cli").rglob("*.*")
        if path.suffix in {".py", ".json"}
    )
    for code in re.findall(r"^\| `([A-Za-z_]+)` \|", PAGES[page], re.MULTILINE):
        if "_" in code or code.startswith(("Invalid", "Signature")):
            assert f'"{code}"' in source, code


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_file_that_is_linked_exists(target: str) -> None:
    assert (ROOT / target).is_file()


def test_every_section_that_is_linked_exists() -> None:
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) == slugs


# --------------------------------------------------------------------------------------------------------- pictures


def test_the_pictures_are_small_and_load_nothing() -> None:
    table = (PICTURES / "table.svg").read_text(encoding="utf-8")
    assert "QRCode" in table
    assert not re.search(r"url\(\W*http|href=|<image|<script", table)
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 100_000
    with Image.open(PICTURES / "page.png") as page:
        assert page.width == 960


@pytest.mark.skipif(find_spec("rapidocr") is not None, reason="the picture was drawn without what reads text")
def test_the_table_of_the_picture_is_what_the_command_shows(tmp_path: Path) -> None:
    """`python tests/pictures.py` draws it anew; versions of detectors and times may differ."""
    shown, _ = pictures.run(*pictures.COMMAND, "-f", "table", folder=ROOT, variables={}, home=str(tmp_path))
    drawn = re.sub(r"<[^>]+>", "", (PICTURES / "table.svg").read_text(encoding="utf-8"))
    table = shown.partition("--show-clean lists them")[2]  # behind the versions of the detectors
    assert "QRCode" in table
    for words in re.findall(r"\S+", table):
        assert words in html.unescape(drawn), words


# ------------------------------------------------------------------------------------------------------------ forge


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 350
    assert max(map(len, README.splitlines())) <= 160


@pytest.mark.parametrize("name", ["README.md", ".github/CHANGELOG.md", ".github/CONTRIBUTING.md"])
def test_the_address_of_the_repository_stands_in_one_place(name: str) -> None:
    """In `[project.urls]` of pyproject.toml."""
    assert "OWNER" not in (ROOT / name).read_text(encoding="utf-8")
