"""`moderate feedback`: say that a verdict is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moderate_cli.commands.options import with_default
from moderate_cli.commands.past import open_store
from moderate_cli.render.notes import say
from moderate_cli.store import FeedbackVerdict, Filters

app = typer.Typer(add_completion=False)


@app.command()
def feedback(
    ctx: typer.Context,
    request_id: Annotated[
        str,
        typer.Argument(metavar="REQUEST_ID", help="The request id of the result; `moderate history` shows it."),
    ],
    verdict: Annotated[
        FeedbackVerdict,
        typer.Argument(metavar="VERDICT", help="What is wrong: nothing is there to be found, or something was not."),
    ],
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; for whoever reads the history.")] = None,
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
    say(ctx.obj, f"noted as {verdict}: {', '.join(map(str, sources))}")
