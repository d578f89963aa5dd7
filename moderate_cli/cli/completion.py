"""`moderate completion`: the script that completes command lines in a shell, and the candidates that it asks for.

Typer's own completion loads Rich for each help text, splits words a second time, and in bash loses `--option=VALUE`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Any

import typer
from msgspec import Struct

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ModerateError

FILES = "\tfiles"
FOLDERS = "\tfolders"


class Candidate(Struct, frozen=True):
    """What a word can become, or FILES or FOLDERS where the shell knows better."""

    value: str
    help: str = ""

    @property
    def line(self) -> str:
        """The candidate with its help, as fish and zsh are told of it."""
        return f"{self.value}\t{self.help}" if self.help else self.value


Known = Callable[[Any, Environment], Iterator[Candidate]]
"""Yields the values of an option, given the other values on the command line."""


def _profiles(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    """Yield the profiles of the settings files; a broken file has none."""
    from moderate_cli.settings import LOCAL_PROFILE, Sourced
    from moderate_cli.settings.load import locations
    from moderate_cli.settings.locate import read

    yield Candidate(LOCAL_PROFILE, "the local engine, without an account")
    config = values.get("config")
    for location in locations({"config": Sourced(config, "--config")} if config else {}, environment):
        try:
            text = read(location)
            if text is not None:
                from moderate_cli.settings.validate import validate_text  # loads PyYAML

                yield from map(Candidate, validate_text(text, location.name).profiles)
        except ModerateError:
            continue


def _services(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.catalog.services import services

    for service in services().values():
        yield Candidate(service.name, service.description or "")


def _regions(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.catalog.services import regions

    for region in regions().values():
        yield Candidate(region.id, region.name)


def _labels(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    """Yield each label once, though several services answer with it."""
    from moderate_cli.catalog.labels import labels

    yield from {label.label: Candidate(label.label, label.meaning) for label in reversed(labels())}.values()


def _info_types(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    yield from map(Candidate, ("customImage", "textInImage", "publicFigure", "logoData"))


def _topics(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.cli.help import topics

    yield from (Candidate(topic.name, topic.summary) for topic in topics().values())


def _risk_levels(values: Mapping[str, Any], environment: Environment) -> Iterator[Candidate]:
    from moderate_cli.models import RiskLevel

    yield from (Candidate(level.value) for level in reversed(RiskLevel))


KNOWN: Mapping[str, Known] = {
    "info_type": _info_types,
    "label": _labels,
    "profile": _profiles,
    "region": _regions,
    "risk": _risk_levels,
    "service": _services,
    "topic": _topics,
}
"""By the name of the option, which means the same at each command."""

LISTS = frozenset({"info_type", "label", "risk", "service"})
"""Options whose values may be several with commas between them."""


_FILE_WORDS = frozenset({"FILE", "IMAGE", "POST", "RESULTS", "SOURCE"})  # in the metavars of options and arguments
_FOLDER_WORD = "FOLDER"
_CHOICE = re.compile(r"[a-z]+(?=[|\]])")  # in the metavar of a setting that is one of a few words
_NOT = "!="


def complete(root: Any, words: Sequence[str], environment: Environment) -> list[Candidate]:
    """Return what the last of the words behind the program's name can become; nothing where anything goes wrong.

    A value behind `=` comes with its option, unless the shell has split the two, as bash does.
    """
    try:
        joined = _joined(words)
        candidates = list(_complete(root, joined, environment))
    except Exception:  # noqa: BLE001 - an error would be written into a line that somebody is typing
        return []
    if joined[-1] == words[-1] or not candidates:
        return candidates
    split_off = joined[-1].partition("=")[0] + "="
    return [Candidate(one.value.removeprefix(split_off), one.help) for one in candidates]


def _joined(words: Sequence[str]) -> list[str]:
    """Return words in which what bash has split at `=` is one: an option and its value, and `!=` with what follows."""
    joined: list[str] = []
    for word in words:
        follows = len(joined) > 0 and joined[-1].startswith(("--", "!"))
        if follows and (word == "=" or (joined[-1].endswith("=") and "=" not in joined[-1][:-1])):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _complete(root: Any, words: list[str], environment: Environment) -> Iterator[Candidate]:
    *done, last = words
    context, done = _descend(root, done, environment)
    if context is None:
        return
    option, behind = _open_option(context, done, last)
    if option is not None:
        head = last.removesuffix(behind) if last.startswith("--") else ""
        yield from _with_head(head, _values(context, option, behind))
    elif last.startswith("-") and "--" not in done:
        yield from _options(context, last)
    elif hasattr(context.command, "commands"):
        yield from _commands(context, last)
    else:
        yield from _values(context, _open_argument(context), last)


def _descend(root: Any, words: list[str], environment: Environment) -> tuple[Any, list[str]]:
    """Return the context of the command that words lead to (None where there is none), and the words behind it."""
    context = root.make_context("moderate", [], resilient_parsing=True, obj=environment)
    while words and hasattr(context.command, "commands"):
        word, *words = words
        if word.startswith("-"):
            continue
        _, command, _ = context.command.resolve_command(context, [word])
        if command is None:
            return None, []
        own = [] if hasattr(command, "commands") else list(words)
        context = command.make_context(word, own, parent=context, resilient_parsing=True)
    return context, words


def _open_option(context: Any, done: list[str], last: str) -> tuple[Any, str]:
    """Return the option whose value the last word is, or None, and what of that value is there."""
    if "--" in done:
        return None, last
    if last.startswith("--") and "=" in last:
        name, _, behind = last.partition("=")
        return _option(context, name), behind
    return (_option(context, done[-1]) if done else None), last


def _option(context: Any, name: str) -> Any:
    """Return the option of a name that takes a value, or None."""
    options = (parameter for parameter in context.command.params if parameter.param_type_name == "option")
    takes_values = (option for option in options if not option.is_flag and not option.count)
    return next((option for option in takes_values if name in option.opts), None)


def _open_argument(context: Any) -> Any:
    """Return the argument that takes the next word, or None where there is no more room."""
    for parameter in context.command.params:
        if parameter.param_type_name == "argument":
            source = context.get_parameter_source(parameter.name)
            if parameter.nargs == -1 or source is None or source.name != "COMMANDLINE":
                return parameter
    return None


def _values(context: Any, parameter: Any, begun: str) -> Iterator[Candidate]:
    """Yield the values of an option or argument that begin like the word."""
    if parameter is None:
        return
    known = KNOWN.get(parameter.name)
    metavars = set(re.findall(r"[A-Z]+", parameter.metavar or ""))
    if known:
        head, begun = _split_list(begun) if parameter.name in LISTS else ("", begun)
        values = known(context.params, context.obj)
        given = head.removeprefix(_NOT).split(",")
        yield from _with_head(head, (one for one in _beginning(values, begun) if one.value not in given))
    elif metavars & _FILE_WORDS:
        yield Candidate(FILES)
    elif _FOLDER_WORD in metavars:
        yield Candidate(FOLDERS)
    else:
        choices = getattr(parameter.type, "choices", ()) or _CHOICE.findall(parameter.metavar or "")
        yield from _beginning((Candidate(str(choice)) for choice in choices), begun)


def _split_list(text: str) -> tuple[str, str]:
    """Return a list up to its last part, `!=` at its beginning with it, and that part."""
    comma = text.rfind(",") + 1 or (len(_NOT) if text.startswith(_NOT) else 0)
    return text[:comma], text[comma:]


def _options(context: Any, begun: str) -> Iterator[Candidate]:
    """Yield the options that are not given yet, or may be given again."""
    for option in context.command.get_params(context):
        if option.param_type_name != "option" or option.hidden:
            continue
        source = context.get_parameter_source(option.name)
        if option.multiple or option.count or source is None or source.name != "COMMANDLINE":
            names = (Candidate(name, _plain(option.help)) for name in [*option.opts, *option.secondary_opts])
            yield from _beginning(names, begun)


def _commands(context: Any, begun: str) -> Iterator[Candidate]:
    names = context.command.list_commands(context)
    commands = ((name, context.command.get_command(context, name)) for name in names)
    yield from _beginning((Candidate(name, _plain(one.help)) for name, one in commands if not one.hidden), begun)


def _beginning(candidates: Iterable[Candidate], begun: str) -> Iterator[Candidate]:
    return (candidate for candidate in candidates if candidate.value.startswith(begun))


def _with_head(head: str, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield candidates with what stands before them in their word; files are the shell's own affair."""
    for one in candidates:
        yield one if one.value in {FILES, FOLDERS} else Candidate(head + one.value, one.help)


def _plain(text: str | None) -> str:
    """Return a help text on one line, without the default at its end."""
    return " ".join((text or "").partition("[default:")[0].split())


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"

    @property
    def script(self) -> str:
        """The name of its script, here and where such scripts are kept."""
        return "_moderate" if self is Shell.ZSH else f"moderate.{self}"


CONTEXT_SETTINGS = {"allow_extra_args": True}  # the words of an unfinished line, behind --


def completion(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="The shell.")],
) -> None:
    """Print the script that completes command lines in bash, zsh or fish."""
    if not ctx.args:
        ctx.obj.stdout.write(files(__package__).joinpath("shells", shell.script).read_text(encoding="utf-8"))
        return

    for candidate in complete(ctx.find_root().command, ctx.args, ctx.obj):
        ctx.obj.stdout.write(candidate.value if shell is Shell.BASH else candidate.line)
        ctx.obj.stdout.write("\n")
