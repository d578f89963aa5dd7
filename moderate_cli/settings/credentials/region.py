"""The region of the profile whose keys are used."""

from __future__ import annotations

from collections.abc import Callable

from moderate_cli.client.credentials import CredentialSource
from moderate_cli.environment import Environment
from moderate_cli.errors import CredentialsError
from moderate_cli.settings.credentials.links import NothingHereError, Search
from moderate_cli.settings.credentials.variables import find_environment, find_oidc
from moderate_cli.settings.model import Sourced


def region_of_keys(environment: Environment, source: str, profile: str | None) -> Sourced | None:
    """Return the region of a profile of the aliyun CLI, where the search for credentials ends there, else None.

    Whatever is wrong with the credentials is said when they are needed.
    """
    search = Search.begin(environment, profile)
    if source not in {"auto", "cli"}:
        return None
    try:
        if source == "auto" and (_finds(find_environment, search) or _finds(find_oidc, search)):
            return None
        from moderate_cli.settings.credentials.cli import find_region  # most runs have found their keys by now

        return find_region(search)
    except (CredentialsError, NothingHereError):
        return None


def _finds(find: Callable[[Search], CredentialSource], search: Search) -> bool:
    try:
        find(search)
    except NothingHereError:
        return False
    return True
