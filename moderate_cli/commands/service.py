"""The clients that a command's settings call for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from moderate_cli.client import (
    Credentials,
    CredentialSource,
    FixedCredentials,
    GreenClient,
    RateLimits,
    Retrier,
    RetryPolicy,
    Timeouts,
)
from moderate_cli.client.retry import Stop
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.installation import install_command
from moderate_cli.settings import Settings, find_credentials
from moderate_cli.store import default_path

_LOCAL_TIMEOUT = 3_600.0
"""Seconds for an answer of the emulator in this process, at least. It always answers, or hangs up: a shorter time would
only give up an image that it still works on, or that waits behind 63 large ones, and have it judged a second time."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client for the chosen region and one for each to fail over to, their quotas, and a way to open further ones.

    `stop` ends all waits.
    """

    clients: Sequence[GreenClient]
    limits: RateLimits
    stop: Stop
    open_client: Callable[[str | None], GreenClient]


@contextmanager
def connect(settings: Settings, environment: Environment) -> Iterator[Connection]:
    """Yield the clients that settings call for.

    The profile `local` has one, connected to the emulator in this process. Raises CredentialsError where there are none
    and the profile needs them, and UsageError where the profile `local` could check nothing.
    """
    with ExitStack() as stack:
        endpoint: str | None
        if settings.local:
            source, endpoint = stack.enter_context(_local_service())
        else:
            choice = settings.credentials
            source = find_credentials(environment, choice.source, choice.profile)
            endpoint = settings.endpoint
        stop = Stop()
        limits = RateLimits(sleep=stop.sleep, check=stop.check)

        def open_client(region: str | None) -> GreenClient:
            return stack.enter_context(
                GreenClient(
                    source,
                    region=region,
                    endpoint=endpoint if region == settings.region else None,
                    vpc=settings.vpc,
                    params_in=settings.params_in.value,
                    queries_per_second=_quota(settings),
                    timeouts=Timeouts(read=_timeout(settings)),
                    retrier=Retrier(RetryPolicy(retries=settings.retries), sleep=stop.sleep, stop=stop),
                    limits=limits,
                    clock=environment.clock,
                )
            )

        further = () if settings.local else settings.failover
        yield Connection([open_client(region) for region in (settings.region, *further)], limits, stop, open_client)


def _quota(settings: Settings) -> float | None:
    """Return the calls a second, which the emulator in this process leaves to the machine."""
    return settings.qps or (1e6 if settings.local else None)


def _timeout(settings: Settings) -> float:
    """Return how long to wait for an answer, in seconds."""
    return max(settings.timeout, _LOCAL_TIMEOUT) if settings.local else settings.timeout


@contextmanager
def _local_service() -> Iterator[tuple[CredentialSource, str]]:
    """Start the emulator, and yield credentials that it knows, and its endpoint."""
    from moderate_cli.emulator import Emulator
    from moderate_cli.emulator.engine import EXTRA, LocalEngine

    if not LocalEngine().is_available():
        raise UsageError("the local engine has no detector", code="no_local_engine", hint=install_command(EXTRA))
    with Emulator(results=default_path().parent / "local-results") as emulator:
        key = emulator.access_key
        credentials = Credentials(key.access_key_id, key.access_key_secret)
        yield FixedCredentials(credentials, "the local engine's own"), emulator.endpoint
        emulator.finish_tasks()
