"""Where each setting comes from: the command line, the environment, a project's file, the user's, the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moderate_cli.settings.load import resolve
from moderate_cli.settings.resolved import (
    LOCAL_PROFILE,
    CredentialsChoice,
    CredentialsSource,
    FailOn,
    Layer,
    ParamsIn,
    QuotaAddress,
    Settings,
    Sourced,
)
from moderate_cli.settings.schema import SETTINGS, Setting

if TYPE_CHECKING:
    from moderate_cli.settings.credentials import find_credentials

__all__ = [
    "LOCAL_PROFILE",
    "SETTINGS",
    "CredentialsChoice",
    "CredentialsSource",
    "FailOn",
    "Layer",
    "ParamsIn",
    "QuotaAddress",
    "Setting",
    "Settings",
    "Sourced",
    "find_credentials",
    "resolve",
]


def __getattr__(name: str) -> Any:
    """Import what credentials need, the client among it, when they are asked for and not before."""
    if name == "find_credentials":
        from moderate_cli.settings.credentials import find_credentials

        return find_credentials
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
