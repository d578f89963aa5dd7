"""Each place that may hold credentials, used by a command line against the emulator; secrets show up nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standins import ROLE_PATH, TOKEN_PATH, StandIn, handed_out, stand_in

from moderate_cli.common.errors import ExitCode
from moderate_cli.emulator import Emulator
from moderate_cli.emulator.state import AccessKey
from moderate_cli.settings.credentials import profiles

MODERATE = Path(sys.executable).with_name("moderate")
IMAGE = Path(__file__).parents[1] / "data" / "landscape.jpg"
SECRET, TOKEN = "CANARYsecret0123456789abcdefgh", "CANARYtoken0123456789abcdefgh"
PLAIN, TEMPORARY = AccessKey("LTAIplain", SECRET), AccessKey("STS.temporary", SECRET, TOKEN)
LOUD = ("-vv", "--debug", "-f", "jsonl")


@pytest.fixture
def home() -> Path:
    return Path.home()


@pytest.fixture
def judge(emulator: Emulator, moderate: Callable) -> Callable[..., str]:
    """Judge an image, for all to hear, with the credentials that lie around; return what stderr says."""
    emulator.add_key(PLAIN)
    emulator.add_key(TEMPORARY)

    def judge(code: ExitCode = ExitCode.OK, **variables: str) -> str:
        given = {"MODERATE_ENDPOINT": emulator.endpoint, **variables}
        result = moderate("sync", IMAGE, *LOUD, variables=given)
        assert result.code == code, result.stderr
        assert "CANARY" not in result.stdout + result.stderr
        return result.stderr

    return judge


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Make this machine an instance with a role."""
    keys = handed_out(TEMPORARY.access_key_id, SECRET, TOKEN)
    with stand_in({TOKEN_PATH: "CANARY-metadata", ROLE_PATH: "a-role", f"{ROLE_PATH}a-role": keys}) as service:
        monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
        # The library read the variable when it was imported.
        monkeypatch.setattr("alibabacloud_credentials.utils.auth_util.environment_ecs_metadata_disabled", "false")
        monkeypatch.setenv("HTTP_PROXY", service.url)  # the library's way to the service's fixed address
        monkeypatch.setattr(profiles, "METADATA_ADDRESS", service.address)
        yield service


def _config(home: Path, *profiles: dict[str, Any], current: str = "default") -> None:
    (home / ".aliyun").mkdir(exist_ok=True)
    text = json.dumps({"current": current, "profiles": profiles})
    (home / ".aliyun" / "config.json").write_text(text, encoding="utf-8")


def _ini(home: Path, key_id: str = "LTAIplain", secret: str = SECRET) -> None:
    (home / ".alibabacloud").mkdir(exist_ok=True)
    text = f"[default]\ntype = access_key\naccess_key_id = {key_id}\naccess_key_secret = {secret}\n"
    (home / ".alibabacloud" / "credentials.ini").write_text(text, encoding="utf-8")


def _profile(name: str, **values: str) -> dict[str, str]:
    return {"name": name, "mode": "AK", "access_key_id": "LTAIplain", "access_key_secret": SECRET, **values}


def test_each_place_is_used_in_its_order_and_named(judge: Callable, home: Path, metadata: StandIn) -> None:
    uri = {"ALIBABA_CLOUD_CREDENTIALS_URI": f"{metadata.url}{ROLE_PATH}a-role"}
    temporary = {"mode": "StsToken", "access_key_id": "STS.temporary", "sts_token": TOKEN}
    _config(home, _profile("default"), _profile("ci", **temporary))
    _ini(home)
    keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.temporary", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}
    keys["ALIBABA_CLOUD_SECURITY_TOKEN"] = TOKEN
    assert "credentials: environment (ALIBABA_CLOUD_ACCESS_KEY_ID)\n" in judge(**keys, **uri)
    assert "credentials: ~/.aliyun/config.json, profile default (AK)\n" in judge(**uri)
    assert "config.json, profile ci (StsToken)\n" in judge(ALIBABA_CLOUD_PROFILE="ci", **uri)
    off = {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}
    assert "~/.alibabacloud/credentials.ini, section default (access_key)\n" in judge(**off, **uri)
    (home / ".alibabacloud" / "credentials.ini").unlink()
    assert not metadata.asked
    assert "credentials: ECS role of this instance\n" in judge(**off, **uri)
    assert "credentials: ECS role a-role\n" in judge(ALIBABA_CLOUD_ECS_METADATA="a-role", **off)
    no_ecs = {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    assert "credentials: credentials URI\n" in judge(**off, **no_ecs, **uri)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ({"access_key_id": "LTAInobody"}, "the AccessKey ID is unknown"),
        ({"access_key_secret": "CANARYwrong"}, "secret is probably wrong"),
        ({"mode": "StsToken", "sts_token": "CANARYwrong", "access_key_id": "STS.temporary"}, "security token"),
        (
            {"mode": "StsToken", "sts_token": "CANARY\nwrong"},
            "the security token is empty or contains invalid characters",
        ),
        ({"mode": "RamRoleArn"}, "ram_role_arn is missing"),
    ],
)
def test_credentials_that_the_service_refuses_or_that_are_none(
    judge: Callable, home: Path, key: dict[str, str], words: str
) -> None:
    _config(home, _profile("default", **key))
    assert words in judge(ExitCode.FATAL)


@pytest.mark.parametrize("text", [f'{{"current": "{SECRET}', f'["{SECRET}"]', f"\udcff{SECRET}"])
def test_a_broken_file_is_named_in_the_first_line(moderate: Callable, home: Path, text: str) -> None:
    _config(home)
    (home / ".aliyun" / "config.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    result = moderate("sync", IMAGE)
    assert result.code == ExitCode.FATAL
    assert result.stderr.startswith("moderate: no credentials: ~/.aliyun/config.json: it ")
    assert result.stderr.count("\n") == 3  # and how to go on without an account, or with one
    assert "CANARY" not in result.stdout + result.stderr
    assert "--profile local" in result.stderr


def test_an_installed_command_prints_nothing_of_the_library(emulator: Emulator, home: Path) -> None:
    keys = handed_out(TEMPORARY.access_key_id, SECRET, TOKEN)
    emulator.add_key(TEMPORARY)
    with stand_in({"/good": keys, "/bad": {"Code": SECRET, "SecurityToken": TOKEN}}) as service:
        for path, code in (("good", ExitCode.OK), ("bad", ExitCode.FATAL)):
            variables = {
                "MODERATE_ENDPOINT": emulator.endpoint,
                "ALIBABA_CLOUD_CREDENTIALS_URI": f"{service.url}/{path}?CANARY",
                "DEBUG": "sdk",  # makes the vendor's HTTP code log headers
            }
            command = [MODERATE, "sync", IMAGE, *LOUD]
            done = subprocess.run(
                command, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=60
            )
            assert done.returncode == code, done.stderr
            assert "credentials URI" in done.stderr
            assert "CANARY" not in done.stdout + done.stderr
