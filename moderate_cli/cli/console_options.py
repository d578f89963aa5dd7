"""What do the commands of `moderate console` share? The account that is asked, and some options."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from moderate_cli.app.session import connect_account, show_log, tell_of_settings
from moderate_cli.app.spec import AccountOptions
from moderate_cli.cli.flatten import OUTPUT_PANEL
from moderate_cli.cli.options import given_settings
from moderate_cli.client import ManagementClient
from moderate_cli.common.text import safe_json
from moderate_cli.render.listing import ListFormat
from moderate_cli.render.output import as_utf8
from moderate_cli.settings import Settings, resolve

Raw = Annotated[bool, typer.Option("--raw", help="Print the API's own answer, as JSON.", rich_help_panel=OUTPUT_PANEL)]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
RulesPath = Annotated[str, typer.Argument(metavar="FILE", help="The rules file.", show_default=False)]
ListFormatChoice = Annotated[
    ListFormat,
    typer.Option(
        "-f",
        "--format",
        help="Format; auto is a table on a terminal, json in a pipe or file.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]


@contextmanager
def open_account(ctx: typer.Context, options: AccountOptions) -> Iterator[ManagementClient]:
    """Yield the client of the account that the settings and options say; raises UsageError and CredentialsError."""
    with connect_account(account_settings(ctx, options), ctx.obj) as client:
        yield client


def account_settings(ctx: typer.Context, options: AccountOptions) -> Settings:
    """Return the settings of a command, and say where they come from."""
    show_log(options.verbose, ctx.obj.stderr, debug=options.debug)
    settings = resolve(given_settings(ctx), ctx.obj)
    tell_of_settings(settings, ctx.obj, quiet=False)
    return settings


def write_raw(ctx: typer.Context, value: Any) -> None:
    """Print an answer of the API as JSON, with what a terminal would obey written out."""
    lines = json.dumps(value, ensure_ascii=False, indent=2).split("\n")
    as_utf8(ctx.obj.stdout).write("".join(f"{safe_json(line)}\n" for line in lines))
