"""`moderate sync`: judge images now."""

from __future__ import annotations

import typer

from moderate_cli.client.operations import Operation
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.images import SourceNames, judge_images, only_service
from moderate_cli.commands.options import GateOptions, ImageOptions, OutputOptions, ServiceOptions
from moderate_cli.scanning import Ask, ask_sync
from moderate_cli.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
@flatten_options
def sync(
    ctx: typer.Context,
    names: SourceNames,
    service: ServiceOptions,
    images: ImageOptions,
    gate: GateOptions,
    output: OutputOptions,
) -> None:
    """Judge images now: files, folders and URLs."""
    raise typer.Exit(judge_images(ctx, names, images, gate, output, operation=Operation.IMAGE_MODERATION, ask=_ask))


def _ask(settings: Settings) -> Ask:
    return ask_sync(only_service(settings), settings.info_types)
