"""The client that a command's settings call for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from moderate_cli.client import Credentials, GreenClient, Timeouts
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.settings import Settings, find_credentials


@contextmanager
def connect(settings: Settings, environment: Environment) -> Iterator[GreenClient]:
    """Yield a client, connected to the emulator in this process for the profile `local`.

    Raises CredentialsError where there are none and the profile needs them, and UsageError where the profile `local`
    could check nothing.
    """
    timeouts = Timeouts(read=settings.timeout)
    if settings.local:
        with _local_client(timeouts) as client:
            yield client
        return
    credentials = find_credentials(environment)
    with GreenClient(
        credentials,
        region=settings.region,
        endpoint=settings.endpoint,
        vpc=settings.vpc,
        timeouts=timeouts,
        clock=environment.clock,
    ) as client:
        yield client


@contextmanager
def _local_client(timeouts: Timeouts) -> Iterator[GreenClient]:
    from moderate_cli.emulator import Emulator
    from moderate_cli.emulator.engine import INSTALL_COMMAND, LocalEngine

    if not LocalEngine().is_available():
        raise UsageError("the local engine has no detector", code="no_local_engine", hint=INSTALL_COMMAND)
    with Emulator() as emulator:
        key = emulator.access_key
        credentials = Credentials(key.access_key_id, key.access_key_secret)
        with GreenClient(credentials, region=None, endpoint=emulator.endpoint, timeouts=timeouts) as client:
            yield client
