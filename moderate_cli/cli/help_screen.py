"""Help screens: plain text, a section a panel; they read well at 60 columns and in a pipe, and need no Rich.

Typer's own screens take 600 million instructions more, most of them to import Rich's Markdown and tracebacks.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

from moderate_cli.common.errors import ExitCode

if TYPE_CHECKING:
    from moderate_cli.cli.short_help import ShortHelp

WIDTH = {"max_content_width": 100}
"""The context settings of a command whose lines may be as long as a wide terminal allows, up to what reads well."""

_FIRST = ("Gate", "Output", "Sources", "Service", "Arguments")
_MAX_TERM = 34  # columns: what is longer stands above its meaning
_END = r"[.;:] | \((?!\d)| \["  # where the first words of a help text end
_PIECES = r"[^|/]+[|/]?"  # a term is broken between its choices
_MAX_SHORT_TERM = 30  # columns
_HANGING = " " * 6
_GOES_ON = " \\\n    "
_YES_OR_NO = frozenset({"true", "false", "yes", "no", "on", "off"})  # which some programs take behind an option


class PlainCommand(TyperCommand):
    """A command whose help lists its options by their panels."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line; raises UsageError where an option that takes no value is given one."""
        if not ctx.resilient_parsing and any(word.isdecimal() or word.lower() in _YES_OR_NO for word in args):
            from moderate_cli.cli.mistakes import check_flags

            check_flags(args, self.params, _YES_OR_NO)
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            if getattr(error, "ctx", None) is None:  # some do not say of which command they are
                vars(error)["ctx"] = ctx
            raise

    def shorten(self, short: ShortHelp) -> None:
        """Let `-h` show a short help, and leave all to `--help`."""

        def show(ctx: Any, _param: Any, value: bool) -> None:
            if value and not ctx.resilient_parsing:
                typer.echo(_short_screen(self, short, ctx))
                ctx.exit(ExitCode.OK)

        words = "Show examples and the options that are needed most, and exit."
        self.params.append(
            TyperOption(param_decls=["-h"], is_flag=True, is_eager=True, expose_value=False, help=words, callback=show)
        )

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section a panel: the gate, the output, what goes in, whom to ask, then the rest as it comes."""
        rows = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
                rows.append((getattr(parameter, "rich_help_panel", None) or usual, record))
        rows.sort(key=lambda row: _FIRST.index(row[0]) if row[0] in _FIRST else len(_FIRST))
        write_sections(rows, formatter)


def _short_screen(command: PlainCommand, short: ShortHelp, ctx: Any) -> str:
    """Return the usage, the examples, and the options that are needed most, each on a line where there is room."""
    formatter = ctx.make_formatter()
    width = formatter.width - 2
    command.format_usage(ctx, formatter)
    formatter.write(f"\n{textwrap.indent(textwrap.fill(command.help or '', width), '  ')}\n")
    with formatter.section("Examples"):
        for words in short.examples:
            lines = textwrap.wrap(f"{ctx.command_path} {words}", width - 2, break_on_hyphens=False)
            formatter.write(f"  {_GOES_ON.join(lines)}\n")
    by_name = {parameter.name: parameter for parameter in command.params}
    records = filter(None, (by_name[name].get_help_record(ctx) for name in short.options))
    write_sections((("Options", (_short_term(term), _first_words(words))) for term, words in records), formatter)
    formatter.write(f"\n{ctx.command_path} --help lists all options.\n")
    return str(formatter.getvalue()).rstrip("\n")


def _short_term(term: str) -> str:
    """Return an option without its bounds, and with as many of its choices as stand beside the meaning."""
    head, bracket, rest = re.fullmatch(r"([^<\[]*)([<\[]?)(.*?)[>\]]?", term).groups()  # type: ignore[union-attr]
    choices = rest.split("|")
    if not bracket or len(choices) == 1:
        return head.rstrip() or term
    while len(term) > _MAX_SHORT_TERM:
        choices.pop()
        term = f"{head}{bracket}{'|'.join([*choices, '...'])}{']' if bracket == '[' else '>'}"
    return term


def _first_words(text: str) -> str:
    end = re.search(_END, text)
    return (text[: end.start()] if end else text).rstrip(".")


class PlainGroup(TyperGroup):
    """A group whose help lists its commands by their panels."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section a panel, in the order of the commands."""
        known = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        rows = [(getattr(each, "rich_help_panel", None) or "Commands", (name, each.help or "")) for name, each in known]
        write_sections(rows, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command; an option of a command has no place there."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0].startswith("-") and args[0].strip("-") and args[0] not in own and not ctx.resilient_parsing:
            self._refuse("option", args, ctx)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the chosen command's name, the command itself, and its arguments."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            self._refuse("command", args, ctx)
        return super().resolve_command(ctx, args)

    def _refuse(self, what: str, args: list[str], ctx: Any) -> None:
        from moderate_cli.cli.mistakes import meant_instead

        ctx.fail(f"No such {what} {args[0]!r}{meant_instead(args, self.commands, ctx.command_path)}")


def write_sections(rows: Iterable[tuple[str, tuple[str, str]]], formatter: Any) -> None:
    """Write rows of a term and its meaning, those of one title together; a long term stands above its meaning."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for title, row in rows:
        sections.setdefault(title, []).append(row)
    most = min(_MAX_TERM, formatter.width * 2 // 5)
    for title, found in sections.items():
        column = max((len(term) for term, _ in found if len(term) <= most), default=most)
        with formatter.section(title):
            for term, meaning in found:
                formatter.write("".join(f"  {line}\n" for line in _row(term, meaning, column, formatter.width - 2)))


def _row(term: str, meaning: str, column: int, width: int) -> Iterator[str]:
    """Yield the lines of a term and its meaning; one that is longer than a line goes on below."""
    lines = textwrap.wrap(meaning, width - column - 2, break_on_hyphens=False)
    if len(term) <= column:
        yield f"{term:<{column}}  {lines.pop(0) if lines else ''}".rstrip()
    else:
        yield from _broken(term, width)
    yield from (f"{'':<{column}}  {line}" for line in lines)


def _broken(term: str, width: int) -> Iterator[str]:
    line = ""
    for piece in re.findall(_PIECES, term):
        if line and len(line) + len(piece.rstrip()) > width:
            yield line.rstrip()
            line = _HANGING
        line += piece
    yield line.rstrip()
