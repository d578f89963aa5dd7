"""The file to start from, and the samples: what they show is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from worlds import World

from moderate_cli.common.errors import UsageError
from moderate_cli.settings import SETTINGS
from moderate_cli.settings.edit import template_text, write_new
from moderate_cli.settings.validate import validate_text


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


SAMPLES = Path(__file__).parents[2] / "sample_configs"


def test_as_it_is_written_it_sets_nothing(world: World) -> None:
    world.project(template_text())
    assert set(world.resolve().origins.values()) == {"default"}


def test_with_every_key_uncommented_it_is_valid_and_complete() -> None:
    text = re.sub(r"(?m)^#(?! \S)", "", template_text())
    file = validate_text(text, "moderate.yaml")
    assert set(file.top) == set(SETTINGS)
    assert file.profile
    assert file.profile.value in file.profiles
    assert text == template_text(active=True).replace(
        "is optional.", "is optional: remove the # before a key to set it."
    )


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_each_key_is_explained(setting: Any) -> None:
    assert f"# {setting.help}\n# Default: {setting.shown_default}. Variable: {setting.variable}" in template_text()
    example = validate_text(f"{setting.name}: {setting.example}", "x").top[setting.name].value
    assert example != setting.default


def test_no_line_is_too_long() -> None:
    assert max(map(len, template_text().splitlines())) <= 120


def test_the_samples_are_valid() -> None:
    assert (SAMPLES / "moderate.full.yaml").read_text(encoding="utf-8") == template_text(active=True)
    small = validate_text((SAMPLES / "moderate.yaml").read_text(encoding="utf-8"), "moderate.yaml")
    assert small.top["fail_on"].value == "high"
    assert set(small.profiles) == {"mainland"}


def test_a_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "moderate.yaml"
    write_new(path, "one\n")
    with pytest.raises(UsageError, match="already exists"):
        write_new(path, "two\n")
    assert path.read_text() == "one\n"
    write_new(path, "two\n", force=True)
    assert path.read_text() == "two\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("private", [True, False])
def test_a_users_own_file_is_nobody_elses(tmp_path: Path, private: bool) -> None:
    path = tmp_path / "moderate" / "config.yaml"
    write_new(path, "x", private=private)
    assert (path.stat().st_mode & 0o777 == 0o600) == private
    path.chmod(0o644)
    write_new(path, "x", private=private, force=True)
    assert (path.stat().st_mode & 0o777 == 0o600) == private


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    link.symlink_to(real)
    with pytest.raises(UsageError, match="already exists"):
        write_new(link, "x")
    write_new(link, "x", force=True)
    assert link.is_symlink()
    assert real.read_text() == "x"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write_new(tmp_path / "file" / "moderate.yaml", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        write_new(tmp_path / "folder", "x", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
