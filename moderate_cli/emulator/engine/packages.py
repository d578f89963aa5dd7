"""Which of the engine's optional packages are installed, found out without importing them."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_installed(module: str) -> bool:
    """Tell whether a top-level module could be imported."""
    return find_spec(module) is not None


def missing(requirements: Mapping[str, str]) -> list[str]:
    """Return the packages that are lacking, for a mapping of modules to the packages that bring them."""
    return [package for module, package in requirements.items() if not is_installed(module)]


def with_version(package: str) -> str:
    """Return a package's name, and its version where that is known."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        # Frozen programs often carry modules without their metadata.
        return package
