"""Which settings of a project's file are used? All where the user trusts it, else none that could weaken a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from moderate_cli.catalog.services import JudgingOperation, queries_per_second
from moderate_cli.settings.locate import Location, under_home
from moderate_cli.settings.resolved import FailOn, Layer

TRUSTED_KEY = "trusted_folders"
"""The key of the user's file for the folders whose moderate.yaml is used in full."""

_FROM_STRICT = (FailOn.LOW, FailOn.MEDIUM, FailOn.HIGH, FailOn.NEVER)


def why_trusted(location: Location, folders: Sequence[str]) -> str | None:
    """Return why a project's file is trusted, None where it is not; `folders` are the trusted ones."""
    if location.revision is not None:
        return f"policy from {location.revision}"
    return "named by you" if location.required else why_trusted_folder(location.path.parent, folders)


def why_trusted_folder(folder: Path, folders: Sequence[str]) -> str | None:
    """Return which trusted folder a folder is or lies in, None for no such one; links are followed."""
    try:
        place = Path(os.path.realpath(folder))
    except OSError:  # the working folder was removed
        return None
    for trusted in folders:
        if place.is_relative_to(os.path.realpath(trusted)):
            return f"{under_home(Path(trusted))} is trusted"
    return None


def untrusted_layer(top: Layer, others: Layer) -> Layer:
    """Return the keys of an untrusted file that are used; `others` are the values without it.

    That is info_types, and what is at least as strict. Its profiles are never used.
    """
    return {name: said for name, said in top.items() if name == "info_types" or _is_as_strict(name, said.value, others)}


def _is_as_strict(name: str, value: Any, others: Layer) -> bool:
    return name in _AS_STRICT and _AS_STRICT[name](value, others[name].value, others)


def _is_documented_quota(value: float, others: Layer) -> bool:
    """Tell whether a rate is at most what the service allows an account by default for each of the services."""
    operation = JudgingOperation.IMAGE_MODERATION
    return value <= min(queries_per_second(operation, service) for service in others["services"].value or ("",))


# For each key, whether a value is at least as strict as another; showing more is stricter than showing less.
_AS_STRICT: Mapping[str, Callable[[Any, Any, Layer], bool]] = {
    "fail_on": lambda value, other, _: _FROM_STRICT.index(value) <= _FROM_STRICT.index(other),
    "require_full": lambda value, other, _: value or not other,
    "min_level": lambda value, other, _: value.rank <= other.rank,
    "qps": lambda value, other, others: _is_documented_quota(value, others) if other is None else value <= other,
    "jobs": lambda value, other, _: value <= other,
    "max_calls": lambda value, other, _: other is None or value <= other,
    "confirm_above": lambda value, other, _: other is None or value <= other,
}
