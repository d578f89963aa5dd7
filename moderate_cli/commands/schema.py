"""`moderate schema`: what a record looks like."""

from __future__ import annotations

import typer

from moderate_cli.records import record_schema

app = typer.Typer(add_completion=False)


@app.command()
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of a record."""
    ctx.obj.stdout.write(record_schema())
