"""The installed command under other encodings: programs get UTF-8, and people never an error."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from formats import FORMATS
from render_builders import HOSTILE_NAMES, local, shown

from moderate_cli.models import Label
from moderate_cli.render import Format

_WORLDS = {
    "gbk": {"PYTHONIOENCODING": "gbk"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "latin-1, C": {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C", "PYTHONUTF8": "0"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
_NAMES = (*HOSTILE_NAMES, "图片.png", "Ünïcödé.png", "зображення.png")
_COMMAND = Path(sys.executable).with_name("moderate")


@cache
def _records() -> str:
    return shown(Format.JSONL, [local("low", Label("x", 81.2, f"描述 {name}"), source=name) for name in _NAMES])


def _written(folder: Path, arguments: Sequence[str], variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    store = {"MODERATE_STORE": str(folder / "store.db"), "COLUMNS": "100"}
    return subprocess.run(
        [str(_COMMAND), *arguments],
        cwd=folder,
        env=kept | store | variables,
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a run."""
    path = tmp_path_factory.mktemp("results")
    (path / "run.jsonl").write_text(_records(), encoding="utf-8")
    return path


_FOR_PROGRAMS = (
    *(("convert", "run.jsonl", "-q", "-f", choice) for choice in FORMATS if choice not in {Format.TABLE, Format.HTML}),
    ("labels", "-f", "json"),
    ("services", "-f", "csv"),
    ("schema",),
)
_FOR_PEOPLE = (("convert", "run.jsonl", "-f", "table"), ("labels", "-f", "table"), ("help", "formats"))


@pytest.mark.skipif(not _COMMAND.exists(), reason="the command is not installed beside this Python")
@pytest.mark.parametrize("arguments", _FOR_PROGRAMS, ids=" ".join)
def test_programs_get_utf_8(folder: Path, arguments: tuple[str, ...]) -> None:
    expected = _written(folder, arguments, {"PYTHONIOENCODING": "utf-8"}).stdout
    assert expected.decode("utf-8")
    for variables in _WORLDS.values():
        done = _written(folder, arguments, variables)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == expected


@pytest.mark.skipif(not _COMMAND.exists(), reason="the command is not installed beside this Python")
@pytest.mark.parametrize("world", _WORLDS)
def test_people_get_what_their_encoding_has_and_no_error(folder: Path, world: str) -> None:
    for arguments in _FOR_PEOPLE:
        done = _written(folder, arguments, _WORLDS[world])
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not _COMMAND.exists(), reason="the command is not installed beside this Python")
def test_a_table_is_in_the_encoding_of_the_terminal(folder: Path) -> None:
    done = _written(folder, ("convert", "run.jsonl", "-f", "table"), _WORLDS["gbk"])
    assert "图片.png" in done.stdout.decode("gbk")
