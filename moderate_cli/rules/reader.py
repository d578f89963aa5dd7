"""How is a rules file read and checked? Each error has the file, the line, and the nearest known name."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

from moderate_cli.catalog.labels import EVERY_SERVICE, labels
from moderate_cli.catalog.services import JudgingOperation, find_service, services
from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import read_text
from moderate_cli.common.text import shortened, suggestion
from moderate_cli.common.yaml_doc import Entry, Scalar, parse
from moderate_cli.models import NO_FINDING
from moderate_cli.rules.model import FixedVerdict, LabelScope, OldRulesFile, RulesFile, ServiceRules
from moderate_cli.rules.typed_yaml import read_value

# The limits of an account, by the vendor's console guide (4 December 2025).
MAX_IMAGE_LIBRARIES = 10
MAX_KEYWORD_LIBRARIES = 20
MAX_KEYWORDS = 100_000
MAX_KEYWORD = 20
"""Characters of a keyword."""

_MAX_BYTES = 10_000_000  # of a rules file, and of a list of words
_TEXT_SUFFIX = "_tii"  # of labels about text in images
_LIBRARY_SUFFIX = "_lib"
_LEVELS = 3  # of keys whose lines are kept
_PLAIN = frozenset("LMN")  # letters, marks and numbers: "special characters are not supported", whatever these are


def read_root(path: Path) -> dict[str, Entry]:
    """Return the top of a rules file; raises UsageError for a file that is no mapping, or cannot be read."""
    root = parse(read_text(path, _MAX_BYTES, what="rules file", hint="check --rules"), str(path))
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return {}
    if not isinstance(root, dict):
        raise UsageError(f"{path}:1: a rules file must be a mapping that begins with version: 1")
    return root


def read_old(path: Path, root: dict[str, Entry]) -> OldRulesFile:
    """Return a rules file of 0.1.0; raises UsageError."""
    file: OldRulesFile = read_value(Entry(root, 1), OldRulesFile, str(path), "the file")
    for number, verdict in enumerate(file.images or ()):
        check_verdict(str(path), _item(root["images"], number), verdict)
    return file


def read_file(path: Path, root: dict[str, Entry]) -> RulesFile:
    """Return a rules file of version 1, of which names and numbers were checked; raises UsageError."""
    file: RulesFile = read_value(Entry(root, 1), RulesFile, str(path), "the file")
    check = _Check(path, root, file)
    check.libraries()
    for name, rules in file.services.items():
        check.service(name, rules)
    for number, verdict in enumerate(file.verdicts):
        check_verdict(str(path), _item(root["verdicts"], number), verdict)
    return file


def read_words(path: Path, root: dict[str, Entry], file: RulesFile) -> dict[str, tuple[str, ...]]:
    """Return the words of each keyword library, from their files too; raises UsageError."""
    words: dict[str, tuple[str, ...]] = {}
    for name in file.keyword_libraries:
        entry = _inside(root["keyword_libraries"], name, "keywords")
        words[name] = tuple(dict.fromkeys(_words(path, entry)))
    number = sum(map(len, words.values()))
    if number > MAX_KEYWORDS:
        line = root["keyword_libraries"].line
        raise UsageError(f"{path}:{line}: {number:,} keywords; an account has {MAX_KEYWORDS:,} at most")
    return words


def lines_of(root: Mapping[str, Entry]) -> dict[tuple[str, ...], int]:
    """Return the line of each key of the first three levels: `services`, a service, and what it says."""
    lines: dict[tuple[str, ...], int] = {}
    rest: list[tuple[tuple[str, ...], Entry]] = [((key,), entry) for key, entry in root.items() if key != "raw"]
    for keys, entry in rest:
        lines[keys] = entry.line
        if isinstance(entry.part, dict) and len(keys) < _LEVELS:
            rest += [((*keys, key), inner) for key, inner in entry.part.items()]
    return lines


def _words(path: Path, entry: Entry) -> Iterator[str]:
    """Yield the words of a library: the items of a list, or the lines of a file, of which # begins a comment."""
    if isinstance(entry.part, tuple):
        for item in entry.part:
            assert isinstance(item.part, Scalar)  # noqa: S101 - it was read as a text
            yield check_word(item.part.text, f"{path}:{item.line}")
        return
    assert isinstance(entry.part, Scalar)  # noqa: S101
    file = path.parent / entry.part.text
    text = read_text(file, _MAX_BYTES, what="list of keywords", hint=f"check {path}:{entry.line}")
    for number, line in enumerate(text.splitlines(), 1):
        if (word := line.strip()) and not word.startswith("#"):
            yield check_word(word, f"{file}:{number}")


def check_word(text: str, where: str) -> str:
    """Return a keyword without white space around it; raises UsageError for what the console would not take."""
    word = " ".join(text.split())
    if not word or len(word) > MAX_KEYWORD:
        raise UsageError(f"{where}: a keyword has 1 to {MAX_KEYWORD} characters, not {len(word)}: {shortened(word)!r}")
    for character in word.replace(" ", ""):
        if unicodedata.category(character)[0] not in _PLAIN:
            raise UsageError(f"{where}: a keyword has letters and digits only, not {character!r} as in {word!r}")
    return word


def check_verdict(name: str, entry: Entry, verdict: FixedVerdict) -> None:
    """Raise UsageError for a fixed verdict that does not tell one way to know its images, or finds nonLabel."""
    if (verdict.name is None) == (verdict.sha256 is None):
        both = "neither name nor sha256" if verdict.name is None else "both name and sha256"
        raise UsageError(f"{name}:{entry.line}: the verdict has {both}, and one is needed")
    for number, finding in enumerate(verdict.findings):
        if finding.label == NO_FINDING:
            line = _item(_inside(entry, "findings"), number).line
            raise UsageError(f"{name}:{line}: {NO_FINDING} is no finding: write findings: []")


class _Check:
    """Checks what the keys of one file say against each other and against the catalog."""

    def __init__(self, path: Path, root: Mapping[str, Entry], file: RulesFile) -> None:
        self._name = str(path)
        self._folder = path.parent
        self._root = root
        self._file = file

    def libraries(self) -> None:
        """Raise UsageError for more libraries than an account may have, and for images that are not there."""
        for key, found, most in (
            ("image_libraries", self._file.image_libraries, MAX_IMAGE_LIBRARIES),
            ("keyword_libraries", self._file.keyword_libraries, MAX_KEYWORD_LIBRARIES),
        ):
            if len(found) > most:
                words = key.replace("_", " ")
                raise self._error(self._root[key], f"{len(found)} {words}; an account has {most} at most")
        for name, library in self._file.image_libraries.items():
            if not (self._folder / library.images).exists():
                line = _inside(self._root["image_libraries"], name, "images")
                raise self._error(line, f"there is neither a folder nor a file {self._folder / library.images}")

    def service(self, name: str, rules: ServiceRules) -> None:
        """Raise UsageError for what is unknown or makes no sense about one service."""
        entry = _inside(self._root["services"], name)
        is_about_images = self._is_about_images(name, rules, entry)
        for label, scope in (rules.labels or {}).items():
            line = _inside(entry, "labels", label)
            self._known(label, _labels(), "label", line)
            if isinstance(scope, LabelScope) and scope.medium > scope.high:
                raise self._error(line, f"{label} is medium from {scope.medium:g}, which is above high: {scope.high:g}")
        for key, flagged, libraries in (
            ("image_libraries", rules.image_libraries, self._file.image_libraries),
            ("keyword_libraries", rules.keyword_libraries, self._file.keyword_libraries),
        ):
            for label, names in (flagged or {}).items():
                line = _inside(entry, key, label)
                self._known(label, _labels(), "label", line)
                if key == "keyword_libraries" and is_about_images and not label.endswith(_TEXT_SUFFIX):
                    raise self._error(line, f"{label} is not about text in images: such labels end with {_TEXT_SUFFIX}")
                self._libraries(names, libraries, line)
        self._libraries(rules.exempt, self._file.image_libraries, entry, "exempt")
        self._libraries(rules.ignored_keywords, self._file.keyword_libraries, entry, "ignored_keywords")
        self._libraries(rules.flagged_keywords, self._file.keyword_libraries, entry, "flagged_keywords")

    def _is_about_images(self, name: str, rules: ServiceRules, entry: Entry) -> bool:
        """Tell whether the service of the catalog that one is, or is a copy of, judges images, and not posts."""
        seen = [name]
        while rules.copy_of is not None:
            source = rules.copy_of
            if source in seen:
                raise self._error(entry, f"{name} is a copy of itself, by way of {source}")
            seen.append(source)
            if source not in self._file.services:
                break
            rules = self._file.services[source]
        known = find_service(seen[-1])
        if known is None:
            where = entry if len(seen) == 1 else _inside(entry, "copy_of")
            raise self._unknown(seen[-1], services(), "service", where, "a service of your own names another: copy_of")
        return known.offer(JudgingOperation.MULTIMODAL_ASYNC_MODERATION) is None

    def _libraries(self, names: list[str] | None, known: Collection[str], entry: Entry, key: str = "") -> None:
        for name in names or ():
            self._known(name, known, "library", _inside(entry, key) if key else entry)

    def _known(self, name: str, known: Collection[str], what: str, entry: Entry) -> None:
        if name not in known:
            raise self._unknown(name, known, what, entry)

    def _unknown(self, name: str, known: Collection[str], what: str, entry: Entry, hint: str = "") -> UsageError:
        near = suggestion(name, known)
        return UsageError(f"{self._name}:{entry.line}: unknown {what} {shortened(name)!r}{near}", hint=hint or None)

    def _error(self, entry: Entry, message: str) -> UsageError:
        return UsageError(f"{self._name}:{entry.line}: {message}")


@cache
def _labels() -> frozenset[str]:
    """Return the labels that the console could show: those of all services, for no page lists all of one service."""
    return frozenset(
        each.label for each in labels() if each.service != EVERY_SERVICE and not each.label.endswith(_LIBRARY_SUFFIX)
    )


def _inside(entry: Entry, *keys: str) -> Entry:
    """Return the entry below some keys that are there."""
    for key in keys:
        assert isinstance(entry.part, dict)  # noqa: S101 - it was read as a mapping
        entry = entry.part[key]
    return entry


def _item(entry: Entry, number: int) -> Entry:
    assert isinstance(entry.part, tuple)  # noqa: S101 - it was read as a list
    return entry.part[number]
