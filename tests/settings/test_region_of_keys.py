"""The region of the aliyun profile: it goes with the keys, below everything that somebody chose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds import World

Write = Callable[..., None]
AK = {"mode": "AK", "access_key_id": "an-id", "access_key_secret": "a-secret"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


@pytest.fixture
def write(world: World) -> Write:
    """Write config.json with some profiles, the first of which is the current one."""

    def write(**profiles: dict[str, Any]) -> None:
        path = Path.home() / ".aliyun" / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        named = [{"name": name, **values} for name, values in profiles.items()]
        path.write_text(json.dumps({"current": next(iter(profiles)), "profiles": named}))

    return write


def test_it_is_used_and_named_and_the_service_follows(world: World, write: Write) -> None:
    write(mine=AK | {"region_id": "cn-shanghai"}, other=AK | {"region_id": "eu-central-1"}, none=AK)
    settings = world.resolve()
    assert (settings.region, settings.services) == ("cn-shanghai", ("baselineCheck",))
    assert settings.origins["region"] == "~/.aliyun/config.json, profile mine"
    assert settings.region_is_the_accounts
    assert world.resolve({"ALIBABA_CLOUD_PROFILE": "other"}).region == "eu-central-1"
    world.user("credentials: {source: cli, profile: other}")
    assert world.resolve().region == "eu-central-1"
    assert world.resolve({"ALIBABA_CLOUD_PROFILE": "none"}, credentials="cli").region == "ap-southeast-1"


@pytest.mark.parametrize(
    ("variables", "options", "user", "region"),
    [
        ({}, {"region": "us-east-1"}, "", "us-east-1"),
        ({"MODERATE_REGION": "us-east-1"}, {}, "", "us-east-1"),
        ({"ALIBABA_CLOUD_REGION_ID": "us-east-1"}, {}, "", "us-east-1"),
        ({}, {}, "region: us-east-1", "us-east-1"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "x", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "y"}, {}, "", "ap-southeast-1"),
        ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "x"}, {}, "", "ap-southeast-1"),
        ({"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}, {}, "", "ap-southeast-1"),
        ({}, {"credentials": "ini"}, "", "ap-southeast-1"),
        ({}, {"profile": "local"}, "", None),
    ],
)
def test_what_somebody_chose_and_other_keys_come_first(
    world: World, write: Write, variables: dict[str, str], options: dict[str, str], user: str, region: str | None
) -> None:
    write(mine=AK | {"region_id": "cn-shanghai"})
    world.user(user)
    settings = world.resolve(variables, **options)
    assert settings.region == region
    assert not settings.region_is_the_accounts


@pytest.mark.parametrize("profile", [{"mode": "AK"}, {"mode": "what"}, AK | {"region_id": 3}, AK | {"region_id": " "}])
def test_a_profile_that_gives_neither_keys_nor_a_region(world: World, write: Write, profile: dict[str, Any]) -> None:
    write(mine=profile if "region_id" in profile else profile | {"region_id": "cn-shanghai"})
    assert world.resolve().origins["region"] == "default"


def test_one_that_is_no_region_is_an_error_that_says_where_it_stands(world: World, write: Write) -> None:
    write(mine=AK | {"region_id": "evil.example/"})
    message = "~/.aliyun/config.json, profile mine: region_id: 'evil.example/' is not a region id"
    assert world.refused().message == message
