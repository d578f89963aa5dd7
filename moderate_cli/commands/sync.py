"""`moderate sync`: judge images now."""

from __future__ import annotations

import typer

from moderate_cli.client.operations import Operation
from moderate_cli.commands.flatten import flatten_options
from moderate_cli.commands.images import ImageCommand, Question, SourceNames, judge_images
from moderate_cli.commands.options import ImageCommandOptions, SettingsCommand
from moderate_cli.commands.session import only_service
from moderate_cli.scanning import ask_sync, one_call
from moderate_cli.settings import Settings

app = typer.Typer(add_completion=False)


@app.command(cls=SettingsCommand)
@flatten_options
def sync(
    ctx: typer.Context,
    options: ImageCommandOptions,
    names: SourceNames = None,
) -> None:
    """Judge images now: files, folders and URLs."""
    command = ImageCommand(ctx, names or (), options)
    raise typer.Exit(judge_images(command, _question))


def _question(settings: Settings) -> Question:
    service = only_service(settings)
    return Question(
        operation=Operation.IMAGE_MODERATION,
        services=(service,),
        ask=lambda recollection: ask_sync(service, settings.info_types),
        cost=one_call,
    )
