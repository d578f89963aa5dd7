"""Runs: what is asked for, judged, remembered and reported; importable without a command line."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moderate_cli.app.images import scan
    from moderate_cli.app.spec import GateOptions, ImageOptions, ReuseOptions, ScanSpec, SourceOptions

__all__ = ["GateOptions", "ImageOptions", "ReuseOptions", "ScanSpec", "SourceOptions", "scan"]


def __getattr__(name: str) -> Any:
    """Import what a program asks for; the commands take what they need from the modules themselves."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "images" if name == "scan" else "spec"
    return getattr(import_module(f"{__name__}.{module}"), name)
