"""The role of the ECS instance that this runs on, told by its metadata service."""

from __future__ import annotations

import socket

from moderate_cli.client.credentials import CredentialSource
from moderate_cli.errors import CredentialsError
from moderate_cli.installation import install_command
from moderate_cli.settings.credentials import library, plans
from moderate_cli.settings.credentials.links import NothingHereError, Search

METADATA_ADDRESS = ("100.100.100.200", 80)
# Seconds. The service is on the same host and answers within milliseconds; elsewhere the packets may just vanish.
_PROBE_TIMEOUT = 0.5


def find_ecs(search: Search) -> CredentialSource:
    """Return the role of this instance; raises NothingHereError or CredentialsError.

    A role that is named is taken at its word. Without a name the service is asked at once, because an answer on its
    address does not prove that it is there.
    """
    if search.is_true(plans.METADATA_DISABLED):
        raise NothingHereError("ECS role", f"{plans.METADATA_DISABLED} is true")
    name = search.text(plans.ROLE_VARIABLE)
    if name is None:
        _probe()
    origin = f"ECS role {name}" if name else "ECS role of this instance"
    build = plans.ecs_role(search, origin, name)
    source = plans.source(search, origin, lambda: build)
    if name is None:
        _ask(source)
    return source


def _probe() -> None:
    try:
        socket.create_connection(METADATA_ADDRESS, timeout=_PROBE_TIMEOUT).close()
    except OSError:
        raise NothingHereError("ECS role", "no metadata service answers") from None
    if not library.is_installed():
        raise NothingHereError("ECS role", f"a metadata service may be there, {install_command('ram')} to ask it")


def _ask(source: CredentialSource) -> None:
    try:
        source.current()
    except CredentialsError as error:
        raise NothingHereError("ECS role", error.message.removeprefix(f"{source.origin}: ")) from None
