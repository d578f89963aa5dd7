"""Text for messages: escaping, shortening, and one line on stderr."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from moderate_cli.common.environment import Environment
from moderate_cli.common.errors import ModerateError

# Control characters, formatting marks that hide or reorder text ("Trojan Source", CVE-2021-42574), surrogates (they
# stand for bytes of file names that are not UTF-8), and line and paragraph separators.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Invisible characters: the grapheme joiner, Hangul fillers, tags, and supplementary variation selectors.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u3164\uffa0") | {
    chr(point) for block in (range(0xE0000, 0xE0080), range(0xE0100, 0xE01F0)) for point in block
}

# Those from U+DC80 to U+DCFF stand for bytes of file names that are not UTF-8 (PEP 383), and name files exactly.
_LONE_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def well_formed(text: str) -> str:
    """Return text with U+FFFD in place of each lone surrogate that stands for no byte of a file name.

    JSON can hold one as an escape, and nothing else can: no encoding has it, and jq refuses the escape too.
    """
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def well_formed_json(value: Any) -> Any:
    """Return JSON data whose names and texts are `well_formed`; raises RecursionError for too deep a nesting."""
    return with_texts(value, well_formed)


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return JSON data with each name and text changed; raises RecursionError for too deep a nesting."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [with_texts(part, change) for part in value]
    if isinstance(value, dict):
        return {change(name): with_texts(part, change) for name, part in value.items()}
    return value


# What a CI that reads a log would obey: `##vso[...]` of Azure and `##teamcity[...]` anywhere in a line, as the older
# `##[...]` of GitHub's runner (its ActionCommand.cs); and `::name::` at the start of a line, where the wrapping of a
# table may put it. Its end may stand in another text of the same line, so that its start is enough.
_COMMAND = re.compile(r"#(?=#[A-Za-z]*\[)|:(?=:[A-Za-z])")


def safe_text(text: str) -> str:
    r"""Return text for a terminal or a log: as `visible_text`, and without commands to a CI, as `\x23#vso[`."""
    if "##" in text or "::" in text:
        text = _COMMAND.sub(lambda found: _written_out(ord(found[0])), text)
    return visible_text(text)


def visible_text(text: str) -> str:
    r"""Return text for a file that people read, with unsafe characters escaped, as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written_out(ord(c)) if _is_unsafe(c) else c for c in text)


def safe_json(text: str) -> str:
    r"""Return an equivalent JSON text with unsafe characters escaped as `\uXXXX`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_json_escape(ord(c)) if _is_unsafe(c) else c for c in text)


def unsendable_in(address: str) -> str | None:
    """Return, in words, which white space or invisible character stands first in an address, or None."""
    if address.isascii() and address.isprintable() and " " not in address:
        return None
    for number, character in enumerate(address, start=1):
        if character == " ":
            return f"a space at character {number}"
        if character.isspace() or not character.isprintable():
            return f"the character {character!r} at {number}"
    return None


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE_CATEGORIES or character in _INVISIBLE


def _written_out(point: int) -> str:
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _json_escape(point: int) -> str:
    if point < 0x10000:
        return f"\\u{point:04x}"
    high, low = divmod(point - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


_MAX_LINE_LENGTH = 2_000
"""Characters: a path may have 1,000, and a value of somebody's settings file a million."""


def echo(environment: Environment, text: str) -> None:
    """Write one line to stderr; errors of stderr are ignored."""
    if len(text) > _MAX_LINE_LENGTH:
        text = f"{text[: _MAX_LINE_LENGTH - 500]} ... {text[-500:]}"  # the hint is at the end
    with suppress(OSError):
        environment.stderr.write(f"moderate: {safe_text(text)}\n")
        environment.stderr.flush()


def with_hint(error: ModerateError, more: str = "") -> str:
    """Return the message of an error, followed by `more` and the hint."""
    hint = (error.hint or "").replace("\n", "; ")
    return f"{error.message}{more}" + (f" ({hint})" if hint else "")


def error_lines(error: ModerateError) -> list[str]:
    """Return the message of an error with its hint behind it, or below it where the hint has several lines."""
    if error.hint and "\n" in error.hint:
        return [error.message, *error.hint.splitlines()]
    return [with_hint(error)]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, in the plural if needed."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def any_of(words: Iterable[str]) -> str:
    """Return words as a list that ends in "or"."""
    *first, last = map(str, words)
    return f"{', '.join(first)} or {last}" if first else last


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question about the known word that is nearest to another in any case; empty where none is near."""
    from difflib import get_close_matches  # only where somebody made a mistake

    by_folded = {str(each).casefold(): str(each) for each in known}
    near = get_close_matches(word.casefold(), by_folded, n=1)
    return f", did you mean {by_folded[near[0]]!r}?" if near else ""


def repeated_key(pairs: Sequence[tuple[str, object]]) -> str | None:
    """Return the first key that comes twice in the pairs of a JSON object, or None."""
    if len(dict(pairs)) == len(pairs):
        return None
    keys = [key for key, _ in pairs]
    return next(key for key in keys if keys.count(key) > 1)


_MAX_SHOWN = 40


def shortened(text: str) -> str:
    """Return at most the first 40 characters of a value, for messages."""
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
