"""What a judging command works with, once its settings are resolved."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from math import inf
from typing import TYPE_CHECKING, TextIO

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.app.cache import RunRecorder, open_recorder
from moderate_cli.app.run import Run, refuse_store_as_report
from moderate_cli.app.spec import GateOptions, OutputOptions, Request
from moderate_cli.catalog.prices import Estimate
from moderate_cli.catalog.services import (
    DEFAULT_REGION,
    find_service,
    is_offered,
    regions,
    regions_of,
)
from moderate_cli.catalog.services import (
    endpoint as region_endpoint,
)
from moderate_cli.client import (
    Credentials,
    CredentialSource,
    FixedCredentials,
    GreenClient,
    ManagementClient,
    RateLimits,
    Retrier,
    RetryPolicy,
    Timeouts,
)
from moderate_cli.client.limits import RateKey, RateState, Stop
from moderate_cli.client.parameters import Operation
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ExitCode, ServiceError, UsageError
from moderate_cli.common.text import echo, safe_text
from moderate_cli.gate import open_gate
from moderate_cli.models import Call, RiskLevel
from moderate_cli.render.progress import SharedStream
from moderate_cli.results import GatePolicy, RunSummary
from moderate_cli.scanning.unreachable import NO_CONNECTION
from moderate_cli.settings import Settings, find_credentials, find_profile, resolve
from moderate_cli.settings.notices import lines_about, unknown_services
from moderate_cli.sources import Bucket, OpenBucket
from moderate_cli.store import default_path

if TYPE_CHECKING:
    from moderate_cli.client.quota import SharedQuota
    from moderate_cli.rules import Rules
    from moderate_cli.sources.s3 import S3Bucket

_LOCAL_TIMEOUT = 3_600.0
"""Seconds for an answer of the emulator in this process, at least. It always answers, or hangs up: a shorter time would
only give up an image that it still works on, or that waits behind 63 large ones, and have it judged a second time."""
_OSS_ENDPOINT = "MODERATE_OSS_ENDPOINT"  # another than the region's, for tests against an emulator
_LOCAL_JOBS = 2 * (os.cpu_count() or 1)  # the local engine has no latency to fill, only processors
# The vendor offers these in some regions only, and our default is not among them.
_NOT_EVERYWHERE = frozenset({Operation.IMAGE_BATCH_MODERATION, Operation.MULTIMODAL_ASYNC_MODERATION})
_NAMED_RULES = ("--rules", "MODERATE_RULES", "rules=", "ServiceOptions.rules")
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_TRACEBACKS = "moderate_cli.scanning"  # where an error that nobody foresaw becomes the failure of one input


class Session(Struct, frozen=True):
    """What a command works with; a run that only looks has no connection."""

    environment: Environment
    settings: Settings
    connection: Connection | None
    recorder: RunRecorder
    rules: Rules | None = None

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
        """What opens buckets to be listed and signed; the local engine, which has no account, has that of others alone.

        Raises UsageError for an endpoint of OSS in the environment that is not to be trusted.
        """
        settings = self.settings
        if settings.local and settings.oss_profile is None:
            return None
        region = settings.region or DEFAULT_REGION
        own_endpoint = self.environment.variable(_OSS_ENDPOINT)
        if own_endpoint:
            from moderate_cli.sources.oss import check_endpoint

            check_endpoint(own_endpoint)

        def opened(name: str) -> Bucket:
            from moderate_cli.sources.oss import OssAccount, oss_endpoint  # only where a bucket is named

            if settings.oss_profile is None:
                credentials = _credentials(settings, self.environment)
            else:
                credentials = find_profile(self.environment, settings.oss_profile)
            endpoint = own_endpoint or oss_endpoint(region, vpc=settings.vpc)
            return OssAccount(credentials=credentials.current, region=region, endpoint=endpoint)(name)

        return opened

    @property
    def signs_oss(self) -> bool:
        """Whether addresses are signed for objects in OSS, as they are another account's; a plan has none."""
        return self.settings.oss_profile is not None and self.connection is not None

    def open_s3(self, name: str) -> S3Bucket:
        """Open a bucket of S3; a run that only looks signs nothing. Raises UsageError without its package."""
        from moderate_cli.sources.s3 import ObstoreBucket, UnsignedBucket  # only where a bucket is named

        return UnsignedBucket(name) if self.connection is None else ObstoreBucket(name, self.environment.variables)

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

    def run(self, gate_options: GateOptions, output: OutputOptions) -> Run:
        """Return what shows and counts the outcomes; raises UsageError for a wrong suppressions file or baseline."""
        return Run(
            environment=self.environment,
            settings=self.settings,
            gate_options=gate_options,
            output=output,
            recorder=self.recorder,
            gate=open_gate(
                gate_options.suppressions,
                gate_options.baseline,
                clock=self.environment.clock,
                policy=self.settings.policy,
            ),
            estimate=Estimate(self.settings.prices),
            summary=RunSummary(policy=self.policy),
            stop=self.connection.stop if self.connection else Stop(),
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
            self.recorder.echo(line)
        for region in filter(None, (settings.region, *settings.failover)):
            for service in services:
                is_known = region in regions()
                if is_known and is_offered(service, operation.value, region) is not False:
                    continue
                if region == settings.region and settings.region_is_the_accounts and settings.endpoint is None:
                    raise _not_offered(settings, operation, service)
                if is_known:
                    self.recorder.echo(f"{region} is not known to offer {service} for {operation.value}; asking anyway")


@contextmanager
def open_session(
    request: Request,
    output: OutputOptions,
    *,
    region: str | None = None,
    dry_run: bool = False,
    prescreen: bool = False,
) -> Iterator[Session]:
    """Resolve the settings and connect; `region` takes the place of the usual default.

    A session for a `dry_run` asks nobody and needs no credentials. With `prescreen` a session with
    the cloud has rules too. The store knows of no run before its recorder begins it.
    """
    environment = request.environment.with_stderr(SharedStream(request.environment.stderr))
    show_log(output.verbose, environment.stderr, debug=output.debug)
    settings = resolve(request.given, environment)
    refuse_store_as_report(output, settings.store or default_path())
    if region is not None and settings.origins["region"] == "default":
        settings = replace(settings, region=region)
    if output.show_clean:
        settings = replace(
            settings, min_level=RiskLevel.NONE, origins={**settings.origins, "min_level": "--show-clean"}
        )
    tell_of_settings(settings, environment, quiet=output.quiet)
    _refuse_open_store(settings)
    opened = open_recorder(settings.store, request.command, environment)
    with connected_session(settings, environment, opened, dry_run=dry_run, prescreen=prescreen) as session:
        yield session
        if session.connection is not None and settings.qps == inf and not output.quiet:
            for line in searched_lines(session.connection.limits.searched):
                session.recorder.echo(line)


@contextmanager
def connected_session(
    settings: Settings,
    environment: Environment,
    opened: AbstractContextManager[RunRecorder],
    *,
    dry_run: bool = False,
    prescreen: bool = False,
    shared: SharedQuota | None = None,
) -> Iterator[Session]:
    """Connect as settings say, then open a recorder; the options are those of `open_session` and `connect`."""
    rules = rules_of(settings, environment, prescreen=prescreen)
    with ExitStack() as stack:
        connection = None if dry_run else stack.enter_context(connect(settings, environment, rules, shared=shared))
        recorder = stack.enter_context(opened)
        yield Session(environment, settings, connection, recorder, rules)


def searched_lines(searched: Mapping[RateKey, RateState]) -> Iterator[str]:
    """Yield what was found of quotas that are unknown, each in a line; where nothing was, that."""
    is_found = False
    for key, state in searched.items():
        if state.borne is not None:
            is_found = True
            yield f"--qps auto: {key.operation} accepted {state.borne:.0f} calls/s before it throttled"
        elif state.rate > key.per_second:
            is_found = True
            yield f"--qps auto: {key.operation} throttled nothing up to {state.rate:.0f} calls/s"
    if searched and not is_found:
        yield "--qps auto: no limit was found, for the calls never had to wait for the rate"


def rules_of(settings: Settings, environment: Environment, *, prescreen: bool = False) -> Rules | None:
    """Return the rules that the local engine or the prescreen follows, None without a file; raises UsageError.

    Those of a settings file are left alone by the cloud, and those that somebody names for it are refused. So are those
    that a change could have written, beside a policy.
    """
    if prescreen:
        _check_prescreen(settings)
    if settings.rules is None:
        return None
    if settings.local or prescreen:
        from moderate_cli.rules import read_rules  # for these alone

        rules = read_rules(settings.rules, environment)
        if settings.policy is not None and (path := next(filter(settings.policy.leaves_open, rules.paths), None)):
            raise UsageError(
                f"--policy-from refuses {path}: rules of the working tree are those of the change",
                hint="keep the rules, and the libraries they name, outside of the checkout",
            )
        return rules
    if settings.origins["rules"] in _NAMED_RULES:
        raise UsageError(
            f"{settings.origins['rules']} is for the local engine",
            hint="add -p local, or --prescreen to sync or batch; the account has its own rules",
        )
    return None


def _check_prescreen(settings: Settings) -> None:
    """Refuse a prescreen that has no use, no rules, or rules that a change could bring along; raises UsageError."""
    if settings.local:
        raise UsageError("--prescreen is for the cloud", hint="leave it out: the local engine follows --rules anyway")
    if settings.rules is None:
        raise UsageError(
            "--prescreen needs --rules", hint="name a rules file with image libraries; see `moderate help rules`"
        )
    if settings.policy is not None:
        raise UsageError(
            "--prescreen cannot be used with --policy-from",
            hint="rules and libraries are those of the working folder, where a change could exempt itself",
        )


def _refuse_open_store(settings: Settings) -> None:
    """Refuse a store that a change could have brought along, with answers that would be taken; raises UsageError.

    One of the working tree that git does not know is only written to, unless answers are reused.
    """
    if settings.policy is None:
        return
    path = settings.store or default_path()
    if settings.policy.tracks(path) or (settings.reuse is not None and settings.policy.leaves_open(path)):
        raise UsageError(
            f"--policy-from refuses the store {path}: a change could bring answers along in the working tree",
            hint="keep it outside of the checkout: --store or MODERATE_STORE",
        )


def tell_of_settings(settings: Settings, environment: Environment, *, quiet: bool) -> None:
    """Say on stderr which files settings come from, and what is odd about them; with `quiet` only what was refused."""
    for line in lines_about(settings, quiet=quiet):
        echo(environment, line)
    if settings.policy is not None:
        settings.policy.tell(lambda line: echo(environment, line))


def check_region(settings: Settings, operation: Operation) -> None:
    """Refuse an operation that the default region does not have, before anything is sent; raises UsageError.

    A region that somebody chose is asked, whatever our table says.
    """
    is_chosen = settings.local or settings.endpoint is not None or settings.origins["region"] != "default"
    if operation not in _NOT_EVERYWHERE or is_chosen:
        return
    known = ", ".join(regions_of(operation.value))
    raise UsageError(f"{operation} is not offered in every region; choose one", hint=f"--region, one of {known}")


def only_service(settings: Settings) -> str:
    """Return the one service of a call that takes one; raises UsageError for several."""
    if len(settings.services) != 1:
        message = f"this command takes one service, not {len(settings.services)}: {', '.join(settings.services)}"
        raise UsageError(message, hint="`moderate batch` takes several")
    return settings.services[0]


def _not_offered(settings: Settings, operation: Operation, service: str) -> UsageError:
    known = find_service(service)
    offer = known.offer(operation.value) if known else None
    where = ", ".join(offer.regions if offer and offer.regions else regions())
    message = f"{settings.region} is not known to offer {service} for {operation.value}"
    return UsageError(
        f"{message}; the region comes from {settings.origins['region']}", hint=f"choose one with --region: {where}"
    )


class Connection(Struct, frozen=True):
    """A client for the chosen region and one for each to fail over to, their quotas, and a way to open further ones.

    `stop` ends all waits, and `shared` is the quota that other processes share.
    """

    clients: Sequence[GreenClient]
    limits: RateLimits
    stop: Stop
    open_client: Callable[[str | None], GreenClient]
    shared: SharedQuota | None = None


@contextmanager
def connect(
    settings: Settings,
    environment: Environment,
    rules: Rules | None = None,
    *,
    source: CredentialSource | None = None,
    shared: SharedQuota | None = None,
) -> Iterator[Connection]:
    """Yield the clients that settings call for; `rules` are those of the local engine.

    The credentials are those of a source, and the quota that other processes share is `shared`, if they are given.

    The profile `local` has one, connected to the emulator in this process. Raises CredentialsError where there are none
    and the profile needs them, and UsageError where the profile `local` could check nothing.
    """
    with ExitStack() as stack:
        endpoint = settings.endpoint
        if settings.local:
            source, endpoint = stack.enter_context(_local_service(rules, environment, fetch_urls=settings.fetch_urls))
        elif source is None:
            source = _credentials(settings, environment)
        stop = Stop()
        if shared is None and not settings.local:
            shared = open_shared_quota(settings)
        limits = RateLimits(sleep=stop.sleep, check=stop.check, places=shared.place if shared else None)

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
        clients = [open_client(region) for region in (settings.region, *further)]
        yield Connection(clients, limits, stop, open_client, shared)


@contextmanager
def connect_account(settings: Settings, environment: Environment) -> Iterator[ManagementClient]:
    """Yield the client for what the account itself has; raises CredentialsError, and UsageError without an account."""
    if settings.local:
        raise UsageError(
            "the local engine has no account",
            hint="leave out -p local; `moderate emulate` is an account for tests, by --endpoint",
        )
    stop = Stop()
    shared = open_shared_quota(settings)
    with ManagementClient(
        _credentials(settings, environment),
        region=settings.region,
        endpoint=settings.endpoint,
        vpc=settings.vpc,
        timeouts=Timeouts(read=settings.timeout),
        retrier=Retrier(RetryPolicy(retries=settings.retries), sleep=stop.sleep, stop=stop),
        limits=RateLimits(sleep=stop.sleep, check=stop.check, places=shared.place if shared else None),
        clock=environment.clock,
    ) as client:
        try:
            yield client
        except ServiceError as error:
            if error.code in NO_CONNECTION:
                error.exit_code = ExitCode.FATAL
            raise


def _credentials(settings: Settings, environment: Environment) -> CredentialSource:
    choice = settings.credentials
    return find_credentials(environment, choice.source, choice.profile)


def _quota(settings: Settings) -> float | None:
    """Return the calls a second, which the emulator in this process leaves to the machine."""
    return 1e6 if settings.local and settings.qps in {None, inf} else settings.qps


def open_shared_quota(settings: Settings) -> SharedQuota | None:
    """Return the quota that is shared with other processes; raises UsageError, and QuotaError where it is not there."""
    if settings.quota is None:
        return None
    from moderate_cli.client.quota import open_quota  # for those who share one

    return open_quota(settings.quota.address, default=default_path().parent / "quota")


def _timeout(settings: Settings) -> float:
    """Return how long to wait for an answer, in seconds."""
    return max(settings.timeout, _LOCAL_TIMEOUT) if settings.local else settings.timeout


@contextmanager
def _local_service(
    rules: Rules | None, environment: Environment, *, fetch_urls: bool
) -> Iterator[tuple[CredentialSource, str]]:
    """Start the emulator, and yield credentials that it knows, and its endpoint."""
    from moderate_cli.emulator import Emulator, Fetch
    from moderate_cli.emulator.engine import EXTRA, LocalEngine
    from moderate_cli.rules import Rules

    if not LocalEngine().is_available():
        from moderate_cli.common.installation import install_command

        raise UsageError(
            "no detector of the local engine is installed", code="no_local_engine", hint=install_command(EXTRA)
        )
    emulator = Emulator(
        rules=rules or Rules(),
        fetch=Fetch.PUBLIC if fetch_urls else Fetch.NONE,
        results=default_path().parent / "local-results",
        history=0,  # nobody asks this one for its account
    )
    for note in emulator.notes:
        echo(environment, note)
    with emulator:
        key = emulator.access_key
        credentials = Credentials(key.access_key_id, key.access_key_secret)
        yield FixedCredentials(credentials, "the local engine's own"), emulator.endpoint
        emulator.finish_tasks()


def show_log(verbosity: int, stream: TextIO, *, debug: bool = False) -> None:
    """Write this program's own log to a stream; those of the libraries can hold headers, and with them secrets.

    With `debug` the tracebacks of what nobody foresaw are in it, however quiet it is otherwise.
    """
    logging.getLogger(_TRACEBACKS).setLevel(logging.DEBUG if debug else logging.NOTSET)
    log = logging.getLogger("moderate_cli")
    log.setLevel(_LEVELS[min(verbosity, len(_LEVELS) - 1)])
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_SafeFormatter("moderate: %(message)s"))
    log.handlers = [handler]
    log.propagate = False


class _SafeFormatter(logging.Formatter):
    """Makes one safe line of each message; only a traceback has several."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, with what a terminal or a CI would obey written out."""
        return "\n".join(safe_text(line) for line in super().format(record).split("\n"))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is inherited
        """Return the message on one line."""
        return safe_text(super().formatMessage(record))
