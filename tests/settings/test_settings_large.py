"""Settings files as large as they may be, well-meant and not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from worlds import World

pytestmark = pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML's own loader takes ten times as long")

PRICE = "{amount: 1, currency: USD, per: 1}\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


def _large(line: str, start: str = "") -> str:
    return (start + line * (1_000_000 // len(line)))[:990_000].rpartition("\n")[0] + "\n"


@pytest.mark.parametrize(
    ("text", "is_broken"),
    [
        (_large("# a comment\n"), False),
        ("profiles:\n" + "".join(f"  p{number}: {{jobs: 3, services: [a, b]}}\n" for number in range(25_000)), False),
        (f"prices:\n{''.join(f'  p{number}: {PRICE}' for number in range(20_000))}", False),
        ("services:\n" + "".join(f"  - s{number}\n" for number in range(90_000)), False),
        ("".join(f"k{number}: 1\n" for number in range(80_000)), True),
        ("profiles:\n  a: &a {jobs: 3}\n" + "".join(f"  p{number}: *a\n" for number in range(70_000)), False),
        ("p0: &p0 {k: 1}\n" + "".join(f"p{n + 1}: &p{n + 1} {{<<: *p{n}, k{n}: 1}}\n" for n in range(25_000)), True),
        (f"a: &s [{'s, ' * 160_000}]\n" + "".join(f"b{number}: *s\n" for number in range(30_000)), True),
        (
            "a: &a {" + "".join(f"k{n}: 1, " for n in range(2_000)) + "}\nb: {<<: *a, " + "<<: {}, " * 110_000 + "}\n",
            True,
        ),
        ("region: ://" + ":a" * 490_000, True),
        ("region: " + "a" * 990_000, True),
        ("jobs: " + "9" * 990_000, True),
        ("[" * 990_000, True),
        ("{a: " * 240_000, True),
        (_large("  a: 3\n", "profiles:\n") + "\t- [", True),
    ],
    ids=lambda value: value[:25] if isinstance(value, str) else None,
)
def test_a_file_of_1_mb_is_read_at_once(world: World, text: str, is_broken: bool) -> None:
    world.project(text)
    started = time.process_time()
    if is_broken:
        world.refused()
    else:
        world.resolve()
    assert time.process_time() - started < 10  # 13 s in 0.1.0, and coverage doubles what it takes
