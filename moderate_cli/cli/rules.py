"""`moderate rules`: check a rules file, and print its JSON Schema for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from moderate_cli.cli.help_screen import PlainCommand, PlainGroup
from moderate_cli.common.text import counted, safe_text
from moderate_cli.rules import read_rules
from moderate_cli.rules.model import RulesFile

app = typer.Typer(name="rules", cls=PlainGroup, add_completion=False, rich_markup_mode=None)


@app.callback()
def rules() -> None:
    """Check a rules file, or print its JSON Schema."""


@app.command(cls=PlainCommand)
def check(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The rules file.", show_default=False)],
) -> None:
    """Check a rules file, and say what it holds; what is wrong has its line."""
    found = read_rules(path, ctx.obj)
    file = found.file
    words = sum(map(len, found.words.values())) + len((found.old and found.old.keywords) or ())
    parts = [
        counted(len(file.services), "service"),
        counted(len(file.image_libraries), "image library", "image libraries"),
        counted(len(file.keyword_libraries), "keyword library", "keyword libraries"),
        counted(words, "keyword"),
        counted(len(found.verdicts), "fixed verdict"),
    ]
    ctx.obj.stdout.write(f"{safe_text(str(path))}: {', '.join(parts)}\n")


@app.command(cls=PlainCommand)
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of a rules file, by which editors check and complete it."""
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(RulesFile)
    ctx.obj.stdout.write(json.dumps(content, indent=2) + "\n")
