"""A YAML file as plain values with their lines; nothing in it is ever executed, and no key counts twice."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml

from moderate_cli.errors import UsageError

_PREFIX = "tag:yaml.org,2002:"
_TAGS = {f"{_PREFIX}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")}
_MERGE = f"{_PREFIX}merge"
# What the parser quotes out of the file, which could be a secret; single characters and its own words may stay.
_QUOTED = re.compile(r"'[^'<]{4,}'")
_LONGEST = 40  # characters of a wrong value that an error repeats


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value, and how it is written."""

    value: Any
    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands behind a key, and the key's line; or an item of a list, and its own."""

    part: Part
    line: int


Part = Scalar | tuple[Entry, ...] | dict[str, Entry]


def unknown_key(where: str, key: str, keys: Collection[str]) -> UsageError:
    """Return what to say of a key that means nothing, with the one that may have been meant."""
    near = get_close_matches(key, keys, n=1)
    words = f", did you mean {near[0]!r}?" if near else ""
    return UsageError(f"{where}: unknown key {key!r}{words}", hint=f"the keys are {', '.join(keys)}")


def parse(text: str, name: str) -> Part | None:
    """Return what a file holds, None for nothing at all.

    Raises UsageError, with the file and the line, for broken YAML, a key that stands twice, and unknown tags.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return None if node is None else _Composer(loader, name).part(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _QUOTED.sub("...", error.problem or "")
        raise UsageError(f"{name}:{mark.line + 1 if mark else 1}: broken YAML: {problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(f"{name}:{line}: a control character, which YAML does not allow") from error
    except RecursionError as error:
        raise UsageError(f"{name}:1: too deeply nested") from error


def plain(part: Part) -> object:
    """Return a part as check functions take it; what is nested more than once fits nowhere, and becomes the part."""
    match part:
        case Scalar(value=value):
            return value
        case dict():
            return {key: _inner(entry.part) for key, entry in part.items()}
        case _:
            return [_inner(item.part) for item in part]


def describe(part: Part) -> str:
    """Return a wrong value in words, for the end of an error."""
    match part:
        case Scalar(text=text, quoted=True):
            return f"the text {_short(text)!r}"
        case Scalar(value=str(), text=text):
            return repr(_short(text))
        case Scalar(text=text):
            return _short(text) or "nothing"
        case dict():
            return "a mapping"
        case _:
            items = (describe(item.part) if isinstance(item.part, Scalar) else "..." for item in part)
            return f"[{_short(', '.join(items))}]"


def _inner(part: Part) -> object:
    return part.value if isinstance(part, Scalar) else part


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class _Composer:
    """Turns nodes into parts, each node once: aliases share what they stand for, so that nothing grows."""

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self._loader = loader
        self._name = name
        self._parts: dict[yaml.Node, Part] = {}
        self._open: set[yaml.Node] = set()

    def part(self, node: yaml.Node) -> Part:
        """Return a node as a part."""
        if node in self._open:
            raise self._error(node, "an anchor that holds itself")
        if node not in self._parts:
            self._open.add(node)
            self._parts[node] = self._compose(node)
            self._open.remove(node)
        return self._parts[node]

    def _compose(self, node: yaml.Node) -> Part:
        if node.tag not in _TAGS:
            raise self._error(node, "a tag that has no meaning here")
        match node:
            case yaml.MappingNode():
                return self._mapping(node)
            case yaml.SequenceNode():
                return tuple(Entry(self.part(item), item.start_mark.line + 1) for item in node.value)
            case _:
                return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Scalar:
        try:
            value = self._loader.construct_object(node)
        except ValueError as error:
            raise self._error(
                node, f"{_short(node.value)!r} cannot be read as {node.tag.removeprefix(_PREFIX)}"
            ) from error
        return Scalar(value, node.value, quoted=getattr(node, "style", None) is not None)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = self._merged(value) | merged
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key must be a word")
            if key.value in own:
                first = own[key.value].line
                raise self._error(
                    key, f"the key {_short(key.value)!r} stands here a second time, first in line {first}"
                )
            own[key.value] = Entry(self.part(value), key.start_mark.line + 1)
        return merged | own

    def _merged(self, node: yaml.Node) -> dict[str, Entry]:
        part = self.part(node)
        several = [item.part for item in part] if isinstance(part, tuple) else [part]
        merged: dict[str, Entry] = {}
        for mapping in reversed(several):  # the first of several counts
            if not isinstance(mapping, dict):
                raise self._error(node, "<< takes a mapping, or a list of them")
            merged |= mapping
        return merged

    def _error(self, node: yaml.Node, message: str) -> UsageError:
        return UsageError(f"{self._name}:{node.start_mark.line + 1}: {message}")
