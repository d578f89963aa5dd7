"""Environment variables: those that mean something are known, and no other begins as they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds import World

from moderate_cli.cli import COMMANDS, load
from moderate_cli.settings.load import KNOWN

NO_OPTION = {"MODERATE_OSS_ENDPOINT"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


def _variables(command: Any) -> Iterator[str]:
    for parameter in command.params:
        names = parameter.envvar or ()
        yield from [names] if isinstance(names, str) else names
    for inner in getattr(command, "commands", {}).values():
        yield from _variables(inner)


def test_the_list_is_that_of_all_options() -> None:
    found = {name for entry in COMMANDS for name in _variables(load(entry.name))}
    settings_without_option = {"MODERATE_FAILOVER", "MODERATE_PRICES", "MODERATE_PARAMS_IN", "MODERATE_CREDENTIALS"}
    expected = found | NO_OPTION | settings_without_option
    missing, needless = sorted(expected - KNOWN), sorted(KNOWN - expected)
    assert expected == KNOWN, f"_OPTION_VARIABLES, settings/load.py: add {missing}, remove {needless}"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MODERATE_FAILON", "MODERATE_FAIL_ON"),
        ("MODERATE_SERVICES", "MODERATE_SERVICE"),
        ("MODERATE_STORES", "MODERATE_STORE"),
        ("MODERATE_PROFIL", "MODERATE_PROFILE"),
        ("MODERATE_SHOW_IGNORE", "MODERATE_NO_IGNORE"),  # a deprecated name would be nearer
        ("MODERATE_ZZZZZZZZZZ", None),
    ],
)
def test_an_unknown_variable_is_refused(world: World, name: str, near: str | None) -> None:
    words = f", did you mean {near}?" if near else ""
    assert world.refused({name: "high"}).message == f"unknown variable {name}{words}"


def test_one_that_is_empty_and_those_of_others_are_not(world: World) -> None:
    # Kubernetes sets the last four beside a service that is called `moderate`.
    others = ("MODERATOR_X", "moderate_x", "MODERATE_SERVICE_HOST", "MODERATE_SERVICE_PORT_HTTP")
    more = ("MODERATE_PORT_80_TCP", "MODERATE_PORT_80_TCP_ADDR")
    world.resolve({"MODERATE_FAILON": "", **dict.fromkeys((*others, *more), "x")})
