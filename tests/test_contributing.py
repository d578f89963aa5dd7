"""CONTRIBUTING names the rooms and their public names as they are."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from test_layers import ARROWS

TEXT = (Path(__file__).parents[1] / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| .+? \| (.+?) \|$", TEXT, re.MULTILINE)
ROOMS = [(re.findall(r"`(\w+)`", rooms), re.findall(r"`(\w+)`", names)) for rooms, names in ROWS]


def test_every_room_is_named() -> None:
    assert {room for rooms, _ in ROOMS for room in rooms} == set(ARROWS) - {"__init__", "__main__"}


@pytest.mark.parametrize(("rooms", "names"), ROOMS)
def test_its_public_names_are_there(rooms: list[str], names: list[str]) -> None:
    modules = [import_module(f"moderate_cli.{room}") for room in rooms]
    assert {name for name in names if not any(hasattr(module, name) for module in modules)} == set()


def test_every_path_exists() -> None:
    root = Path(__file__).parents[1]
    for path in re.findall(r"`((?:[a-z_]+/)+[a-z_.]+\.(?:py|json|md|yaml))`", TEXT):
        assert any((root / base / path).exists() for base in ("", "moderate_cli")), path


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= 80
