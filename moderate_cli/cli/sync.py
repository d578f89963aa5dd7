"""`moderate sync` and `moderate batch`: judge images now, with one service or with several in one call each."""

from __future__ import annotations

import typer

from moderate_cli.app.images import batch_question, image_run, judge_images, sync_question
from moderate_cli.app.spec import ScanSpec
from moderate_cli.cli.options import SourceNames, request_of


def batch(
    ctx: typer.Context,
    spec: ScanSpec,
    names: SourceNames = None,
) -> None:
    """Judge images with several services (-s A,B) in one call each."""
    raise typer.Exit(judge_images(image_run(request_of(ctx), names or (), spec), batch_question))


def sync(
    ctx: typer.Context,
    spec: ScanSpec,
    names: SourceNames = None,
) -> None:
    """Judge images now: files, folders and URLs."""
    raise typer.Exit(judge_images(image_run(request_of(ctx), names or (), spec), sync_question))
