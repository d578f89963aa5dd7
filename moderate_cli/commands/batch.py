"""`moderate batch`: judge images with several services in one call each."""

from __future__ import annotations

import typer

from moderate_cli.client.operations import Operation
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.images import SourceNames, judge_images
from moderate_cli.commands.options import GateOptions, ImageOptions, OutputOptions, ServiceOptions
from moderate_cli.scanning import Ask, ask_batch
from moderate_cli.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
@flatten_options
def batch(
    ctx: typer.Context,
    names: SourceNames,
    service: ServiceOptions,
    images: ImageOptions,
    gate: GateOptions,
    output: OutputOptions,
) -> None:
    """Judge images with several services (-s A,B) in one call each."""
    operation = Operation.IMAGE_BATCH_MODERATION
    raise typer.Exit(judge_images(ctx, names, images, gate, output, operation=operation, ask=_ask))


def _ask(settings: Settings) -> Ask:
    return ask_batch(settings.services, settings.info_types)
