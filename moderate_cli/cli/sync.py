"""`moderate sync`: judge images now."""

from __future__ import annotations

import typer

from moderate_cli.app.scan import ImageCommand, Question, SourceNames, judge_images
from moderate_cli.app.session import only_service
from moderate_cli.catalog.prices import image_calls
from moderate_cli.cli.options import ImageCommandOptions
from moderate_cli.client.parameters import Operation
from moderate_cli.scanning import ImageCall, one_call
from moderate_cli.settings import Settings


def batch(
    ctx: typer.Context,
    options: ImageCommandOptions,
    names: SourceNames = None,
) -> None:
    """Judge images with several services (-s A,B) in one call each."""
    command = ImageCommand(ctx, names or (), options)
    raise typer.Exit(judge_images(command, _batch_question))


def _batch_question(settings: Settings) -> Question:
    return Question(
        operation=Operation.IMAGE_BATCH_MODERATION,
        services=settings.services,
        ask=lambda cache: ImageCall(settings.info_types),
        cost=lambda known: image_calls(settings.services),
    )


def sync(
    ctx: typer.Context,
    options: ImageCommandOptions,
    names: SourceNames = None,
) -> None:
    """Judge images now: files, folders and URLs."""
    command = ImageCommand(ctx, names or (), options)
    raise typer.Exit(judge_images(command, _sync_question))


def _sync_question(settings: Settings) -> Question:
    service = only_service(settings)
    return Question(
        operation=Operation.IMAGE_MODERATION,
        services=(service,),
        ask=lambda cache: ImageCall(settings.info_types),
        cost=one_call,
    )
