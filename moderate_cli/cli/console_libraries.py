"""`moderate console images` and `keywords`: what is in one library of the account, and how that is changed by hand."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from moderate_cli.account import only_library
from moderate_cli.app.confirm import check_agreed
from moderate_cli.app.spec import AccountOptions
from moderate_cli.cli.console_options import ListFormatChoice, Raw, Yes, open_account, write_raw
from moderate_cli.cli.flatten import ColorChoice
from moderate_cli.cli.reference import show
from moderate_cli.client import ImageLibrary, KeywordLibrary, ManagementClient
from moderate_cli.common.environment import Color, Environment
from moderate_cli.common.errors import ExitCode, UsageError
from moderate_cli.common.files import read_text
from moderate_cli.common.text import counted, echo, safe_text, shortened, suggestion, visible_text
from moderate_cli.render.listing import ListFormat, Listing, Row
from moderate_cli.render.output import as_utf8
from moderate_cli.render.progress import SharedStream, progress
from moderate_cli.results import RunSummary
from moderate_cli.rules.library_images import list_folder, read_image
from moderate_cli.rules.reader import check_word

_MAX_WORDS = 10_000_000  # bytes of a list of words
_WORDS = "@"  # before a file of words


class ImageAction(StrEnum):
    """What is done with the images of a library."""

    ADD = "add"
    LIST = "list"
    REMOVE = "remove"


class KeywordAction(StrEnum):
    """What is done with the words of a library."""

    ADD = "add"
    LIST = "list"
    REMOVE = "remove"
    EXPORT = "export"


class Listed(Struct, frozen=True):
    """How a library is shown."""

    raw: Raw = False
    format: ListFormatChoice = ListFormat.AUTO
    color: ColorChoice = Color.AUTO


def images(
    ctx: typer.Context,
    library: Annotated[str, typer.Argument(metavar="LIBRARY", help="The library's name in the account.")],
    action: Annotated[ImageAction, typer.Argument(help="What to do with its images.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Files or folders to add, or ids to remove.", show_default=False),
    ] = None,
    yes: Yes = False,
    *,
    listed: Listed,
    account: AccountOptions,
) -> None:
    """Add, list or remove images of a library by hand; `apply` does it by a rules file, and knows which is which."""
    environment: Environment = ctx.obj
    given = _given(names, wanted=action is not ImageAction.LIST, what="a file, a folder or an id")
    files = [*_files(given)] if action is ImageAction.ADD else []
    with open_account(ctx, account) as client:
        found = _image_library(client, library)
        match action:
            case ImageAction.LIST:
                _list_images(ctx, client, found, listed)
            case ImageAction.ADD:
                _add_images(client, found, files, environment)
            case ImageAction.REMOVE:
                check_agreed(environment, f"remove {counted(len(given), 'image')} from {library}?", yes=yes)
                there = {image.id for image in client.library_images(found.id)}
                _refuse_unknown(given, there, f"image of {library}")
                client.remove_images(found.id, given)
                echo(environment, f"removed {counted(len(given), 'image')} from {library}")


def _add_images(
    client: ManagementClient, library: ImageLibrary, files: Sequence[Path], environment: Environment
) -> None:
    environment = environment.with_stderr(SharedStream(environment.stderr))
    summary = RunSummary()
    with progress(environment, wanted=True, total=lambda: len(files)) as shown:
        for path in files:
            content = read_image(path.parent, str(path.parent), path.name)
            image = client.add_image(library.id, io.BytesIO(content), path.name)
            environment.stdout.write(f"{safe_text(image)}\n")
            environment.stdout.flush()
            summary.planned += 1
            shown.update(summary)
    echo(environment, f"added {counted(len(files), 'image')} to {library.name}")


def _list_images(ctx: typer.Context, client: ManagementClient, library: ImageLibrary, listed: Listed) -> None:
    found = list(client.library_images(library.id))
    if listed.raw:
        write_raw(ctx, [each.raw for each in found])
        return
    rows = [
        Row({"id": each.id, "created": each.created, "url": each.url}, (each.id, each.created or "", each.url))
        for each in found
    ]
    _show(ctx, client, listed, rows, ("id", "created", "url"), ("Image", "Created", "Address"), "images")


def keywords(
    ctx: typer.Context,
    library: Annotated[str, typer.Argument(metavar="LIBRARY", help="The library's name in the account.")],
    action: Annotated[KeywordAction, typer.Argument(help="What to do with its words.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD...]", help="Words, or @FILE with one a line.", show_default=False),
    ] = None,
    yes: Yes = False,
    *,
    listed: Listed,
    account: AccountOptions,
) -> None:
    """Add, list or remove words of a library, or export them, one a line, as a rules file has them."""
    environment: Environment = ctx.obj
    is_change = action in {KeywordAction.ADD, KeywordAction.REMOVE}
    given = list(dict.fromkeys(_words(_given(words, wanted=is_change, what="a word or @FILE"), action)))
    refused = 0
    with open_account(ctx, account) as client:
        found = _keyword_library(client, library)
        match action:
            case KeywordAction.LIST:
                _list_words(ctx, client, found, listed)
            case KeywordAction.EXPORT:
                stream = as_utf8(environment.stdout)
                stream.writelines(f"{visible_text(each.word)}\n" for each in client.keywords(found.id))
            case KeywordAction.ADD:
                refused = _add_words(client, found, given, environment)
            case KeywordAction.REMOVE:
                check_agreed(environment, f"remove {counted(len(given), 'keyword')} from {library}?", yes=yes)
                ids = {each.word: each.id for each in client.keywords(found.id)}
                _refuse_unknown(given, ids, f"keyword of {library}")
                client.remove_keywords(found.id, [ids[word] for word in given])
                echo(environment, f"removed {counted(len(given), 'keyword')} from {library}")
    raise typer.Exit(ExitCode.INCOMPLETE if refused else ExitCode.OK)


def _add_words(
    client: ManagementClient, library: KeywordLibrary, words: Sequence[str], environment: Environment
) -> int:
    """Add what is not there yet, and return how many words were refused."""
    there = {each.word for each in client.keywords(library.id)}
    missing = [word for word in words if word not in there]
    result = client.add_keywords(library.id, missing) if missing else None
    refused = result.refused if result else 0
    for word in (*result.invalid, *result.wrong_length) if result else ():
        echo(environment, f"refused: {word}")
    known = f" ({len(words) - len(missing):,} there already)" if len(missing) < len(words) else ""
    echo(environment, f"added {counted(len(missing) - refused, 'keyword')} to {library.name}{known}")
    return refused


def _list_words(ctx: typer.Context, client: ManagementClient, library: KeywordLibrary, listed: Listed) -> None:
    found = list(client.keywords(library.id))
    if listed.raw:
        write_raw(ctx, [each.raw for each in found])
        return
    rows = [Row({"id": each.id, "keyword": each.word}, (each.id, each.word)) for each in found]
    _show(ctx, client, listed, rows, ("id", "keyword"), ("Id", "Keyword"), "keywords")


def _show(
    ctx: typer.Context,
    client: ManagementClient,
    listed: Listed,
    rows: Sequence[Row],
    fields: tuple[str, ...],
    columns: tuple[str, ...],
    name: str,
) -> None:
    listing = Listing(
        name=name,
        source=f"the account, by {client.endpoint}",
        date=datetime.fromtimestamp(ctx.obj.clock(), UTC).strftime("%Y-%m-%d"),
        fields=fields,
        columns=columns,
        rows=rows,
    )
    show(listing, listed.format, ctx.obj, color=listed.color)


def _given(values: Sequence[str] | None, *, wanted: bool, what: str) -> list[str]:
    """Return what was named, once each; raises UsageError where nothing is, or something that has no meaning."""
    if wanted and not values:
        raise UsageError(f"name {what}")
    if values and not wanted:
        raise UsageError(f"{values[0]!r} has no meaning here")
    return list(dict.fromkeys(values or ()))


def _files(names: Iterable[str]) -> Iterator[Path]:
    """Yield the images of files and folders; raises UsageError for one that cannot be read or is too large."""
    for name in names:
        path = Path(name)
        if path.is_dir():
            yield from (path / image[0] for image in list_folder(path, name.rstrip("/") or "/").images)
        else:
            read_image(path.parent, str(path.parent), path.name)
            yield path


def _words(values: Iterable[str], action: KeywordAction) -> Iterator[str]:
    """Yield words, those of files too; one that is to be added must be as the console takes it. Raises UsageError."""
    for value in values:
        lines = [(value, "the command line")]
        if value.startswith(_WORDS):
            text = read_text(Path(value[1:]), _MAX_WORDS, what="list of keywords")
            lines = [(line.strip(), f"{value[1:]}:{number}") for number, line in enumerate(text.splitlines(), 1)]
            lines = [(line, place) for line, place in lines if line and not line.startswith("#")]
        for word, place in lines:
            yield check_word(word, place) if action is KeywordAction.ADD else word


def _refuse_unknown(given: Sequence[str], known: Iterable[str], what: str) -> None:
    known = set(known)
    for name in given:
        if name not in known:
            raise UsageError(f"{shortened(name)!r} is no {what}; nothing was removed")


def _image_library(client: ManagementClient, name: str) -> ImageLibrary:
    libraries = client.image_libraries()
    found = only_library(libraries, name, "image libraries")
    if found is None:
        raise UsageError(
            f"the account has no image library {name!r}{suggestion(name, (each.name for each in libraries))}"
        )
    return found


def _keyword_library(client: ManagementClient, name: str) -> KeywordLibrary:
    libraries = client.keyword_libraries()
    found = only_library(libraries, name, "keyword libraries")
    if found is None:
        near = suggestion(name, (each.name for each in libraries))
        raise UsageError(f"the account has no keyword library {name!r}{near}")
    return found
