"""`moderate config`: the settings, where each comes from, a file to start from, and which folders are trusted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from moderate_cli.app.stores import store_state
from moderate_cli.cli.flatten import with_default
from moderate_cli.cli.help_screen import PlainCommand, PlainGroup
from moderate_cli.cli.options import ConfigFile, PolicyFrom, ProfileName, given_settings
from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ModerateError, UsageError
from moderate_cli.common.text import echo, safe_json, safe_text, with_hint
from moderate_cli.render.output import as_utf8
from moderate_cli.settings import SETTINGS, Settings, find_credentials, resolve
from moderate_cli.settings.load import locations, open_policy
from moderate_cli.settings.locate import PROJECT_FILE, nearest, user_file
from moderate_cli.settings.notices import words_about
from moderate_cli.settings.resolved import DEFAULT_ORIGIN
from moderate_cli.store import default_path

app = typer.Typer(name="config", cls=PlainGroup, add_completion=False, rich_markup_mode=None)

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]",
        help=with_default("The folder.", "that of the nearest moderate.yaml, else the working folder"),
    ),
]


class ShowFormat(StrEnum):
    """The formats of `config show`."""

    TABLE = "table"
    JSON = "json"


@app.callback()
def config() -> None:
    """Show the settings and where each comes from."""


@app.command(cls=PlainCommand)
def show(
    ctx: typer.Context,
    profile: ProfileName = None,
    config: ConfigFile = None,
    policy_from: PolicyFrom = None,
    format: Annotated[  # noqa: A002 - the option's name
        ShowFormat, typer.Option("-f", "--format", help="Table or JSON.")
    ] = ShowFormat.TABLE,
) -> None:
    """Print each setting with its value and its origin, and which files were read; never a secret."""
    settings = resolve(given_settings(ctx), ctx.obj)
    rows = _rows(settings) | {"access key": _access_key(settings, ctx.obj)} | _files(settings)
    if format is ShowFormat.JSON:
        as_utf8(ctx.obj.stdout).write(_json(rows))
    else:
        ctx.obj.stdout.write(_table(rows))


@app.command(cls=PlainCommand)
def init(
    ctx: typer.Context,
    user: Annotated[bool, typer.Option("--user", help="Write your user file, which applies everywhere.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a settings file in which every key is explained and commented out."""
    from moderate_cli.settings.edit import template_text, write_new

    path = user_file() if user else Path(PROJECT_FILE)
    write_new(path, template_text(), force=force, private=user)
    ctx.obj.stderr.write(f"moderate: wrote {safe_text(str(path))}\n")


class PathKind(StrEnum):
    """What `config path` prints the places of."""

    SETTINGS = "settings"
    STORE = "store"


@app.command(cls=PlainCommand)
def path(
    ctx: typer.Context,
    kind: Annotated[
        PathKind | None,
        typer.Argument(metavar="[settings|store]", help="Print only these paths, one a line, and nothing else."),
    ] = None,
    config: ConfigFile = None,
    policy_from: PolicyFrom = None,
) -> None:
    """Print where the settings files are, the first to count first, and the store; each with its state and what it is.

    The states are `read`, `missing` and `refused`, and for the store `there`, `read-only` and `missing`.
    """
    places = {PathKind.SETTINGS: _settings_files, PathKind.STORE: _store}
    if kind is not None:
        for name, _ in places[kind](ctx):
            ctx.obj.stdout.write(f"{safe_text(name)}\n")
        return
    for each, found in places.items():
        try:
            for name, state in found(ctx):
                ctx.obj.stdout.write(f"{safe_text(name)}\t{state}\t{each}\n")
        except UsageError as error:  # a wrong settings file, which may name the store; where it is has been said
            echo(ctx.obj, with_hint(error))


def _settings_files(ctx: typer.Context) -> Iterator[tuple[str, str]]:
    """Yield the settings files, the first to count first, each with its state."""
    given = given_settings(ctx)
    for location in locations(given, ctx.obj, open_policy(given, ctx.obj)):
        state = "read" if location.exists else "refused" if location.is_refused else "missing"
        yield str(location.path if location.revision is None else location.name), state
        for line in location.refused:
            echo(ctx.obj, line)


def _store(ctx: typer.Context) -> Iterator[tuple[str, str]]:
    """Yield the store and its state; raises UsageError for wrong settings."""
    store = resolve(given_settings(ctx), ctx.obj, with_account=False).store or default_path()
    yield str(store.absolute()), store_state(store)


@app.command(cls=PlainCommand)
def trust(ctx: typer.Context, folder: Folder = None) -> None:
    """Let a folder's moderate.yaml count in full, and all below it; it is noted in your own file."""
    from moderate_cli.settings.edit import trust

    echo(ctx.obj, trust(_chosen(folder)))


@app.command(cls=PlainCommand)
def untrust(ctx: typer.Context, folder: Folder = None) -> None:
    """Undo `moderate config trust`."""
    from moderate_cli.settings.edit import distrust

    echo(ctx.obj, distrust(_chosen(folder)))


def _chosen(folder: Path | None) -> Path:
    """Return a folder, or the one with the nearest moderate.yaml, the working folder where there is none."""
    return folder or nearest(PROJECT_FILE).path.parent


def _rows(settings: Settings) -> dict[str, tuple[Any, str]]:
    """Return for each setting its value, as JSON and files write it, and its origin."""
    values = {name: setting.type.show(getattr(settings, name)) for name, setting in SETTINGS.items()}
    rows = {"profile": settings.profile} | values
    return {name: (value, settings.origins[name]) for name, value in rows.items()}


def _files(settings: Settings) -> dict[str, tuple[str | None, str]]:
    """Return which files were read, why the project's counts, and what was refused."""
    files = settings.files
    missing = f"missing; {files.trusted}" if files.trusted else "missing; its folder is not trusted"
    rows: dict[str, tuple[str | None, str]] = {
        "project file": (files.project.name, words_about(files.project)) if files.project else (None, missing),
        "user file": (files.user, "your own") if files.user else (None, "missing"),
    }
    return rows | ({"refused": (None, "; ".join(settings.refused))} if settings.refused else {})


def _access_key(settings: Settings, environment: Environment) -> tuple[str, str]:
    """Return whether an AccessKey is found, and where; the key itself is nobody's business."""
    if settings.local:
        return "found", "the local engine's own"
    choice = settings.credentials
    try:
        return "found", find_credentials(environment, choice.source, choice.profile).origin
    except ModerateError as error:
        return "not found", error.message


def _json(rows: dict[str, tuple[Any, str]]) -> str:
    document = {name: {"value": value, "origin": origin} for name, (value, origin) in rows.items()}
    lines = json.dumps(document, ensure_ascii=False, indent=2).split("\n")
    return "".join(f"{safe_json(line)}\n" for line in lines)


def _table(rows: dict[str, tuple[Any, str]]) -> str:
    lines = [("Setting", "Value", "Origin")]
    for name, (value, origin) in rows.items():
        is_open = value in (None, []) and origin == DEFAULT_ORIGIN and name in SETTINGS
        words = SETTINGS[name].shown_default if is_open else _words(value)
        lines.append((name, safe_text(words), safe_text(origin)))
    first, second = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "".join(f"{name:<{first}}  {value:<{second}}  {origin}\n" for name, value, origin in lines)


def _words(value: Any) -> str:
    match value:
        case None | []:
            return "-"
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
        case dict():
            return ", ".join(f"{key} {_words(part)}" for key, part in value.items())
        case float():
            return f"{value:g}"
        case _:
            return str(value)
