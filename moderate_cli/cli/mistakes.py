"""What was meant by a command line that cannot be read? Typer's errors in our words, with the nearest that can."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

from typer.exceptions import TyperException

from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import any_of, shortened, suggestion

_SOURCE = re.compile(r"\.\w{2,5}\Z|[/\\*?]")  # in a word that is something to judge
_POST = (".yaml", ".yml", ".json", ".jsonl")
_VERSION = frozenset({"-v", "-V", "version"})
_WRONG = re.compile(r"(.*?) is not (?:one of|a valid|in the range) ", re.DOTALL)
_NUMBERS = {"int": "a whole number", "int range": "a whole number", "float": "a number", "float range": "a number"}
_MAX_DIGITS = 4  # of a number that is no task's id
_ALSO_OPTIONS = frozenset({"config", "label", "region", "service"})  # beside commands of these names
_MAX_LENGTH = 100  # characters of a command line


def parse_error(error: TyperException) -> str:
    """Return what is wrong with a command line, and where to read on."""
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context else "moderate"
    return f"{_message(error, context)} (see {path} --help)"


def _message(error: Any, context: Any) -> str:
    option = getattr(error, "option_name", None)
    if option and hasattr(error, "possibilities"):
        near = f", did you mean {error.possibilities[0]}?" if error.possibilities else ""
        return f"No such option: {option}{near}"
    parameter = getattr(error, "param", None)
    wrong = _WRONG.match(error.message) if parameter is not None else None
    if wrong is not None:
        return _wrong_value(parameter, wrong[1], context)
    words = " ".join(error.format_message().split()).rstrip(".")
    if words.startswith("Missing command"):
        return f"{words}: {any_of(context.command.commands)}"
    if words.endswith("requires an argument"):
        return f"{option} needs a value"
    return words.replace(f"Option {option!r} does not take", f"{option} takes").replace(
        "takes a value", "takes no value"
    )


def _wrong_value(parameter: Any, written: str, context: Any) -> str:
    """Return what a value must be; `written` is the wrong one, in quotes where it is text."""
    choices = [str(getattr(each, "value", each)) for each in getattr(parameter.type, "choices", ())]
    expected = any_of(choices) if choices else _number(parameter.type)
    near = suggestion(written.strip("'"), choices)
    return f"{_origin(parameter, context)} must be {expected}, not {shortened(written)}{near}"


def _number(kind: Any) -> str:
    words = _NUMBERS.get(kind.name, f"a valid {kind.name}")
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    if low is not None and high is not None:
        return f"{words} from {low} to {high}"
    return words if low is None else f"{words} of at least {low}"


def _origin(parameter: Any, context: Any) -> str:
    """Return where a value comes from: its option, its variable, or its place as the usage names it."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).strip("[].")
    source = context.get_parameter_source(parameter.name) if context else None
    if source is not None and source.name == "ENVIRONMENT":
        return str(parameter.envvar)
    return str(max(parameter.opts, key=len))


def meant_instead(words: Sequence[str], commands: Collection[str], path: str) -> str:
    """Return a question about the command line that was meant where the first word is no command; empty for none.

    `path` is what stands before the words: the program, or one of its commands that has further ones.
    """
    meant = _meant(words, commands) if path == "moderate" else _renamed(words, commands)
    if meant is None:
        return ", options stand behind a command" if words[0].startswith("-") else ""
    if meant == ["--version"] and words[0] == "-v":
        return ", did you mean `moderate --version`, or -v behind a command?"
    line = f"{path} {shlex.join(meant)}"
    return f", did you mean `{line if len(line) <= _MAX_LENGTH else f'{line[:_MAX_LENGTH]}...'}`?"


def _meant(words: Sequence[str], commands: Collection[str]) -> list[str] | None:
    first, *rest = words
    if first.startswith("-"):
        name = first.lstrip("-")
        near = [] if name in _ALSO_OPTIONS else get_close_matches(name, commands, n=1, cutoff=0.7)
        if near:
            return [near[0], *rest]
        at = next((number for number, word in enumerate(words) if word in commands), None)
        if at is not None:
            return [words[at], *words[:at], *words[at + 1 :]]
        if any(map(_is_source, rest)):
            return ["sync", *words]
    if _is_source(first):
        return ["multimodal" if first.endswith(_POST) else "sync", *words]
    if first in _VERSION or get_close_matches(first, ["--version"], cutoff=0.8):
        return ["--version"]
    return None if first.startswith("-") else _renamed(words, commands)


def _renamed(words: Sequence[str], commands: Collection[str]) -> list[str] | None:
    near = get_close_matches(words[0].casefold(), commands, n=1)
    return [near[0], *words[1:]] if near else None


def _is_source(word: str) -> bool:
    return not word.startswith("-") and (bool(_SOURCE.search(word)) or os.path.lexists(word))


def check_flags(words: Sequence[str], parameters: Sequence[Any], values: Collection[str]) -> None:
    """Refuse a number, or one of some `values`, behind an option that takes none: it would be a source.

    Raises UsageError with what was meant.
    """
    flags = {
        name: each
        for each in parameters
        for name in each.opts
        if getattr(each, "is_flag", False) or getattr(each, "count", False)
    }
    for flag, value in _pairs(words):
        option = flags.get(flag)
        is_number = value.isdecimal() and len(value) <= _MAX_DIGITS
        if option is None or not (is_number or value.lower() in values) or os.path.lexists(value):
            continue
        raise UsageError(
            f"{flag} takes no value, and {value} is no file", hint=_without_value(option, flag, value, parameters)
        )


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each word with the next, up to `--`."""
    end = words.index("--") if "--" in words else len(words)
    return pairwise(words[:end])


def _without_value(option: Any, flag: str, value: str, parameters: Sequence[Any]) -> str:
    if option.count and value.isdecimal() and 0 < int(value) <= 3:
        return (
            f"did you mean -{flag[-1] * int(value)}?"
            if len(flag) == 2
            else f"did you mean {' '.join([flag] * int(value))}?"
        )
    longest = max(option.opts, key=len)
    longer = (name for each in parameters for name in each.opts if name.startswith(f"{longest}-") and not each.is_flag)
    other = next(longer, None) if value.isdecimal() else None
    return f"did you mean {other} {value}?" if other else f"did you mean {flag} alone?"
