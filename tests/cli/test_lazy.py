"""Commands that are imported when they are chosen."""

from __future__ import annotations

import sys

import pytest
import typer
from typer.testing import CliRunner

from moderate_cli import cli
from moderate_cli.cli import COMMANDS, CommandEntry, LazyGroup, load

each_command = pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(cls=LazyGroup, add_completion=False)

    @app.callback()
    def root() -> None:
        """Test the group."""

    return app


def _forget_commands(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    modules = {f"moderate_cli.cli.{entry.module}" for entry in COMMANDS}
    for entry in COMMANDS:
        monkeypatch.delitem(sys.modules, f"moderate_cli.cli.{entry.module}", raising=False)
        monkeypatch.delattr(cli, entry.module, raising=False)
    return modules


@each_command
def test_a_placeholder_agrees_with_its_command(entry: CommandEntry, app: typer.Typer) -> None:
    group = typer.main.get_command(app)
    placeholder = group.commands[entry.name]
    alone = load(entry.name)
    assert (placeholder.name, placeholder.help) == (alone.name, alone.help)
    assert placeholder.rich_help_panel == entry.panel


@each_command
def test_a_placeholder_loads(entry: CommandEntry) -> None:
    command = load(entry.name)
    assert (command.name, command.help) == (entry.name, entry.help)
    assert command.callback is not None


def test_names_are_unique() -> None:
    assert len({entry.name for entry in COMMANDS}) == len(COMMANDS)


def test_help_lists_every_command_and_imports_none(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = _forget_commands(monkeypatch)
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    for entry in COMMANDS:
        assert entry.name in result.output
        assert entry.help in result.output
        assert entry.panel in result.output
    assert not modules & set(sys.modules)


@each_command
def test_the_help_of_a_command_is_its_own(entry: CommandEntry, app: typer.Typer) -> None:
    result = CliRunner().invoke(app, [entry.name, "--help"], env={"COLUMNS": "120", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    assert f"Usage: root {entry.name} " in result.output
    assert entry.help in result.output


def test_choosing_one_command_imports_no_other(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = _forget_commands(monkeypatch)
    result = CliRunner().invoke(app, ["schema", "--help"])
    assert result.exit_code == 0, result.output
    assert modules & set(sys.modules) == {"moderate_cli.cli.reference"}


@pytest.mark.parametrize("name", ["synk", "SYNC", "__init__", "flatten", "sync.app"])
def test_a_name_that_is_no_command_is_a_usage_error(app: typer.Typer, name: str) -> None:
    result = CliRunner().invoke(app, [name])
    assert result.exit_code == 2
    assert "No such command" in result.output
