"""Which files are read, and what is said of those that cannot be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from worlds import World

from moderate_cli.common.environment import Environment
from moderate_cli.settings import Sourced, load, locate
from moderate_cli.settings.load import locations
from moderate_cli.settings.locate import read, user_file


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World.begin(tmp_path, monkeypatch)


def _project(variables: dict[str, str] | None = None, **given: str) -> locate.Location:
    layer = {name: Sourced(value, f"--{name}") for name, value in given.items()}
    return locations(layer, Environment(variables=variables or {}))[0]


def test_the_nearest_file_upward_is_the_projects(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = world.folder / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert _project() == locate.Location(deep / "moderate.yaml", "moderate.yaml")
    world.project("jobs: many")
    assert _project().path == world.folder / "moderate.yaml"
    assert world.refused().message.startswith(f"{Path('..', '..', 'moderate.yaml')}:1: jobs must be")
    (deep.parent / "moderate.yaml").write_text("jobs: 3")
    assert world.resolve().jobs == 3
    assert world.resolve().origins["jobs"] == f"{Path('..', 'moderate.yaml')}:1"


@pytest.mark.parametrize("is_worktree", [False, True])
def test_the_search_ends_at_the_top_of_a_repository(
    world: World, monkeypatch: pytest.MonkeyPatch, is_worktree: bool
) -> None:
    world.project("jobs: 3")
    inner = world.folder / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert world.resolve().jobs == 3
    if is_worktree:
        (inner / ".git").write_text("gitdir: elsewhere")
    else:
        (inner / ".git").mkdir()
    assert world.resolve().jobs == 64
    (inner / "moderate.yaml").write_text("jobs: 4")
    assert world.resolve().jobs == 4


def test_outside_a_repository_the_search_ends_at_the_root(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lonely = tmp_path / "lonely" / "deep"
    lonely.mkdir(parents=True)
    monkeypatch.chdir(lonely)
    (tmp_path / "moderate.yaml").write_text("jobs: 5")
    assert world.resolve().jobs == 5


def test_a_named_file_stands_in_for_the_projects_and_the_users_still_counts(world: World, tmp_path: Path) -> None:
    world.project("jobs: 3\nretries: 1")
    world.user("timeout: 7")
    other, third = tmp_path / "other.yaml", tmp_path / "third.yaml"
    other.write_text("jobs: 4")
    third.write_text("jobs: 5")
    by_option = world.resolve({"MODERATE_CONFIG": str(third)}, config=str(other))
    assert (by_option.jobs, by_option.retries, by_option.timeout) == (4, 3, 7.0)
    assert by_option.origins["jobs"] == f"{other}:1"
    assert world.resolve({"MODERATE_CONFIG": str(third)}).jobs == 5
    assert world.resolve({"MODERATE_CONFIG": ""}, config="").jobs == 3


def test_a_named_file_that_is_missing_is_an_error_and_others_are_not(world: World) -> None:
    for error in (world.refused(config="no.yaml"), world.refused({"MODERATE_CONFIG": "no.yaml"})):
        assert error.message == "there is no settings file no.yaml"
        assert "MODERATE_CONFIG" in error.hint
    assert world.refused(config="moderate.yaml/x").message == "there is no settings file moderate.yaml/x"
    assert world.resolve().jobs == 64


def test_a_file_that_vanishes_after_the_search_is_missing(world: World) -> None:
    world.project("jobs: 3")
    found = _project()
    found.path.unlink()
    assert read(found) is None


def test_a_working_folder_that_vanished_holds_nothing(world: World) -> None:
    (world.folder / ".git").rmdir()
    try:
        world.folder.rmdir()
    except OSError:
        pytest.skip("this system keeps a folder somebody works in")
    assert world.resolve().jobs == 64


def test_a_folder_is_no_file(world: World) -> None:
    (world.folder / "moderate.yaml").mkdir()
    assert world.refused().message.startswith("cannot read moderate.yaml: ")
    assert world.refused(config=".").message.startswith("cannot read .: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(world: World) -> None:
    world.project("jobs: 3")
    (world.folder / "moderate.yaml").chmod(0)
    assert world.refused().message == "cannot read moderate.yaml: Permission denied"


def test_what_the_system_says_of_a_file_is_passed_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.project("jobs: 3")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        error = world.refused()
    assert error.message == "cannot read moderate.yaml: Permission denied"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_that_nobody_asked_for_does_not_hang(world: World) -> None:
    os.mkfifo(world.folder / "moderate.yaml")
    assert world.refused().message == "cannot read moderate.yaml: not a regular file"


@pytest.mark.skipif(sys.platform == "win32", reason="no such device")
def test_a_device_may_be_named(world: World) -> None:
    world.project("jobs: 3")
    assert world.resolve(config="/dev/null").jobs == 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"jobs: 3\n# caf\xe9", "moderate.yaml:2: not UTF-8 text"),
        ("jobs: 3".encode("utf-16"), "moderate.yaml:1: not UTF-8 text"),
        (b"#" * 1_000_001, "moderate.yaml: larger than 1 MB"),
    ],
)
def test_what_is_no_settings_file(world: World, content: bytes, message: str) -> None:
    world.project(content)
    assert world.refused().message == message


def test_the_users_file_lies_where_the_system_keeps_them(world: World, tmp_path: Path) -> None:
    assert user_file().name == "config.yaml"
    assert user_file().parent.name == "moderate"
    assert tmp_path / "home" in user_file().parents


def test_the_users_file_has_its_whole_name_outside_the_home(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "user_file", lambda: tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("jobs: 3")
    assert world.resolve().origins["jobs"] == f"{tmp_path / 'config.yaml'}:1"
