"""Groups of options as dataclasses, which several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def flatten_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let Typer see one parameter a field in place of each parameter whose type is a dataclass of options.

    The fields are annotated as Typer's parameters are, and all of them have defaults; a field may be a dataclass of
    options again.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = _groups(hints)
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        kind = groups.get(parameter.name)
        own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        parameters += _fields(kind) if kind else [own]

    @wraps(command)
    def flat(**values: Any) -> Any:
        for name, kind in groups.items():
            values[name] = _grouped(kind, values)
        return command(**values)

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _grouped(group: type, values: dict[str, Any]) -> Any:
    """Return a group of options, made of values that it takes out of those given."""
    parts = _groups(get_type_hints(group))
    return group(
        **{
            field.name: _grouped(parts[field.name], values) if field.name in parts else values.pop(field.name)
            for field in fields(group)
        }
    )


def _fields(group: type) -> list[inspect.Parameter]:
    """Return a parameter for each field of a group, and for those of the groups in it."""
    hints = get_type_hints(group, include_extras=True)
    parts = _groups(hints)
    parameters = []
    for field in fields(group):
        if field.name in parts:
            parameters += _fields(parts[field.name])
            continue
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(field.name, kind, default=default, annotation=hints[field.name]))
    return parameters


def _groups(hints: Mapping[str, Any]) -> dict[str, type]:
    """Return the names whose types are dataclasses of options."""
    return {name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)}
