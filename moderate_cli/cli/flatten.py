"""Options that all commands share, groups of them as types, and the former names of options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, wraps
from itertools import zip_longest
from typing import Annotated, Any, NamedTuple, get_origin, get_type_hints

import typer
from msgspec import Struct

from moderate_cli.common.environment import Color
from moderate_cli.common.text import echo

_NEAREST_FIRST = ("COMMANDLINE", "ENVIRONMENT")


OUTPUT_PANEL = "Output"
"""The section of `--help` about what is shown, where and how."""


def option(panel: str, variable: str, text: str, *flags: str, **more: Any) -> Any:
    """Return an option that is no setting, with its panel in `--help`, its environment variable, and its help."""
    return typer.Option(*flags, envvar=f"MODERATE_{variable}", help=text, rich_help_panel=panel, **more)


def with_default(text: str, default: str) -> str:
    """Return a help text with a default in words, which Typer would put in parentheses."""
    return f"{text} [default: {default}]"


ColorChoice = Annotated[Color, option(OUTPUT_PANEL, "COLOR", "Colour output; auto honours NO_COLOR and FORCE_COLOR.")]
Debug = Annotated[bool, option(OUTPUT_PANEL, "DEBUG", "Print the traceback of an error.", "--debug")]


class FormerName(NamedTuple):
    """The former name of an option, in its annotation: it works as the new one does, and `--help` does not show it.

    It has a variable where the option has one.
    """

    flag: str
    has_variable: bool = True

    @property
    def parameter(self) -> str:
        """The name of its parameter."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"MODERATE_{self.parameter.upper()}"


_FACES: dict[type[Struct], Mapping[str, Sequence[Any]]] = {}


def describe(group: type[Struct], **options: Any) -> None:
    """Say how each field of a group of plain values looks on a command line, in the order of its fields.

    A field has Typer's option, or an annotated type that holds one, or a list of an option and its `FormerName`.
    """
    for field, name in zip_longest(group.__struct_fields__, options, fillvalue="nothing"):
        if field != name:
            raise TypeError(f"the options of {group.__name__} are not its fields: {name} is in the place of {field}")
    _FACES[group] = {name: _face(option) for name, option in options.items()}


def _face(option: Any) -> Sequence[Any]:
    if get_origin(option) is Annotated:
        return option.__metadata__  # type: ignore[no-any-return]
    return option if isinstance(option, list) else [option]


def flatten_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let Typer see one parameter a field in place of each parameter whose type is a group of options.

    A group is a Struct whose fields were described, or are annotated as Typer's parameters are; all of them have
    defaults, and a field may be a group again. A parameter with a `FormerName` is there a second time, hidden, under
    that name; a run that uses it is told of the new one.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = _groups(hints)
    parameters: list[inspect.Parameter] = []
    former: dict[str, FormerName] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind = groups.get(parameter.name)
        own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        for each in _fields(kind) if kind else [own]:
            parameters += _with_former_name(each, former)

    @wraps(command)
    def flat(**values: Any) -> Any:
        for new, old in former.items():
            _take_former(values, new, old)
        for name, kind in groups.items():
            values[name] = _grouped(kind, values)
        return command(**values)

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _with_former_name(parameter: inspect.Parameter, former: dict[str, FormerName]) -> Iterator[inspect.Parameter]:
    """Yield a parameter, and a hidden one for the former name that it is annotated with, which is noted in `former`."""
    hint = parameter.annotation
    more = hint.__metadata__ if get_origin(hint) is Annotated else ()
    names = [each for each in more if isinstance(each, FormerName)]
    if not names:
        yield parameter
        return
    [old], kind = names, hint.__origin__
    [option] = (each for each in more if each is not old)
    former[parameter.name] = old
    yield parameter.replace(annotation=Annotated[kind, option])
    hidden = typer.Option(
        old.flag, envvar=old.variable if old.has_variable else None, metavar=option.metavar, hidden=True
    )
    yield parameter.replace(name=old.parameter, annotation=Annotated[kind, hidden])


def _take_former(values: dict[str, Any], new: str, old: FormerName) -> None:
    """Take the value of a former name out of those given, let it count unless the new one does, and tell of it.

    As for each option the command line comes before the environment; at the same place the new name counts.
    """
    ctx, value = values["ctx"], values.pop(old.parameter)
    rank, former_rank = (_rank(ctx, name) for name in (new, old.parameter))
    if former_rank == len(_NEAREST_FIRST):
        return
    if former_rank < rank:
        values[new] = value
    if not ctx.params.get("quiet"):
        flag = f"--{new.replace('_', '-')}"
        given, instead = (old.flag, flag) if former_rank == 0 else (old.variable, f"MODERATE_{new.upper()}")
        echo(ctx.obj, f"{given} is deprecated: use {instead}")


def _rank(ctx: typer.Context, name: str) -> int:
    """Return how near to the user a parameter got its value, the nearest first."""
    source = ctx.get_parameter_source(name)
    return _NEAREST_FIRST.index(source.name) if source and source.name in _NEAREST_FIRST else len(_NEAREST_FIRST)


def _grouped(group: type[Struct], values: dict[str, Any]) -> Any:
    """Return a group of options, made of values that it takes out of those given."""
    parts = _groups(_hints(group))
    return group(
        **{
            name: _grouped(parts[name], values) if name in parts else values.pop(name)
            for name in group.__struct_fields__
        }
    )


def _fields(group: type[Struct]) -> list[inspect.Parameter]:
    """Return a parameter for each field of a group, and for those of the groups in it."""
    hints = _hints(group)
    parts, faces = _groups(hints), _FACES.get(group, {})
    # Those of the last fields; msgspec's `fields` would work out all types once more.
    defaults = dict(zip(reversed(group.__struct_fields__), reversed(group.__struct_defaults__), strict=False))
    parameters = []
    for name in group.__struct_fields__:
        if name in parts:
            parameters += _fields(parts[name])
            continue
        hint = Annotated[(hints[name], *faces[name])] if name in faces else hints[name]
        default, kind = defaults.get(name, inspect.Parameter.empty), inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=hint))
    return parameters


@cache
def _hints(group: type[Struct]) -> dict[str, Any]:
    return get_type_hints(group, include_extras=True)


def _groups(hints: Mapping[str, Any]) -> dict[str, type[Struct]]:
    """Return the names whose types are groups of options."""
    return {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Struct)}
