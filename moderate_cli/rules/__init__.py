"""Which rules does the user lay down? The rules file of an account: scopes, libraries, and fixed verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from moderate_cli.catalog.services import copied_service
from moderate_cli.common.environment import Environment
from moderate_cli.common.text import echo
from moderate_cli.models import RiskLevel
from moderate_cli.rules.model import (
    FixedFinding,
    FixedVerdict,
    ImageLibrary,
    LabelScope,
    OldRulesFile,
    RulesFile,
    ServiceRules,
    is_for,
)
from moderate_cli.rules.reader import lines_of, read_file, read_old, read_root, read_words

__all__ = ["FixedFinding", "FixedVerdict", "FlaggedWord", "ImageLibrary", "Rules", "ServiceRules", "read_rules"]

_DEFAULTS = ServiceRules(
    labels={}, exempt=[], image_libraries={}, keyword_libraries={}, ignored_keywords=[], flagged_keywords=[]
)
_DEFAULT_SCOPE = LabelScope()
_OLD_LIBRARY = "local rules"  # what 0.1.0 called the library of all its keywords


UNBOUND_WORDS = "contraband_drug_tii"
"""The label of words whose library is flagged for a service, and stands for no label.

KeywordHitLibs names no label, and no page tells which one the service gives. This is the label of the one example in
the vendor's console guide (December 2025): a hit is contraband_drug_tii_lib.
"""


class FlaggedWord(Struct, frozen=True):
    """A word that gives a text a label at a level, and the library that it comes from."""

    word: str
    label: str
    library: str
    level: RiskLevel = RiskLevel.HIGH


class Rules(Struct, frozen=True):
    """What a rules file says; without one, the defaults of every service.

    `words` are those of each keyword library. `old` is the file where that is of 0.1.0. Paths start at the folder of
    `path`, `key` changes with everything but the images, and `lines` are those of the keys of three levels.
    """

    file: RulesFile = RulesFile(version=1)
    words: Mapping[str, tuple[str, ...]] = {}
    old: OldRulesFile | None = None
    path: Path = Path()
    key: str = ""
    lines: Mapping[tuple[str, ...], int] = {}

    @property
    def folder(self) -> Path:
        """Where the paths of the file start."""
        return self.path.parent

    @property
    def paths(self) -> list[Path]:
        """The file itself, and the files and folders of its libraries."""
        images = [library.images for library in self.file.image_libraries.values()]
        words = [library.keywords for library in self.file.keyword_libraries.values()]
        return [self.path, *(self.folder / name for name in [*images, *words] if isinstance(name, str))]

    @property
    def verdicts(self) -> Sequence[FixedVerdict]:
        """The fixed verdicts, of which the first that fits an image counts."""
        return self.file.verdicts if self.old is None else self.old.images or ()

    def service(self, name: str) -> ServiceRules:
        """Return what is set for a service, which is what it says itself, else what the one that it copies has.

        A copy that the file does not name, as `baselineCheck_01`, has the rules of its source.
        """
        own = self.file.services.get(name)
        source = own.copy_of if own else copied_service(name)
        base = _DEFAULTS if source is None else self.service(source)
        return base if own is None else _over(own, base)

    def services(self) -> list[ServiceRules]:
        """Return what is set for each service of the file."""
        return [self.service(name) for name in self.file.services]

    def level(self, service: str, label: str, confidence: float) -> RiskLevel | None:
        """Return the level of a finding by the thresholds of its label, or None where that is switched off."""
        scope = (self.service(service).labels or {}).get(label, _DEFAULT_SCOPE)
        if scope == "off":
            return None
        return (scope if isinstance(scope, LabelScope) else _DEFAULT_SCOPE).level(confidence)

    def flagged_words(self, service: str) -> list[FlaggedWord]:
        """Return the words that a service flags."""
        old = [] if self.old is None else self.old.keywords or ()
        rules = self.service(service)
        by_label = [*(rules.keyword_libraries or {}).items(), (UNBOUND_WORDS, rules.flagged_keywords or ())]
        return [
            FlaggedWord(keyword.word, keyword.label, _OLD_LIBRARY, keyword.level)
            for keyword in old
            if is_for(keyword.services, service)
        ] + [
            FlaggedWord(word, f"{label}_lib", library)
            for label, libraries in by_label
            for library in libraries
            for word in self.words[library]
        ]

    def ignored_words(self, service: str) -> list[str]:
        """Return the words that a service takes out of each text before it looks for anything."""
        return [word for library in self.service(service).ignored_keywords or () for word in self.words[library]]

    def place(self, *keys: str) -> str:
        """Return FILE:LINE of a key, that of the nearest one above where it is not in the file."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.path}:{self.lines.get(keys, 1)}"

    def images_of(self, library: str) -> Path:
        """Return the folder of an image library, or the file that lists it."""
        return self.folder / self.file.image_libraries[library].images


def _over(own: ServiceRules, base: ServiceRules) -> ServiceRules:
    """Return the rules of a service with those of its source where it says nothing."""
    said: dict[str, Any] = {key: value for key, value in asdict(own).items() if value is not None}
    for key in ("labels", "image_libraries", "keyword_libraries"):
        if key in said:
            said[key] = getattr(base, key) | said[key]
    return replace(base, **said)


def read_rules(path: Path, environment: Environment) -> Rules:
    """Return the rules of a file, of 0.1.0 too, which is told; raises UsageError with the file and the line."""
    root = read_root(path)
    if not root:
        return Rules(path=path)
    if "version" not in root and {"keywords", "images"} & root.keys():
        old = read_old(path, root)
        echo(environment, f"{path}: this form is deprecated: begin with version: 1 (see `moderate help rules`)")
        return Rules(old=old, path=path, key=_key(old))
    file = read_file(path, root)
    words = read_words(path, root, file)
    return Rules(file, words, path=path, key=_key([file, words]), lines=lines_of(root))


def _key(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:32]
