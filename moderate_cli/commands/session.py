"""What a judging command works with, once its settings are resolved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import typer

from moderate_cli.catalogue.prices import Estimate
from moderate_cli.catalogue.regions import DEFAULT_REGION, regions
from moderate_cli.catalogue.regions import endpoint as region_endpoint
from moderate_cli.catalogue.services import find_service, is_offered, regions_of
from moderate_cli.client import GreenClient
from moderate_cli.client.operations import Operation
from moderate_cli.commands.ledger import Ledger, open_ledger
from moderate_cli.commands.log import show_log
from moderate_cli.commands.options import GateOptions, OutputOptions, given_settings
from moderate_cli.commands.run import Run
from moderate_cli.commands.service import Connection, connect
from moderate_cli.environment import Environment
from moderate_cli.errors import UsageError
from moderate_cli.gate import open_gate
from moderate_cli.records import GatePolicy, Tally
from moderate_cli.render.notes import say
from moderate_cli.render.progress import SharedStream
from moderate_cli.settings import Settings, find_credentials, resolve
from moderate_cli.settings.telling import lines_about, unknown_services
from moderate_cli.sources import Bucket, OpenBucket
from moderate_cli.verdicts import Call

_OSS_ENDPOINT = "MODERATE_OSS_ENDPOINT"  # another than the region's, for tests against an emulator
_LOCAL_JOBS = 2 * (os.cpu_count() or 1)  # the local engine has no latency to fill, only processors


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with; a run that only looks has no connection."""

    environment: Environment
    settings: Settings
    connection: Connection | None
    ledger: Ledger

    @property
    def clients(self) -> Sequence[GreenClient]:
        """The client of the chosen region, and those to fail over to."""
        return self._connected.clients

    @property
    def _connected(self) -> Connection:
        if self.connection is None:
            raise TypeError("this run only looks")
        return self.connection

    @property
    def jobs(self) -> int:
        """How many images may be on their way at once."""
        is_chosen = self.settings.origins["jobs"] != "default"
        return self.settings.jobs if is_chosen or not self.settings.local else min(self.settings.jobs, _LOCAL_JOBS)

    def has_room(self) -> bool:
        """Tell whether one more worker could fill the quota better."""
        return self.connection is None or self.connection.limits.have_room

    @property
    def open_bucket(self) -> OpenBucket | None:
        """What opens buckets to be listed; the local engine, which has no account, has none.

        Raises UsageError for an endpoint of OSS in the environment that is not to be trusted.
        """
        settings = self.settings
        if settings.local:
            return None
        region = settings.region or DEFAULT_REGION
        own_endpoint = self.environment.variable(_OSS_ENDPOINT)
        if own_endpoint:
            from moderate_cli.sources.oss import check_endpoint

            check_endpoint(own_endpoint)

        def opened(name: str) -> Bucket:
            from moderate_cli.sources.oss import OssAccount, oss_endpoint  # only where a bucket is named

            choice = settings.credentials
            keys = find_credentials(self.environment, choice.source, choice.profile)
            endpoint = own_endpoint or oss_endpoint(region, vpc=settings.vpc)
            return OssAccount(keys=keys.current, region=region, endpoint=endpoint)(name)

        return opened

    def open_client(self, region: str | None) -> GreenClient:
        """Return a client for another region."""
        return self._connected.open_client(region)

    def endpoint_of(self, region: str) -> str:
        """Return the endpoint that a region has by our table."""
        return region_endpoint(region, vpc=self.settings.vpc)

    def call(self, operation: Operation, services: tuple[str, ...]) -> Call:
        """Return the description of a call that was not sent."""
        if self.connection is not None:
            return self.clients[0].call(operation, services)
        region = self.settings.region
        endpoint = self.settings.endpoint or (self.endpoint_of(region or DEFAULT_REGION))
        return Call(operation=operation.value, services=services, region=region, endpoint=endpoint)

    def run(self, gate: GateOptions, output: OutputOptions) -> Run:
        """Return what shows and counts the outcomes; raises UsageError for a wrong suppressions file or baseline."""
        return Run(
            environment=self.environment,
            settings=self.settings,
            gate=gate,
            output=output,
            ledger=self.ledger,
            findings=open_gate(
                gate.suppressions, gate.baseline, clock=self.environment.clock, policy=self.settings.policy
            ),
            estimate=Estimate(self.settings.prices),
            tally=Tally(policy=self.policy),
            stop=self._connected.stop,
        )

    @property
    def policy(self) -> GatePolicy:
        """What makes an input fail."""
        settings = self.settings
        return GatePolicy(settings.fail_on.level, settings.allow_partial, settings.require_full)

    def check_offers(self, operation: Operation, services: Sequence[str]) -> None:
        """Say which services are unknown, or not known to be offered; our tables may lag behind, so they are asked.

        Raises UsageError where nobody chose the region: it is that of the aliyun profile.
        """
        settings = self.settings
        for line in unknown_services(services):
            self.ledger.say(line)
        for region in filter(None, (settings.region, *settings.failover)):
            for service in services:
                is_known = region in regions()
                if is_known and is_offered(service, operation.value, region) is not False:
                    continue
                if region == settings.region and settings.region_is_the_accounts and settings.endpoint is None:
                    raise _not_offered(settings, operation, service)
                if is_known:
                    self.ledger.say(
                        f"{region} is not known to offer {service} for {operation.value}; asking all the same"
                    )


@contextmanager
def open_session(
    ctx: typer.Context,
    output: OutputOptions,
    *,
    region: str | None = None,
    subject: str | None = None,
    only_looks: bool = False,
) -> Iterator[Session]:
    """Resolve the settings and connect; `region` takes the place of the usual default.

    `subject` is a key of what the command is asked to judge. A session that `only_looks` asks nobody, needs no
    credentials, and is no run that the store knows of.
    """
    environment = replace(ctx.obj, stderr=SharedStream(ctx.obj.stderr))
    show_log(output.verbose, environment.stderr, debug=output.debug)
    settings = resolve(given_settings(ctx), environment)
    if region is not None and settings.origins["region"] == "default":
        settings = replace(settings, region=region)
    for line in lines_about(settings, quiet=output.quiet):
        say(environment, line)
    if settings.policy is not None:
        settings.policy.tell(lambda line: say(environment, line))
    with ExitStack() as stack:
        connection = None if only_looks else stack.enter_context(connect(settings, environment))
        ledger = stack.enter_context(open_ledger(settings.store, str(ctx.info_name), environment))
        if not only_looks:
            ledger.begin(subject)
        yield Session(environment, settings, connection, ledger)


def _not_offered(settings: Settings, operation: Operation, service: str) -> UsageError:
    known = find_service(service)
    offer = known.offer(operation.value) if known else None
    where = ", ".join(offer.regions if offer and offer.regions else regions())
    message = f"{settings.region} is not known to offer {service} for {operation.value}"
    return UsageError(
        f"{message}; it is the region of {settings.origins['region']}", hint=f"choose one with --region: {where}"
    )


# The vendor offers these in some regions only, and our default is not among them.
_NOT_EVERYWHERE = frozenset({Operation.IMAGE_BATCH_MODERATION, Operation.MULTIMODAL_ASYNC_MODERATION})


def check_region(settings: Settings, operation: Operation) -> None:
    """Refuse an operation that the default region does not have, before anything is sent; raises UsageError.

    A region that somebody chose is asked, whatever our table says.
    """
    is_chosen = settings.local or settings.endpoint is not None or settings.origins["region"] != "default"
    if operation not in _NOT_EVERYWHERE or is_chosen:
        return
    known = ", ".join(regions_of(operation.value))
    raise UsageError(f"{operation} is not offered in every region: choose one", hint=f"--region, one of {known}")


def only_service(settings: Settings) -> str:
    """Return the one service of a call that takes one; raises UsageError for several."""
    if len(settings.services) != 1:
        message = f"this command asks one service, not {len(settings.services)}: {', '.join(settings.services)}"
        raise UsageError(message, hint="moderate batch asks several in one call")
    return settings.services[0]
