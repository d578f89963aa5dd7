"""`moderate batch`: judge images with several services in one call each."""

from __future__ import annotations

import typer

from moderate_cli.catalogue.billing import image_calls
from moderate_cli.client.operations import Operation
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.images import ImageCommand, Question, SourceNames, judge_images
from moderate_cli.commands.options import ImageCommandOptions, SettingsCommand
from moderate_cli.scanning import ask_batch
from moderate_cli.settings import Settings

app = typer.Typer(add_completion=False)


@app.command(cls=SettingsCommand)
@flatten_options
def batch(
    ctx: typer.Context,
    options: ImageCommandOptions,
    names: SourceNames = None,
) -> None:
    """Judge images with several services (-s A,B) in one call each."""
    command = ImageCommand(ctx, names or (), options)
    raise typer.Exit(judge_images(command, _question))


def _question(settings: Settings) -> Question:
    return Question(
        operation=Operation.IMAGE_BATCH_MODERATION,
        services=settings.services,
        ask=lambda recollection: ask_batch(settings.services, settings.info_types),
        cost=lambda known: image_calls(settings.services),
    )
