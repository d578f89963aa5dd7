"""YAML files as values with their line numbers; nothing is executed, and duplicate keys are errors."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import yaml
from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import shortened, visible_text

_PREFIX = "tag:yaml.org,2002:"
_TAGS = {f"{_PREFIX}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")}
_COLLECTION_TAGS = _TAGS | {None, "!"}
_NUMBER_TAGS = frozenset({f"{_PREFIX}int", f"{_PREFIX}float"})
_MERGE = f"{_PREFIX}merge"
# What the parser quotes from the file, which could be secret; single characters and its own words may stay.
_QUOTED = re.compile(r"'[^'<]{4,}'")
_MAX_LENGTH = 40  # characters of a wrong value that an error repeats
_WIDTH = 100  # characters of a line that is written
_MAX_DEPTH = 100  # of collections in each other
_TOO_DEEP = "too deeply nested"
_NO_CHARACTER = "an escape that stands for no character; write the character itself"
_MAX_REPEATED = 100_000  # values that the aliases of a file may expand to
# Characters of a number. PyYAML takes time by the square of the length for one in base 60 (`1:30:00`). A 64-bit number
# has 66 in binary, and a SHA-256 that happens to have no letter 64.
_MAX_NUMBER = 100
_MAX_SLOW = 50_000  # characters, for which PyYAML's own loader takes half a second
_NEWLINE = re.compile("\r\n?|[\n\x85\u2028\u2029]")
_DISPUTED = re.compile("[\t\ufeff]")
_Loader = yaml.SafeLoader


class OwnLoader(yaml.SafeLoader):
    """PyYAML's own loader, which refuses escapes that stand for no character, as libyaml does.

    Bytes of a file name that are not UTF-8 are no characters either, but `dump_yaml` writes them as such escapes.
    """

    def scan_flow_scalar_non_spaces(self, double: bool, start_mark: Any) -> Any:
        """Return the pieces of a quoted text up to white space; raises yaml.MarkedYAMLError."""
        try:
            pieces = super().scan_flow_scalar_non_spaces(double, start_mark)
            "".join(pieces).encode("utf-8", "surrogateescape")
        except ValueError as error:  # half a character, such as \ud835, or one that is too high for Unicode
            raise yaml.MarkedYAMLError(problem=_NO_CHARACTER, problem_mark=self.get_mark()) from error
        return pieces


FAST_LOADER: type[_Loader] = getattr(yaml, "CSafeLoader", OwnLoader)  # libyaml's, ten times as fast


# Neither is frozen: that would take three times as long, and a file may hold a million of them.
class Scalar(Struct):
    """A single value and its text in the file."""

    value: Any
    text: str
    quoted: bool


class Entry(Struct):
    """The value of a key or an item of a list, with its line."""

    part: Part
    line: int


Part = Scalar | tuple[Entry, ...] | dict[str, Entry]


def unknown_key(where: str, key: str, keys: Collection[str]) -> UsageError:
    """Return the error for an unknown key, with the most similar known one; `where` is FILE:LINE."""
    near = get_close_matches(key, keys, n=1)
    words = f", did you mean {near[0]!r}?" if near else ""
    return UsageError(f"{where}: unknown key {shortened(key)!r}{words}", hint=f"the keys are {', '.join(keys)}")


def parse(text: str, name: str) -> Part | None:
    """Return the content of a YAML file, or None if it is empty; errors use `name`.

    Raises UsageError, with the line, for invalid YAML, duplicate keys, and unknown tags.
    """
    control = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        raise UsageError(f"{name}:{line}: a control character, which YAML does not allow")
    try:
        with no_collections():
            return _read(text, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line, len(_NEWLINE.findall(text))) + 1 if mark else 1  # libyaml ends a file with a line more
        problem = _QUOTED.sub("...", error.problem or "")
        words = _TOO_DEEP if problem == "exceeded maximum nesting depth" else f"broken YAML: {problem}"
        raise UsageError(f"{name}:{line}: {words}") from error


def _read(text: str, name: str) -> Part | None:
    """Return the content of a file, parsed by libyaml if PyYAML's own loader would give the same result.

    The latter is stricter about tabs and byte order marks, and has better messages, but is too slow for large files.
    Raises yaml.MarkedYAMLError and UsageError.
    """
    is_small = len(text) <= _MAX_SLOW
    if is_small and _DISPUTED.search(text, 1):
        return _Reader(OwnLoader(text), name).document()
    try:
        return _Reader(FAST_LOADER(text), name).document()
    except yaml.MarkedYAMLError:
        if not is_small:
            raise
        return _Reader(OwnLoader(text), name).document()


@contextmanager
def no_collections() -> Iterator[None]:
    """Pause the garbage collector, which would take half of the time to parse a large file."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def plain(part: Part) -> object:
    """Return the plain value of a part, down to one level of nesting; deeper values stay parts."""
    match part:
        case Scalar(value=value):
            return value
        case dict():
            return {key: _inner(entry.part) for key, entry in part.items()}
        case _:
            return [_inner(item.part) for item in part]


def plain_all(part: Part) -> Any:
    """Return the plain value of a part and of everything in it."""
    match part:
        case Scalar(value=value):
            return value
        case dict():
            return {key: plain_all(entry.part) for key, entry in part.items()}
        case _:
            return [plain_all(item.part) for item in part]


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and puts texts with unsafe characters in double quotes, which have escapes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> Any:
    return dumper.represent_scalar(f"{_PREFIX}str", text, style=None if visible_text(text) == text else '"')


_Dumper.add_representer(str, _text)


def dump_yaml(value: Any) -> str:
    """Return a plain value as YAML that `parse` reads back; characters that hide or reorder text are written out."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDTH, default_flow_style=None
    )
    return "".join(f"{visible_text(line)}\n" for line in text.removesuffix("\n").split("\n"))


def describe(part: Part) -> str:
    """Return the description of an invalid value, for error messages."""
    match part:
        case Scalar(text=text, quoted=True):
            return f"the text {shortened(text)!r}"
        case Scalar(value=str(), text=text):
            return repr(shortened(text))
        case Scalar(text=text):
            return shortened(text) or "nothing"
        case dict():
            return "a mapping"
        case _:
            items = (describe(item.part) if isinstance(item.part, Scalar) else "..." for item in part)
            return f"[{shortened(', '.join(items))}]"


def _inner(part: Part) -> object:
    return part.value if isinstance(part, Scalar) else part


class _Anchor(Struct):
    """The part of an anchor (None while it is being read), its line, and the number of values in it."""

    line: int
    part: Part | None = None
    size: int = 0


class _Reader:
    """Turns the events of a loader into parts; aliases share their part."""

    def __init__(self, loader: _Loader, name: str) -> None:
        self._loader = loader
        self._next: Callable[[], Any] = loader.get_event
        self._resolve: Callable[..., Any] = loader.resolve
        self._name = name
        self._anchors: dict[str, _Anchor] = {}
        self._plain: dict[str, Scalar] = {}
        self._depth = 0
        self._size = 0
        self._repeated = 0

    def document(self) -> Part | None:
        """Return the content of the only document, or None without one; raises UsageError for several."""
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        part = self._part(self._next())
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._error(event, "broken YAML: but found another document")
        return part

    def _part(self, event: Any) -> Part:
        """Return the part that starts with an event."""
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._repeat(event)
        anchor = self._anchor(event) if event.anchor is not None else None
        before = self._size
        part = self._scalar(event) if kind is yaml.ScalarEvent else self._collection(event)
        if anchor is not None:
            anchor.part, anchor.size = part, self._size - before
        return part

    def _anchor(self, event: Any) -> _Anchor:
        if event.anchor in self._anchors:
            raise self._error(event, "broken YAML: second occurrence")
        return self._anchors.setdefault(event.anchor, _Anchor(event.start_mark.line + 1))

    def _named(self, alias: Any) -> _Anchor:
        if alias.anchor not in self._anchors:
            raise self._error(alias, _QUOTED.sub("...", f"broken YAML: found undefined alias {alias.anchor!r}"))
        return self._anchors[alias.anchor]

    def _repeat(self, alias: Any) -> Part:
        anchor = self._named(alias)
        if anchor.part is None:
            raise UsageError(f"{self._name}:{anchor.line}: an anchor that holds itself")
        self._size += anchor.size
        self._repeated += anchor.size
        if self._repeated > _MAX_REPEATED:
            raise self._error(alias, f"aliases that stand for more than {_MAX_REPEATED:,} values")
        return anchor.part

    def _collection(self, start: Any) -> Part:
        if start.tag not in _COLLECTION_TAGS:
            raise self._error(start, "a tag that has no meaning here")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(start, _TOO_DEEP)
        part = self._mapping() if isinstance(start, yaml.MappingStartEvent) else self._sequence()
        self._depth -= 1
        self._size += len(part)
        return part

    def _sequence(self) -> tuple[Entry, ...]:
        items: list[Entry] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            line = self._line(event)
            items.append(Entry(self._part(event), line))
        return tuple(items)

    def _mapping(self) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key, line, is_merge = self._key(event)
            if is_merge:
                for inner, entry in self._merged(self._next()).items():
                    merged.setdefault(inner, entry)
            elif key in own:
                first = own[key].line
                raise self._error(event, f"the key {shortened(key)!r} stands here a second time, first in line {first}")
            else:
                own[key] = Entry(self._part(self._next()), line)
        return merged | own if merged else own

    def _key(self, event: Any) -> tuple[str, int, bool]:
        """Return a key, its line, and whether it is a merge key."""
        if type(event) is yaml.ScalarEvent:
            is_merge = event.tag == _MERGE or (event.value == "<<" and event.implicit[0])
            if event.anchor is not None and not is_merge:
                self._part(event)
            return event.value, self._line(event), is_merge
        if type(event) is not yaml.AliasEvent:
            raise self._error(event, "a key must be a word")
        part, line = self._repeat(event), self._line(event)
        if not isinstance(part, Scalar):
            raise UsageError(f"{self._name}:{line}: a key must be a word")
        return part.text, line, False

    def _merged(self, event: Any) -> dict[str, Entry]:
        """Return the entries that a merge key (`<<`) adds."""
        part = self._part(event)
        several = [item.part for item in part] if isinstance(part, tuple) else [part]
        merged: dict[str, Entry] = {}
        for mapping in reversed(several):  # the first of several wins
            if not isinstance(mapping, dict):
                raise UsageError(f"{self._name}:{self._line(event)}: << takes a mapping, or a list of them")
            merged |= mapping
        return merged

    def _scalar(self, event: Any) -> Scalar:
        text, is_quoted = event.value, bool(event.style)
        if is_quoted or not event.implicit[0]:
            return self._tagged(event, is_quoted=is_quoted)
        known = self._plain.get(text)
        if known is None:
            known = self._plain[text] = self._tagged(event, is_quoted=False)
        return known

    def _tagged(self, event: Any, *, is_quoted: bool) -> Scalar:
        """Return a value by its explicit or implicit tag."""
        text = event.value
        tag = event.tag
        if tag is None and (not event.implicit[0] or text[:1] not in self._loader.yaml_implicit_resolvers):
            return Scalar(text, text, is_quoted)
        if tag is None or tag == "!":
            tag = self._resolve(yaml.ScalarNode, text, (True, False))
        if tag not in _TAGS:
            raise self._error(event, "a tag that has no meaning here")
        if tag in _NUMBER_TAGS and len(text) > _MAX_NUMBER:
            raise self._error(event, f"{shortened(text)!r} is too long for a number")
        node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark)
        try:
            return Scalar(self._loader.construct_object(node), text, is_quoted)
        except (ValueError, LookupError, AttributeError) as error:  # what PyYAML raises for `!!bool maybe`
            name = tag.removeprefix(_PREFIX)
            raise self._error(event, f"{shortened(text)!r} cannot be read as {name}") from error

    def _line(self, event: Any) -> int:
        """Return the line of a part; that of an alias is the line of its anchor."""
        return self._named(event).line if type(event) is yaml.AliasEvent else int(event.start_mark.line) + 1

    def _error(self, event: Any, message: str) -> UsageError:
        return UsageError(f"{self._name}:{event.start_mark.line + 1}: {message}")
