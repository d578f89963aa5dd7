"""Nothing of the profile `local` needs a network, or reaches for one: in a namespace that has loopback only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from moderate_cli.common.errors import ExitCode

TESTS = Path(__file__).parents[1]
MODERATE = str(Path(sys.executable).with_name("moderate"))
RULES = TESTS.parent / "sample_configs" / "moderate-rules.yaml"

# Begins the loopback interface of its namespace, then runs a command: what SIOCSIFFLAGS does with IFF_UP.
_WITH_LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket() as handle:
    fcntl.ioctl(handle, 0x8914, struct.pack("16sh14x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""


def _alone(*command: str) -> list[str]:
    return ["unshare", "--net", "--map-root-user", sys.executable, "-c", _WITH_LOOPBACK, *command]


@cache
def _may_be_alone() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(_alone(sys.executable, "-c", ""), capture_output=True, check=False).returncode == 0


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    if not _may_be_alone():
        pytest.skip("no network namespace may be made here")
    return {**os.environ, "MODERATE_STORE": str(tmp_path / "store.db")}


def _run(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = _alone(MODERATE, *map(str, arguments))
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("arguments", "judged"),
    [
        (["sync", TESTS / "data"], 3),
        (["sync", TESTS / "data", "--rules", RULES], 3),
        (["batch", TESTS / "data", "-s", "baselineCheck,aigcCheck"], 3),
        (["async-submit", TESTS / "animation.gif", "--interval", "1", "--wait"], 1),
        (["multimodal", TESTS.parent / "sample_configs" / "post.yaml", "--rules", RULES, "--wait"], 1),
    ],
    ids=["sync", "rules", "batch", "async-submit", "multimodal"],
)
def test_each_judging_command(alone: dict[str, str], arguments: list[str | Path], judged: int) -> None:
    done = _run(alone, *arguments, "-p", "local", "-f", "jsonl")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == ExitCode.OK, done.stderr
    assert [(record["status"], record["engine"]) for record in records] == [("judged", "local")] * judged


def test_an_address_is_refused_and_nobody_is_asked(alone: dict[str, str]) -> None:
    done = _run(alone, "sync", "https://example.com/a.png", TESTS / "data", "-p", "local", "-f", "jsonl")
    records = {Path(record["source"]).name: record for record in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == ExitCode.INCOMPLETE
    assert records.pop("a.png")["status"] == "failed"
    assert [record["status"] for record in records.values()] == ["judged"] * 3
    assert "--fetch-urls" in done.stderr


def test_the_emulator_serves_those_beside_it(alone: dict[str, str]) -> None:
    script = (
        f"{MODERATE} emulate --port 0 >env.sh 2>/dev/null & until [ -s env.sh ]; do sleep 0.1; done; . ./env.sh;"
        f" {MODERATE} sync {TESTS / 'data'} -f jsonl --timeout 600; code=$?; kill %1; exit $code"
    )
    done = subprocess.run(
        _alone(shutil.which("bash") or "/bin/bash", "-m", "-c", script),
        cwd=Path(alone["MODERATE_STORE"]).parent,
        env=alone,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == ExitCode.OK, done.stderr
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["judged"] * 3
