"""The text of posts, YAML or JSON, as plain values; nothing in it is executed, no key counts twice, nothing grows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import yaml

Place = tuple[str | int, ...]

# What is text for the service, also where YAML would see a number, a date or a truth value in it.
TEXT_KEYS = frozenset(
    {
        *("dataId", "mainTitle", "mainContent", "mainPostTime", "content", "postTime"),
        *("imageUrl", "ossBucketName", "ossObjectName", "ossRegionId", "file"),
    }
)
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map")}
# Plain words that are no text; the rules of YAML 1.2, so that `on`, 12:30 and dates stay as they are written.
_WORDS = {"": None, "~": None, "null": None, "true": True, "True": True, "false": False, "False": False}
_INT = re.compile(r"-?(0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"-?\d{1,17}\.\d{1,17}")
_HINT = "correct it, or let a program write it"
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)


class PostError(Exception):
    """What is wrong with a post, and its line or its place in it, where one of them is known."""

    def __init__(
        self, message: str, *, hint: str | None = None, line: int | None = None, path: Place | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.line = line
        self.path = path


def documents(text: str) -> Iterator[tuple[str, int]]:
    """Yield each document of a YAML file that holds something, and the number of lines before it.

    They are cut apart before they are parsed, so that a broken one spoils no other; a line that starts with `---`
    cannot be anything but their separator.
    """
    cuts = [0, *(found.start() for found in _SEPARATOR.finditer(text) if found.start()), len(text)]
    for start, end in pairwise(cuts):
        document = text[start:end]
        if not all(map(_says_nothing, document.splitlines())):
            yield document, text.count("\n", 0, start)


def from_yaml(text: str) -> Any:
    """Return what a YAML document holds; raises PostError."""
    node = _compose(text)
    return None if node is None else _value(node)


def from_json(text: str) -> Any:
    """Return what a JSON text holds; raises PostError."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except PostError as error:
        error.line = _line_of_the_same(error, text)
        raise
    except json.JSONDecodeError as error:
        message = f"broken JSON at character {error.colno}: {error.msg}"
        raise PostError(message, hint=_HINT, line=error.lineno) from error
    except RecursionError as error:
        raise PostError("too deeply nested") from error
    except ValueError as error:
        raise PostError("broken JSON: a number with thousands of digits", hint=_HINT) from error


def line_of(text: str, path: Place) -> int | None:
    """Return the line of a place in a YAML or JSON text, or of the nearest part around it; None where none is found."""
    try:
        node = _compose(_as_yaml(text))
    except PostError:
        return None
    line = None
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line if line is not None or node is None else node.start_mark.line + 1


def _says_nothing(line: str) -> bool:
    rest = line.removeprefix("---").strip()
    return rest in {"", "..."} or rest.startswith("#") or line.startswith("%")


class _Loader(yaml.BaseLoader):
    """Composes nodes without any alias: a few of them would be enough to grow a post to any size."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise PostError("an alias, which a post cannot have", hint="write out what it stands for", line=line)
        return super().compose_node(parent, index)


def _compose(text: str) -> yaml.Node | None:
    try:
        return _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise PostError(f"broken YAML: {error.problem}", hint="quote texts that hold : or #", line=line) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PostError("a control character, which YAML does not allow", hint="remove it", line=line) from error
    except RecursionError as error:
        raise PostError("too deeply nested") from error


def _value(node: yaml.Node) -> Any:
    if node.tag not in _TAGS:
        raise PostError("a tag, which has no meaning in a post", hint="remove it", line=node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    return _scalar(node)


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            raise PostError("a key must be a word", hint="write mappings out, one key a line", line=line)
        if key.value in values:
            raise _twice(key.value, line)
        values[key.value] = _text_or_value(value) if key.value in TEXT_KEYS else _value(value)
    return values


def _text_or_value(node: yaml.Node) -> Any:
    value = _value(node)
    return node.value if isinstance(node, yaml.ScalarNode) and value is not None else value


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if getattr(node, "style", None) is not None:  # quoted, or a block of text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _twice(next(key for key in keys if keys.count(key) > 1))
    return values


def _twice(key: str, line: int | None = None) -> PostError:
    return PostError(f"the key {key!r} stands twice in one mapping", hint="remove one of them", line=line)


def _line_of_the_same(error: PostError, text: str) -> int | None:
    """Return the line of an error in JSON, whose parser has no lines, by that of YAML."""
    if "\n" not in text.strip():
        return 1
    try:
        from_yaml(_as_yaml(text))
    except PostError as found:
        return found.line if found.message == error.message else None
    return None


def _as_yaml(text: str) -> str:
    # In JSON a tab is white space, which YAML allows in few places.
    return text.replace("\t", " ")


def _no_constant(name: str) -> Any:
    raise PostError(f"broken JSON: {name} is no value", hint=_HINT)


def _child(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
