"""Settings files hold no secrets, and what looks like one is never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


CANARY = "zQ7canaryCANARY"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("access_key_id: {}", 1),
        ("jobs: 3\naccess_key_secret: {}", 2),
        ("profiles:\n  p:\n    access-key-secret: {}", 3),
        ("credentials:\n  source: ini\n  secret: {}", 3),
        ("AccessKeyId: {}", 1),
        ("ALIBABA_CLOUD_SECURITY_TOKEN: {}", 1),
        ("sts_token: {}", 1),
        ("password: {}", 1),
        ("x: [{{api_key: {}}}]", 1),
        ("profiles:\n  token:\n    token: {}", 3),
        ("secret:", 1),
    ],
)
def test_a_key_that_asks_for_a_secret(world: World, text: str, line: int) -> None:
    for write in (world.project, world.user):
        world.project("")
        write(text.format(CANARY))
        error = world.refused()
        assert f":{line}: '" in error.message
        assert error.message.endswith("' is a secret, which no settings file may contain")
        assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in error.hint
        assert CANARY not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"region: LTAI5t{CANARY}", 1),
        (f"jobs: 3\nservices: [a, STS.{CANARY}]", 2),
        (f"jobs: 3  # LTAI5t{CANARY}", 1),
        (f"profiles: {{LTAI5t{CANARY}: {{}}}}", 1),
        (f"LTAI5t{CANARY}: 3", 1),
        (f"region: CAIS{CANARY * 4}", 1),
        (f"endpoint: https://user:{CANARY}@example.com", 1),
        (f"a: [\nb: LTAI5t{CANARY}", 2),
    ],
)
def test_a_value_that_looks_like_a_secret(world: World, text: str, line: int) -> None:
    world.project(text)
    error = world.refused()
    assert error.message == f"moderate.yaml:{line}: this looks like a secret, which no settings file may contain"
    assert CANARY not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    "text", [f"secret: *{CANARY}", f"secret: !{CANARY} x", f"%{CANARY} x", f"secret: '{CANARY}", f"secret: a: {CANARY}"]
)
def test_broken_yaml_is_not_repeated(world: World, text: str) -> None:
    world.project(text)
    error = world.refused()
    assert CANARY not in f"{error.message} {error.hint}"


def test_a_profile_may_be_called_anything(world: World) -> None:
    world.project("profiles: {secret-santa: {jobs: 3}, token: {jobs: 4}}")
    assert world.resolve(profile="secret-santa").jobs == 3


def test_words_about_keys_are_no_secrets(world: World) -> None:
    world.project("# never write LTAI... or an access_key_secret here; see https://example.com/a:b@c\njobs: 3")
    assert world.resolve().jobs == 3
