"""`moderate help`: the long pages of the manual, in the terminal."""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib.resources import files
from typing import Annotated

import typer
from msgspec import Struct

from moderate_cli.cli import COMMANDS
from moderate_cli.cli.flatten import ColorChoice
from moderate_cli.common.environment import Color
from moderate_cli.common.errors import UsageError

_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)


class Topic(Struct, frozen=True):
    """A page of the manual; the first sentence below its heading is its summary."""

    name: str
    text: str

    @property
    def summary(self) -> str:
        """The first sentence, on one line and without the full stop."""
        _, _, body = self.text.partition("\n")
        sentence = _SENTENCE.match(body.strip())
        return " ".join((sentence.group() if sentence else "").replace("`", "").split()).rstrip(".")


def topics() -> dict[str, Topic]:
    """Return the topics by name, in alphabetical order."""
    pages = sorted((page.name, page) for page in files("moderate_cli").joinpath("help").iterdir())
    named = ((name.removesuffix(".md"), page) for name, page in pages if name.endswith(".md"))
    return {name: Topic(name, page.read_text(encoding="utf-8")) for name, page in named}


def show_help(
    ctx: typer.Context,
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="Topic to read; without one, list all topics.")
    ] = None,
    color: ColorChoice = Color.AUTO,
) -> None:
    """Read the manual: list its topics, or show one."""
    environment = ctx.obj
    stream = environment.stdout
    pages = topics()
    page = None if topic is None else _find(topic, pages)
    width, colored = environment.width(), environment.wants_color(color, stream)
    if not stream.isatty() and not colored:
        stream.write(_listed(pages) if page is None else page.text)
        return
    from moderate_cli.render.manual import write_page, write_topics

    if page is None:
        summaries = {name: each.summary for name, each in pages.items()}
        write_topics(summaries, stream, width=width, color=colored)
    else:
        write_page(page.text, stream, width=width, color=colored)


def _listed(pages: dict[str, Topic]) -> str:
    """Return a line a topic for programs: its name, a tab, and its summary."""
    return "".join(f"{name}\t{page.summary}\n" for name, page in pages.items())


def _find(name: str, pages: dict[str, Topic]) -> Topic:
    """Return a topic by its name, in upper or lower case.

    Raises UsageError with the nearest name, or with the command that may have been meant.
    """
    wanted = name.casefold()
    if wanted in pages:
        return pages[wanted]
    if wanted in {entry.name for entry in COMMANDS}:
        hint = f"did you mean `moderate {wanted} --help`?"
    elif near := get_close_matches(wanted, pages, n=1):
        hint = f"did you mean {near[0]}?"
    else:
        hint = "`moderate help` lists the topics"
    raise UsageError(f"unknown help topic {name}", code="unknown_topic", hint=hint)
