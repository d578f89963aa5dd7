"""`moderate feedback`: a person's word on a verdict, which stays in the store on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.app.stores import open_store
from moderate_cli.cli.options import with_default
from moderate_cli.common.text import echo
from moderate_cli.store import FeedbackVerdict, Filters


def feedback(
    ctx: typer.Context,
    request_id: Annotated[
        str,
        typer.Argument(metavar="REQUEST_ID", help="Request ID of the result (see `moderate history`)."),
    ],
    verdict: Annotated[
        FeedbackVerdict,
        typer.Argument(metavar="VERDICT", help="false-positive: nothing to find; missed: something was not found."),
    ],
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason, kept with the result.")] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="MODERATE_STORE",
            help=with_default("Where runs, results and tasks are kept.", "store.db in the platform's folder for state"),
        ),
    ] = None,
) -> None:
    """Say that a verdict is wrong: a false positive, or something missed."""
    with open_store(store, ctx.obj) as opened:
        opened.add_feedback(request_id, verdict, " ".join((note or "").split()) or None)
        sources = [entry.record.get("source") for entry in opened.history(Filters(request_id=request_id, limit=1))]
    echo(ctx.obj, f"noted as {verdict}: {', '.join(map(str, sources))}")


