"""What the commands share that send images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from moderate_cli.catalogue.regions import endpoint as region_endpoint
from moderate_cli.catalogue.services import is_offered
from moderate_cli.client import GreenClient
from moderate_cli.client.operations import Operation
from moderate_cli.commands.ledger import Ledger, open_ledger
from moderate_cli.commands.log import show_log
from moderate_cli.commands.options import GateOptions, ImageOptions, OutputOptions, given_settings
from moderate_cli.commands.run import Run
from moderate_cli.commands.service import Connection, connect
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode, UsageError
from moderate_cli.scanning import Ask, ImageJudge, Scan
from moderate_cli.settings import Settings, resolve
from moderate_cli.sources import Sources
from moderate_cli.verdicts import Item

SourceNames = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help="Files, folders (with all below them) and http(s) URLs.", show_default=False
    ),
]


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with, once its settings are resolved."""

    environment: Environment
    settings: Settings
    connection: Connection
    ledger: Ledger

    @property
    def clients(self) -> Sequence[GreenClient]:
        """The client of the chosen region, and those to fail over to."""
        return self.connection.clients

    def open_client(self, region: str | None) -> GreenClient:
        """Return a client for another region."""
        return self.connection.open_client(region)

    def endpoint_of(self, region: str) -> str:
        """Return the endpoint that a region has by our table."""
        return region_endpoint(region, vpc=self.settings.vpc)

    def run(self, gate: GateOptions, output: OutputOptions) -> Run:
        """Return what shows and counts the outcomes."""
        return Run(environment=self.environment, settings=self.settings, gate=gate, output=output, ledger=self.ledger)

    def warn_if_not_offered(self, operation: Operation) -> None:
        """Say which services a region is not known to offer; our tables may lag behind, so they are asked anyway."""
        for region in filter(None, (client.region for client in self.clients)):
            for service in self.settings.services:
                if is_offered(service, operation.value, region) is False:
                    self.ledger.say(
                        f"{region} is not known to offer {service} for {operation.value}; asking all the same"
                    )


@contextmanager
def open_session(ctx: typer.Context, output: OutputOptions, *, region: str | None = None) -> Iterator[Session]:
    """Resolve the settings and connect; `region` takes the place of the usual default."""
    environment = ctx.obj
    show_log(output.verbose, environment.stderr)
    settings = resolve(given_settings(ctx), environment)
    if region is not None and settings.origins["region"] == "default":
        settings = replace(settings, region=region)
    with (
        connect(settings, environment) as connection,
        open_ledger(output.store, str(ctx.info_name), environment) as ledger,
    ):
        yield Session(environment, settings, connection, ledger)


def judge_images(
    ctx: typer.Context,
    names: Sequence[str],
    images: ImageOptions,
    gate: GateOptions,
    output: OutputOptions,
    *,
    operation: Operation,
    ask: Callable[[Settings], Ask],
) -> ExitCode:
    """Judge the images of some sources by one operation, show them, and return the exit code."""
    sources = Sources(names)
    with open_session(ctx, output) as session:
        judge = image_judge(session, operation, ask(session.settings), images)
        scan = Scan(with_options(sources, images), judge, jobs=session.settings.jobs)
        return session.run(gate, output).finish(scan, sources)


def image_judge(session: Session, operation: Operation, ask: Ask, images: ImageOptions) -> ImageJudge:
    """Return what judges one image after the other by an operation."""
    session.warn_if_not_offered(operation)
    return ImageJudge(
        clients=session.clients,
        operation=operation,
        services=session.settings.services,
        ask=ask,
        preflight=not images.no_preflight,
    )


def with_options(sources: Sources, images: ImageOptions) -> Iterator[Item]:
    """Yield the items of some sources with what the options say about each."""
    return (replace(item, data_id=images.data_id, referer=images.referer) for item in sources)


def only_service(settings: Settings) -> str:
    """Return the one service of a call that takes one; raises UsageError for several."""
    if len(settings.services) != 1:
        message = f"this command asks one service, not {len(settings.services)}: {', '.join(settings.services)}"
        raise UsageError(message, hint="moderate batch asks several in one call")
    return settings.services[0]
