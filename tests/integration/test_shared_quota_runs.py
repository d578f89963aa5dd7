"""Runs that share a quota, and one whose quota is unknown: what they do and say, from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from copies import copies
from redis_server import needs_redis, running_redis

from moderate_cli.common.errors import ExitCode

MODERATE = Path(sys.executable).with_name("moderate")
IMAGE = Path(__file__).parents[1] / "data" / "landscape.jpg"
PASSWORD = "OpenSesame99"


def test_a_run_keeps_to_a_quota_in_a_file(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    done = moderate("sync", IMAGE, "--quota", f"file:{tmp_path / 'quota'}", "-q", variables=account)
    assert done.code == ExitCode.OK
    assert (tmp_path / "quota").read_bytes().startswith(b"moderate quota 1\n")


def test_the_default_file_is_in_the_state_folder(moderate: Callable, account: dict[str, str]) -> None:
    assert moderate("sync", IMAGE, "-q", variables={**account, "MODERATE_QUOTA": "file:"}).code == ExitCode.OK
    assert (Path(os.environ["XDG_STATE_HOME"]) / "moderate" / "quota").exists()


def test_the_local_engine_shares_nothing(moderate: Callable, tmp_path: Path) -> None:
    place = tmp_path / "quota"
    assert moderate("sync", IMAGE, "-p", "local", "-q", "--quota", f"file:{place}").code == ExitCode.OK
    assert not place.exists()


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("redis://127.0.0.1:9/0", ExitCode.FATAL, "the shared quota at redis://127.0.0.1:9/0 cannot be used: "),
        ("memcached://x", ExitCode.USAGE, "--quota: must be file:PATH, file: or redis://HOST:PORT/DB"),
        (f"redis:/:{PASSWORD}@x", ExitCode.USAGE, "--quota: must be file:PATH, file: or redis://HOST:PORT/DB"),
        (str(IMAGE), ExitCode.USAGE, "--quota: must be file:PATH"),
        (f"file:{IMAGE}", ExitCode.USAGE, f"{IMAGE} is another kind of file, not a quota"),
    ],
)
def test_a_place_that_cannot_be_used(
    moderate: Callable,
    account: dict[str, str],
    place: str,
    code: ExitCode,
    said: str,
) -> None:
    before = IMAGE.read_bytes()
    done = moderate("sync", IMAGE, "--quota", place, variables=account)
    assert done.code == code
    assert said in done.stderr
    assert PASSWORD not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert IMAGE.read_bytes() == before


def test_doctor_shows_the_place_and_the_rate(moderate: Callable, account: dict[str, str], tmp_path: Path) -> None:
    place = f"file:{tmp_path / 'quota'}"
    variables = {**account, "MODERATE_QUOTA": place}
    checks = json.loads(moderate("doctor", "-f", "json", variables=variables).stdout)["checks"]
    (quota,) = (check for check in checks if check["name"] == "quota")
    assert quota["detail"] == f"98.0 calls/s for ImageModeration at {place}, shared by none now"
    moderate("sync", IMAGE, "-q", variables=variables)
    text = moderate("doctor", variables=variables).stdout
    assert f"ok      quota        90.0 calls/s for ImageModeration at {place}, shared by 1 now\n" in text


def test_doctor_says_that_the_place_is_not_there(moderate: Callable, account: dict[str, str]) -> None:
    done = moderate("doctor", variables={**account, "MODERATE_QUOTA": "redis://127.0.0.1:9/0"})
    assert done.code == ExitCode.FATAL
    assert "failed  quota        the shared quota at redis://127.0.0.1:9/0 cannot be used: " in done.stdout


@needs_redis
def test_a_password_is_neither_shown_nor_welcome_on_the_command_line(
    moderate: Callable, account: dict[str, str]
) -> None:
    with running_redis("--requirepass", PASSWORD) as server:
        address = server.address.replace("redis://", f"redis://:{PASSWORD}@")
        by_option = moderate("sync", IMAGE, "--quota", address, variables=account)
        by_variable = moderate("sync", IMAGE, variables={**account, "MODERATE_QUOTA": address})
        answers = moderate("sync", IMAGE, "--reuse", "1d", "--reuse-from", address, variables=account)
        shown = moderate("config", "show", variables={"MODERATE_QUOTA": address})
    assert by_option.code == by_variable.code == ExitCode.OK
    assert "others can read the password in --quota in the list of processes: use MODERATE_QUOTA" in by_option.stderr
    assert "password" not in by_variable.stderr
    assert "the password in --reuse-from in the list of processes: use MODERATE_REUSE_FROM" in answers.stderr
    assert server.address in shown.stdout
    for done in (by_option, by_variable, answers, shown):
        assert PASSWORD not in done.stdout + done.stderr


@needs_redis
def test_redis_is_killed_in_the_middle_and_the_run_goes_on_and_says_so(account: dict[str, str], tmp_path: Path) -> None:
    with running_redis() as server:
        command = [MODERATE, "sync", *copies(IMAGE, tmp_path / "images", 60), "-f", "jsonl", "--qps", "20"]
        with subprocess.Popen(
            [*command, "--quota", server.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **account},
        ) as process:
            assert process.stdout
            assert process.stderr
            records = [process.stdout.readline() for _ in range(10)]
            server.kill()
            records += process.stdout.readlines()
            said = process.stderr.read()
            assert process.wait(timeout=120) == ExitCode.OK
    assert len({json.loads(record)["source"] for record in records}) == len(records) == 60
    (line,) = (line for line in said.splitlines() if "shared quota" in line)
    assert line.startswith(f"moderate: the shared quota at {server.address} cannot be used: ")
    assert line.endswith("; going on without it, at 1/1 of the rate")


def test_an_unknown_quota_is_looked_for_and_told(account: dict[str, str], tmp_path: Path, moderate: Callable) -> None:
    done = moderate("sync", *copies(IMAGE, tmp_path / "images", 150), "--qps", "auto", "-f", "jsonl", variables=account)
    (line,) = (line for line in done.stderr.splitlines() if "--qps auto" in line)
    assert line.startswith("moderate: --qps auto: ")
    few = moderate("sync", IMAGE, "--qps", "auto", "-f", "jsonl", variables=account)
    assert "moderate: --qps auto: no limit was found, for the calls never had to wait for the rate" in few.stderr
    quiet = moderate("sync", IMAGE, "--qps", "auto", "-q", "-f", "jsonl", variables=account)
    assert quiet.stderr == ""
