"""`moderate completion`: the script that completes command lines in a shell, and the candidates that it asks for."""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"

    @property
    def script(self) -> str:
        """The name of its script, here and where such scripts are kept."""
        return "_moderate" if self is Shell.ZSH else f"moderate.{self}"


@app.command(context_settings={"allow_extra_args": True})  # the words of an unfinished line, behind --
def completion(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="The shell that is to complete command lines.")],
) -> None:
    """Print the script that completes command lines in bash, zsh or fish."""
    if not ctx.args:
        ctx.obj.stdout.write(files(__package__).joinpath("shells", shell.script).read_text(encoding="utf-8"))
        return
    from moderate_cli.commands.completing import complete

    for candidate in complete(ctx.find_root().command, ctx.args, ctx.obj):
        ctx.obj.stdout.write(candidate.value if shell is Shell.BASH else candidate.line)
        ctx.obj.stdout.write("\n")
