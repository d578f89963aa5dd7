"""How do the parts of a YAML file become values of annotated types? By msgspec, but with the line in each error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import EnumType
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import shortened
from moderate_cli.common.yaml_doc import Entry, Scalar, describe, plain_all, unknown_key


def read_value(entry: Entry, kind: Any, name: str, key: str) -> Any:
    """Return the value of a type: a Struct, a dict by texts, a list, a number, a text, an enum, a choice of these, Any.

    `name` is the file's, and `key` what an error calls the value. Raises UsageError for anything else, for an unknown
    key, for one that is missing, and for a text that is not UTF-8.
    """
    part, choices = entry.part, list(_choices(kind))
    _check_texts(entry, name)
    if Any in choices:
        return plain_all(part)
    if isinstance(part, Scalar):
        return _scalar(entry, part, kind, choices, name, key)
    for choice in choices:
        if isinstance(part, tuple) and get_origin(choice) is list:
            return [read_value(item, get_args(choice)[0], name, f"an item of {key}") for item in part]
        if isinstance(part, dict) and get_origin(choice) is dict:
            return {inner: read_value(each, get_args(choice)[1], name, inner) for inner, each in part.items()}
        if isinstance(part, dict) and isinstance(choice, type) and issubclass(choice, Struct):
            return _struct(entry, part, choice, name, key)
    raise _unexpected(entry, choices, name, key)


def _check_texts(entry: Entry, name: str) -> None:
    """Refuse bytes that are not UTF-8, which YAML can hold as escapes, in a text or the keys of a mapping."""
    part = entry.part
    for text in [part.text] if isinstance(part, Scalar) else part if isinstance(part, dict) else ():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{name}:{entry.line}: {shortened(text)!r} is not UTF-8 text") from error


def _struct(entry: Entry, part: Mapping[str, Entry], kind: type[Struct], name: str, key: str) -> Struct:
    hints = get_type_hints(kind, include_extras=True)
    for field, inner in part.items():
        if field not in hints:
            raise unknown_key(f"{name}:{inner.line}", field, kind.__struct_fields__)
    required = len(hints) - len(kind.__struct_defaults__)
    for field in kind.__struct_fields__[:required]:
        if field not in part:
            raise UsageError(f"{name}:{entry.line}: {key} has no {field}")
    return kind(**{field: read_value(inner, hints[field], name, field) for field, inner in part.items()})


def _scalar(entry: Entry, part: Scalar, kind: Any, choices: list[Any], name: str, key: str) -> Any:
    # A text is as it is written, whatever YAML makes of it: `off` is false there, and `1e3` a number.
    as_written = any(choice is str or isinstance(choice, EnumType) or _is_word(choice) for choice in choices)
    is_left_open = part.value is None and not part.quoted and type(None) in choices
    try:
        return msgspec.convert(part.text if as_written and not is_left_open else part.value, kind)
    except msgspec.ValidationError as error:
        raise _unexpected(entry, choices, name, key) from error


def _choices(kind: Any) -> Iterator[Any]:
    """Yield the types that a value may have, without their annotations."""
    if get_origin(kind) is Annotated:
        yield from _choices(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for choice in get_args(kind):
            yield from _choices(choice)
    else:
        yield kind


def _is_word(kind: Any) -> bool:
    return get_origin(kind) is Literal and isinstance(get_args(kind)[0], str)


def _unexpected(entry: Entry, choices: list[Any], name: str, key: str) -> UsageError:
    expected = " or ".join(_in_words(choice) for choice in choices if choice is not type(None))
    return UsageError(f"{name}:{entry.line}: {key} must be {expected}, not {describe(entry.part)}")


def _in_words(kind: Any) -> str:
    """Return what a value of a type is, for an error message."""
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if isinstance(kind, EnumType):
        members: list[Any] = list(kind)
        return "one of " + ", ".join(member.value for member in members)
    if get_origin(kind) is list:
        return "a list"
    if kind is str:
        return "a text"
    return "a number from 0 to 100" if kind is float else "a mapping"
