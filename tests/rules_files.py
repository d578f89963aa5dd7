"""Rules files with their libraries, as a repository has them."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image
from trees import PNG

from moderate_cli.account import (
    Account,
    Plan,
    apply_steps,
    lock_path,
    make_plan,
    read_account,
    read_lock,
    read_own_images,
)
from moderate_cli.common.environment import Environment
from moderate_cli.rules import Rules, read_rules

SERVICE = "baselineCheck_global"
SIDE = 32  # pixels


def write_rules(folder: Path, text: str, *, name: str = "moderate-rules.yaml") -> Path:
    """Write a rules file below its first line."""
    path = folder / name
    path.write_text(f"version: 1\n{text}", encoding="utf-8")
    return path


def write_images(folder: Path, number: int) -> None:
    """Write images that differ from those of other folders."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        (folder / f"{index:03}.png").write_bytes(PNG + f"{folder.name}-{index}".encode())


def write_pictures(folder: Path, number: int) -> None:
    """Write pictures that can be decoded, and that differ from those of other folders."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = random.Random(folder.name)
    for index in range(number):
        picture = Image.frombytes("L", (SIDE, SIDE), noise.randbytes(SIDE * SIDE))
        picture.save(folder / f"{index:03}.png", compress_level=1)


def write_large(folder: Path, *, images: int = 30, words: int = 500, pictures: bool = False) -> Path:
    """Write 3 services, 4 image libraries, and 3 keyword libraries."""
    for library in range(4):
        (write_pictures if pictures else write_images)(folder / f"images{library}", images)
    for library in range(3):
        lines = "".join(f"word{library}x{number}\n" for number in range(words))
        (folder / f"words{library}.txt").write_text(lines)
    libraries = "".join(f"  i{n}: {{images: images{n}, comment: c{n}}}\n" for n in range(4))
    lists = "".join(f"  k{n}: {{keywords: words{n}.txt}}\n" for n in range(3))
    return write_rules(
        folder,
        f"""services:
  {SERVICE}: {{exempt: [i0], ignored_keywords: [k0]}}
  {SERVICE}_01: {{copy_of: {SERVICE}, title: Shop photos, exempt: [i1, i2]}}
  {SERVICE}_02: {{copy_of: {SERVICE}, title: Forum, flagged_keywords: [k1, k2]}}
image_libraries:
{libraries}keyword_libraries:
{lists}""",
    )


def look(client: object, rules: Rules) -> Account:
    """Read what a rules file is about."""
    return read_account(
        client,  # type: ignore[arg-type]
        images_of=rules.file.image_libraries.__contains__,
        words_of=rules.file.keyword_libraries.__contains__,
        looks_at=lambda service: True,
    )


def plan_of(client: object, path: Path, **options: bool) -> Plan:
    """Plan what a rules file changes."""
    rules = read_rules(path, Environment())
    return make_plan(rules, look(client, rules), read_own_images(rules), read_lock(lock_path(path)), **options)


def apply_plan(client: object, path: Path, **options: bool) -> list[str | None]:
    """Apply a rules file, and return the remarks."""
    steps = plan_of(client, path, **options).steps
    done = apply_steps(
        steps,
        client,  # type: ignore[arg-type]
        lock_path(path),
        progress=lambda number: None,
        sleep=lambda seconds: None,
    )
    return [applied.remark for applied in done]
