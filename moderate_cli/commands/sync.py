"""`moderate sync`: judge images now."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from moderate_cli.client.operations import Operation
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.log import show_log
from moderate_cli.commands.options import GateOptions, OutputOptions, ServiceOptions, given_settings
from moderate_cli.commands.run import Run
from moderate_cli.commands.service import connect
from moderate_cli.errors import UsageError
from moderate_cli.scanning import ImageJudge, Scan, ask_sync
from moderate_cli.settings import resolve
from moderate_cli.sources import Sources

app = typer.Typer(add_completion=False)

SourceNames = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help="Files, folders (with all below them) and http(s) URLs.", show_default=False
    ),
]


@app.command()
@flatten_options
def sync(
    ctx: typer.Context, names: SourceNames, asked: ServiceOptions, gate: GateOptions, output: OutputOptions
) -> None:
    """Judge images now: files, folders and URLs."""
    environment = ctx.obj
    show_log(output.verbose, environment.stderr)
    settings = resolve(given_settings(ctx), environment)
    service = _only(settings.services)
    sources = Sources(names)
    items = (replace(item, data_id=asked.data_id, referer=asked.referer) for item in sources)
    with connect(settings, environment) as clients:
        judge = ImageJudge(
            clients=clients,
            operation=Operation.IMAGE_MODERATION,
            services=(service,),
            ask=ask_sync(service, settings.info_types),
            preflight=not asked.no_preflight,
        )
        scan = Scan(items, judge, jobs=settings.jobs)
        code = Run(environment=environment, settings=settings, gate=gate, output=output).finish(scan, sources)
    raise typer.Exit(code)


def _only(services: tuple[str, ...]) -> str:
    if len(services) > 1:
        message = f"sync asks one service, not {len(services)}: {', '.join(services)}"
        raise UsageError(message, hint="`moderate batch` asks several in one call")
    return services[0]
