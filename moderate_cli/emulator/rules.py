"""Which keywords and verdicts does the user define? A rules file in YAML, whose errors have a line."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import read_text
from moderate_cli.common.globs import Matcher, compile_glob
from moderate_cli.common.yaml_doc import Entry, Part, Scalar, describe, parse, plain, unknown_key
from moderate_cli.emulator.engine import Check, Examination, Finding, NotChecked
from moderate_cli.emulator.engine.detectors import risk_level
from moderate_cli.models import NO_FINDING, RiskLevel
from moderate_cli.settings import value_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moderate_cli.emulator.inputs import ImageParameters

_MAX_BYTES = 10_000_000  # of a rules file
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DESCRIPTION = "local rule (local engine)"
_CERTAIN = 100.0  # the confidence of a finding without one
_BY_RULE = NotChecked("image", "a rule decides its verdict; no detector ran")


class Rules(Struct, frozen=True):
    """The content of a rules file."""

    keywords: tuple[Keyword, ...] = ()
    images: tuple[ImageRule, ...] = ()


class ImageRule(Struct, frozen=True):
    """A fixed verdict for some images, whatever the detectors would find; it may be "no finding".

    It applies to images with the SHA-256 `sha256` (hexadecimal, lower case), or with a name that matches the glob
    `name`: the last part of their URL or of their object's key, or their data id. `services` limits it to some
    moderation services. `title` is its name in responses.
    """

    title: str
    findings: tuple[Finding, ...]
    name: str | None = None
    sha256: str | None = None
    services: frozenset[str] = frozenset()

    def is_for(self, names: Sequence[str], sha256: str, service: str) -> bool:
        """Tell whether this rule applies to an image, for a moderation service."""
        if self.services and service not in self.services:
            return False
        if self.sha256 is not None:
            return sha256 == self.sha256
        return self.name is not None and any(map(_matcher(self.name).matches, names))


class Keyword(Struct, frozen=True, dict=True):
    """A word that gives a text a label at a level, and the library that it belongs to.

    Case, width and white space are ignored. `services` limits it to some moderation services. The vendor's own
    libraries hit at the level high, too. Raises ValueError for a word or label without a character.
    """

    word: str
    label: str
    lib_id: str = "local"
    lib_name: str = "local rules"
    level: RiskLevel = RiskLevel.HIGH
    services: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.solid or not self.label.strip():
            raise ValueError("a keyword needs a word and a label")

    @cached_property
    def solid(self) -> str:
        """The word as it is matched, normalized."""
        return _solid(self.word)

    def is_for(self, service: str) -> bool:
        """Tell whether this keyword applies to a moderation service."""
        return not self.services or service in self.services


def match_rule(rules: Sequence[ImageRule], image: ImageParameters, content: bytes, service: str) -> Examination | None:
    """Return the verdict of the first rule that matches, and which one it was; None where none does."""
    if not rules:
        return None
    names, sha256 = _names(image), hashlib.sha256(content).hexdigest()
    rule = next((rule for rule in rules if rule.is_for(names, sha256, service)), None)
    if rule is None:
        return None
    check = Check("rules", "local rules", {"Rules": [rule.title]})
    return Examination(rule.findings, (check,), (_BY_RULE,))


def _names(image: ImageParameters) -> list[str]:
    """Return the names under which the service knows an image."""
    path = image.object_name if image.is_object else unquote(urlsplit(image.image_url).path)
    return [name for name in (path.rpartition("/")[2], image.data_id) if name]


@lru_cache
def _matcher(glob: str) -> Matcher:
    return compile_glob(glob)


def find_keywords(keywords: Iterable[Keyword], texts: Iterable[str]) -> list[Keyword]:
    """Return the keywords that occur in at least one of some texts."""
    # A word that occurs in a text also occurs without the white space of both.
    solid_texts = [_solid(text) for text in texts]
    return [keyword for keyword in keywords if any(keyword.solid in text for text in solid_texts)]


def _solid(text: str) -> str:
    """Return a text without white space, in which compatible characters and cases are one: NFKC, then casefold."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Folding can undo the normal form, so it is made once more.
    return "".join(unicodedata.normalize("NFKC", folded).split())


def read_rules(path: Path) -> Rules:
    """Return the rules of a file; raises UsageError with the file, the line and the key."""
    name = str(path)
    root = parse(read_text(path, _MAX_BYTES, what="rules file", hint="check --rules"), name)
    if root is None or _is_null(root):
        return Rules()
    reader = _Reader(name)
    sections = reader.mapping(Entry(root, 1), "the file", ("keywords", "images"))
    return Rules(
        tuple(reader.keyword(entry) for entry in reader.items(sections, "keywords")),
        tuple(reader.image(entry) for entry in reader.items(sections, "images")),
    )


class _Reader:
    """Checks the parts of one file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def mapping(self, entry: Entry, what: str, keys: Collection[str]) -> dict[str, Entry]:
        """Return a mapping without null values; raises UsageError, also for unknown keys."""
        if not isinstance(entry.part, dict):
            raise self._error(entry, f"{what} must be a mapping with {', '.join(keys)}, not {describe(entry.part)}")
        for key, inner in entry.part.items():
            if key not in keys:
                raise unknown_key(f"{self._name}:{inner.line}", key, keys)
        return {key: inner for key, inner in entry.part.items() if not _is_null(inner.part)}

    def items(self, entries: Mapping[str, Entry], key: str) -> Iterator[Entry]:
        """Yield the items of the list of a key, none where it is absent; raises UsageError."""
        if key in entries:
            part = entries[key].part
            if not isinstance(part, tuple):
                raise self._error(entries[key], f"{key} must be a list, not {describe(part)}")
            yield from part

    def keyword(self, entry: Entry) -> Keyword:
        """Return a keyword; raises UsageError."""
        values = self._values(self.mapping(entry, "a keyword", _KEYWORD), _KEYWORD)
        word, label = (self._needed(entry, values, key, "the keyword") for key in ("word", "label"))
        level, services = values.get("level", RiskLevel.HIGH), frozenset(values.get("services", ()))
        return Keyword(word, label, level=level, services=services)

    def image(self, entry: Entry) -> ImageRule:
        """Return the rule for some images; raises UsageError."""
        entries = self.mapping(entry, "an image's rule", (*_IMAGE, "findings"))
        values = self._values({key: inner for key, inner in entries.items() if key in _IMAGE}, _IMAGE)
        name, sha256 = values.get("name"), values.get("sha256")
        if (name is None) == (sha256 is None):
            number = "neither name nor sha256" if name is None else "both name and sha256"
            raise self._error(entry, f"the rule has {number}, and one is needed")
        self._needed(entry, entries, "findings", "the rule")
        findings = tuple(self._finding(each) for each in self.items(entries, "findings"))
        services = frozenset(values.get("services", ()))
        return ImageRule(name or sha256 or "", findings, name=name, sha256=sha256, services=services)

    def _finding(self, entry: Entry) -> Finding:
        values = self._values(self.mapping(entry, "a finding", _FINDING), _FINDING)
        label, confidence = self._needed(entry, values, "label", "the finding"), values.get("confidence", _CERTAIN)
        return Finding(label, confidence, _DESCRIPTION, values.get("level", risk_level(confidence)))

    def _values(self, entries: Mapping[str, Entry], known: Mapping[str, value_types.SettingType]) -> dict[str, Any]:
        return {key: self._value(key, entry, known[key]) for key, entry in entries.items()}

    def _value(self, key: str, entry: Entry, value_type: value_types.SettingType) -> Any:
        part = entry.part
        try:
            return value_type.check(part.text if key in _AS_WRITTEN and isinstance(part, Scalar) else plain(part))
        except ValueError as error:
            raise self._error(entry, f"{key} must be {value_type.expected}, not {describe(part)}") from error

    def _needed(self, entry: Entry, values: Mapping[str, Any], key: str, what: str) -> Any:
        if key not in values:
            raise self._error(entry, f"{what} has no {key}")
        return values[key]

    def _error(self, entry: Entry, message: str) -> UsageError:
        return UsageError(f"{self._name}:{entry.line}: {message}")


def _is_null(part: Part) -> bool:
    return isinstance(part, Scalar) and part.value is None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _sha256(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError
    return value.lower()


def _finding_label(value: object) -> str:
    label = _text(value)
    if label == NO_FINDING:
        raise ValueError
    return label


_TEXT = value_types.SettingType("a text", _text)
_LEVEL = value_types.choice(RiskLevel)
_SERVICES = value_types.names(at_least=1)
_KEYWORD = {"word": _TEXT, "label": _TEXT, "level": _LEVEL, "services": _SERVICES}
_IMAGE = {"name": _TEXT, "sha256": value_types.SettingType("64 hexadecimal digits", _sha256), "services": _SERVICES}
_FINDING = {
    "label": value_types.SettingType(f"a label ({NO_FINDING} is `findings: []`)", _finding_label),
    "confidence": value_types.number(0, 100),
    "level": _LEVEL,
}
_AS_WRITTEN = frozenset({"word", "label", "name", "sha256"})
"""Keys whose values are texts, whatever YAML makes of them."""
