"""Groups of options: types to the command, single options to Typer."""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import Annotated, Any

import pytest
import typer
from msgspec import Struct
from msgspec.structs import fields
from typer.testing import CliRunner, Result

from moderate_cli.app.spec import GateOptions, OutputOptions, ServiceOptions
from moderate_cli.cli import options as _described  # noqa: F401 - it says how the groups look
from moderate_cli.cli.flatten import describe, flatten_options


class Taste(StrEnum):
    """What there is."""

    SWEET = "sweet"
    SOUR = "sour"


class CakeOptions(Struct, frozen=True):
    """Which cake."""

    taste: Annotated[Taste, typer.Option(envvar="TEST_TASTE", rich_help_panel="Cake")] = Taste.SWEET
    layers: Annotated[int, typer.Option("-l", "--layers", envvar="TEST_LAYERS", rich_help_panel="Cake")] = 1
    glazed: Annotated[bool, typer.Option("--glazed", envvar="TEST_GLAZED", rich_help_panel="Cake")] = False


class GuestOptions(Struct, frozen=True):
    """Who comes."""

    guest: Annotated[str | None, typer.Option(rich_help_panel="Guests")] = None


def bake(ctx: typer.Context, names: list[str], cake: CakeOptions, guests: GuestOptions) -> None:
    """Bake a cake."""
    ctx.obj.append((names, cake, guests))


def _run(*arguments: str, env: dict[str, str] | None = None) -> tuple[Result, list[Any]]:
    app = typer.Typer(add_completion=False)
    app.command()(flatten_options(bake))
    calls: list[Any] = []
    return CliRunner().invoke(app, arguments, env=env, obj=calls), calls


def test_typer_sees_one_parameter_a_field() -> None:
    parameters = inspect.signature(flatten_options(bake)).parameters
    assert list(parameters) == ["ctx", "names", "taste", "layers", "glazed", "guest"]
    assert parameters["layers"].default == 1
    assert parameters["names"].annotation == list[str]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["taste", "glazed", "layers"], "glazed is in the place of layers"),
        (["taste", "layers"], "nothing is in the place of glazed"),
        (["taste", "layers", "glazed", "iced"], "iced is in the place of nothing"),
    ],
)
def test_a_group_that_is_described_otherwise_than_it_is_says_where(names: list[str], said: str) -> None:
    with pytest.raises(TypeError, match=f"^the options of CakeOptions are not its fields: {said}$"):
        describe(CakeOptions, **dict.fromkeys(names, typer.Option()))


def test_the_command_keeps_its_name_and_its_help() -> None:
    assert flatten_options(bake).__name__ == "bake"
    assert flatten_options(bake).__doc__ == "Bake a cake."


@pytest.mark.parametrize(
    ("arguments", "env", "cake"),
    [
        ([], {}, CakeOptions()),
        (["--taste", "sour", "-l", "3", "--glazed"], {}, CakeOptions(Taste.SOUR, 3, True)),
        ([], {"TEST_TASTE": "sour", "TEST_LAYERS": "2", "TEST_GLAZED": "1"}, CakeOptions(Taste.SOUR, 2, True)),
        (["--layers", "3"], {"TEST_LAYERS": "2"}, CakeOptions(layers=3)),
    ],
)
def test_the_command_gets_its_groups(arguments: list[str], env: dict[str, str], cake: CakeOptions) -> None:
    result, calls = _run("a", "b", *arguments, env=env)
    assert result.exit_code == 0, result.output
    assert calls == [(["a", "b"], cake, GuestOptions())]


def test_a_value_that_does_not_fit_never_reaches_the_command() -> None:
    result, calls = _run("a", env={"TEST_TASTE": "salty"})
    assert (result.exit_code, calls) == (2, [])
    assert "TEST_TASTE" in result.output


def test_help_shows_the_panels() -> None:
    result, _ = _run("--help", env={"COLUMNS": "100", "TERM": "dumb"})
    panels = [line.strip("╭─╮ ") for line in result.output.splitlines() if line.startswith("╭")]
    assert panels == ["Arguments", "Options", "Cake", "Guests"]


def test_a_command_without_groups_stays_as_it_is() -> None:
    def plain(one: int, two: str = "x") -> tuple[int, str]:
        return one, two

    flat = flatten_options(plain)
    assert list(inspect.signature(flat).parameters) == ["one", "two"]
    assert flat(one=1, two="y") == (1, "y")


@pytest.mark.parametrize("group", [ServiceOptions, GateOptions, OutputOptions])
def test_the_shared_groups_have_defaults_panels_and_variables_throughout(group: type) -> None:
    def command(options: Any) -> None:
        """Only the options count here."""

    command.__annotations__["options"] = group
    assert group() == group(**{field.name: field.default for field in fields(group)})
    for parameter in inspect.signature(flatten_options(command)).parameters.values():
        [option] = parameter.annotation.__metadata__
        assert option.envvar == f"MODERATE_{parameter.name.upper()}"
        assert option.hidden or (option.help and option.rich_help_panel)
