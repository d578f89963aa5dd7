"""How does what an account has become a rules file? With the lists beside it that are too long to stand in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, to_builtins

from moderate_cli.account.account_state import Account, ImageLibraryState, KeywordLibraryState, ServiceState
from moderate_cli.catalog.services import find_service
from moderate_cli.common.errors import UsageError
from moderate_cli.common.text import counted
from moderate_cli.common.yaml_doc import dump_yaml
from moderate_cli.rules import FixedVerdict, Rules
from moderate_cli.rules.model import RulesFile, ServiceRules
from moderate_cli.rules.reader import check_word

MAX_INLINE = 20
"""Keywords of a library that stand in the rules file; more are a file beside it."""

_HEAD = """\
# What the account has, by `moderate console pull`. Scopes, scores and the libraries of single labels are not in it: the
# API has no documented shape for them; what it says of them is below raw, is never applied, and is only compared.
"""
_ODD = re.compile(r"[^\w.-]+")


class Pulled(Struct, frozen=True):
    """The text of a rules file, the files beside it by their paths, and what is not in either."""

    text: str
    files: Mapping[Path, str]
    notes: tuple[str, ...]


def pull_rules(account: Account, base: Rules, *, inline: bool = False) -> Pulled:
    """Return the rules of an account.

    `base` are the rules that the file has now: what the account cannot say, such as folders, scores, the libraries of
    labels and fixed verdicts, is kept from there. With `inline` all words stand in the file. Raises AmbiguousError
    where two libraries have one name.
    """
    puller = _Puller(base, inline=inline)
    document = puller.document(account)
    return Pulled(_HEAD + dump_yaml(document), puller.files, tuple(puller.notes))


class _Puller:
    def __init__(self, base: Rules, *, inline: bool) -> None:
        self.files: dict[Path, str] = {}
        self.notes: list[str] = []
        self._base = base
        self._file: RulesFile = base.file
        self._inline = inline
        lists = [each.keywords for each in self._file.keyword_libraries.values() if isinstance(each.keywords, str)]
        self._named = {Path(each) for each in (*lists, *(one.images for one in self._file.image_libraries.values()))}

    def document(self, account: Account) -> dict[str, Any]:
        """Return the whole of the file as plain values."""
        images = {}
        for image_library in account.image_libraries:
            account.image_library(image_library.name)  # raises where there are two
            images[image_library.name] = self._images(image_library)
        keywords = {}
        for keyword_library in account.keyword_libraries:
            account.keyword_library(keyword_library.name)
            keywords[keyword_library.name] = self._keywords(keyword_library)
        named = {*images, *keywords}
        known = [each for each in account.services.values() if self._is_known(each, account)]
        services = {each.code: self._service(each, account, named) for each in known}
        raw = {
            "services": {each.code: dict(each.raw) for each in known if each.raw},
            "keyword_libraries": {each.name: dict(each.raw) for each in account.keyword_libraries if each.raw},
        }
        for name in {**self._file.image_libraries, **self._file.keyword_libraries}:
            if name not in named:
                self.notes.append(f"library {name} is not in the account, and left out")
        parts = {
            "services": {code: said for code, said in services.items() if said},
            "image_libraries": images,
            "keyword_libraries": keywords,
            "verdicts": [_verdict(verdict) for verdict in self._file.verdicts],
            "raw": {key: part for key, part in raw.items() if part},
        }
        return {"version": 1, **{key: part for key, part in parts.items() if part}}

    def _is_known(self, service: ServiceState, account: Account) -> bool:
        """Tell whether a rules file could name a service; one that could not is noted."""
        root, seen = service, {service.code}
        while (source := account.services.get(root.copy_of or "")) is not None and source.code not in seen:
            root = source
            seen.add(root.code)
        if find_service(root.copy_of or root.code) is not None:
            return True
        self.notes.append(f"service {service.code} is unknown here, and left out")
        return False

    def _service(self, service: ServiceState, account: Account, named: set[str]) -> dict[str, Any]:
        source = account.services.get(service.copy_of or "")
        before = self._before(service)
        said: dict[str, Any] = {}
        if service.copy_of:
            said = {"copy_of": service.copy_of, "title": service.title}
        if before.labels:
            said["labels"] = to_builtins(before.labels)
        for key in ("image_libraries", "keyword_libraries"):
            bound = {
                label: [*filter(named.__contains__, names)] for label, names in (getattr(before, key) or {}).items()
            }
            if bound := {label: names for label, names in bound.items() if names}:
                said[key] = bound
        for key, mine, inherited in (
            ("exempt", sorted(service.exempt), source and source.exempt),
            ("ignored_keywords", list(service.ignored), source and source.ignored),
            ("flagged_keywords", list(service.flagged), source and source.flagged),
        ):
            for name in mine:
                if name not in named:
                    self.notes.append(f"{service.code} uses the library {name}, which the account does not list")
            if mine or inherited or getattr(before, key) is not None:
                said[key] = [name for name in mine if name in named]
        return said

    def _before(self, service: ServiceState) -> ServiceRules:
        """Return what the file says of a service now; a copy is known by its title, whatever its code."""
        for rules in self._file.services.values():
            if service.copy_of and (rules.copy_of, rules.title) == (service.copy_of, service.title):
                return rules
        return self._file.services.get(service.code, ServiceRules())

    def _images(self, library: ImageLibraryState) -> dict[str, Any]:
        before = self._file.image_libraries.get(library.name)
        comment = {"comment": library.comment} if library.comment else {}
        if before is not None and self._base.images_of(library.name).is_dir():
            return {"images": before.images, **comment}
        path = self._place(before.images if before else None, "images", library.name, ".jsonl")
        lines = [{"id": each, **_address(url)} for each, url in (library.images or {}).items()]
        self.files[path] = "".join(f"{json.dumps(line)}\n" for line in lines)
        return {"images": path.as_posix(), **comment}

    def _keywords(self, library: KeywordLibraryState) -> dict[str, Any]:
        before = self._file.keyword_libraries.get(library.name)
        comment = {"comment": before.comment} if before and before.comment else {}
        words = sorted(self._words(library))
        named = before.keywords if before and isinstance(before.keywords, str) else None
        if self._inline or (named is None and len(words) <= MAX_INLINE):
            return {"keywords": words, **comment}
        path = self._place(named, "words", library.name, ".txt")
        self.files[path] = "".join(f"{word}\n" for word in words)
        return {"keywords": path.as_posix(), **comment}

    def _words(self, library: KeywordLibraryState) -> Iterator[str]:
        """Yield the words that a rules file can have; the others are noted."""
        odd = 0
        for word in dict.fromkeys((library.words or {}).values()):
            try:
                is_plain = check_word(word, library.name) == word
            except UsageError:
                is_plain = False
            odd += not is_plain
            if is_plain:
                yield word
        if odd:
            text = f"{counted(odd, 'keyword')} of {library.name} with special characters or white space: left out"
            self.notes.append(text)

    def _place(self, named: str | None, folder: str, name: str, suffix: str) -> Path:
        """Return the path of a list: the one that the file names, unless another list has it already, or a new one."""
        if named is not None and Path(named) not in self.files:
            return Path(named)
        stem = _ODD.sub("_", name).strip("._") or "library"
        path, number = Path(folder, f"{stem}{suffix}"), 1
        while path in self.files or path in self._named:
            number += 1
            path = Path(folder, f"{stem}-{number}{suffix}")
        return path


def _address(url: str | None) -> dict[str, str]:
    """Return an address without its query, which is a signature that expires."""
    if not url:
        return {}
    return {"url": urlsplit(url)._replace(query="", fragment="").geturl()}


def _verdict(verdict: FixedVerdict) -> dict[str, Any]:
    """Return a fixed verdict; one without findings says so."""
    return {"findings": [], **_without_defaults(to_builtins(verdict))}


def _without_defaults(value: Any) -> Any:
    """Return plain values without what is not said."""
    if isinstance(value, dict):
        return {key: _without_defaults(part) for key, part in value.items() if part not in (None, "") and part != []}
    return [_without_defaults(part) for part in value] if isinstance(value, list) else value
