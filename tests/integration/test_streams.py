"""Streams that are full or closed: one line that says so, and never the exit code of something else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moderate_cli.common.errors import ExitCode

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")

MODERATE = Path(sys.executable).with_name("moderate")
DATA = Path(__file__).parents[1] / "data"


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PATH": f"{MODERATE.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", command], cwd=DATA, env=variables, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    "command",
    [
        "moderate sync . --profile local -f jsonl",
        "moderate sync . --profile local -f table",
        "moderate labels -f json",
        "moderate --help",
    ],
)
def test_a_full_standard_output_is_told(command: str) -> None:
    done = _shell(f"{command} >/dev/full")
    assert done.returncode == ExitCode.FATAL
    assert "cannot write: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_file_is_told() -> None:
    done = _shell("moderate sync . --profile local -o /dev/full")
    assert done.returncode == ExitCode.FATAL
    assert "cannot write '/dev/full': No space left on device" in done.stderr


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "2>&- <&-", "2>/dev/full"])
def test_a_closed_stream_changes_no_exit_code(closed: str) -> None:
    assert _shell(f"moderate sync . --profile local --fail-on high -f jsonl {closed}").returncode == ExitCode.FOUND
    assert _shell(f"moderate sync . --profile local -f jsonl {closed}").returncode == ExitCode.OK


@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
@pytest.mark.parametrize(
    "command",
    [
        "moderate sync . --profile local -f jsonl",
        "moderate sync . --profile local -f github",
        "moderate sync . --dry-run",
        "moderate labels",
        "moderate --version",
        "moderate listen --uid 1 --seed x --port 0",
    ],
)
def test_data_that_nobody_can_have_was_not_written(command: str, closed: str) -> None:
    done = _shell(f"{command} {closed}")
    assert done.returncode == ExitCode.FATAL
    assert "moderate: cannot write: standard output is closed (leave it open, or write elsewhere)\n" in done.stderr


def test_a_closed_standard_output_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    store = f"--store {tmp_path}/store.db"
    assert _shell(f"moderate sync . --profile local {store} >&-").returncode == ExitCode.FATAL
    assert _shell(f"moderate history {store}").stdout == ""


def test_what_goes_to_a_file_needs_no_standard_output(tmp_path: Path) -> None:
    done = _shell(f"moderate sync . --profile local -o {tmp_path}/a.jsonl >&-")
    assert done.returncode == ExitCode.OK
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 3
