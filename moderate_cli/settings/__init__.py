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
    from moderate_cli.settings.credentials import find_credentials, find_profile

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
    "find_profile",
    "resolve",
]


def __getattr__(name: str) -> Any:
    """Import what credentials need, the client among it, when they are asked for and not before."""
    if name in {"find_credentials", "find_profile"}:
        from moderate_cli.settings import credentials

        return getattr(credentials, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
