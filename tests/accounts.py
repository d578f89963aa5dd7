"""An account without a service: what `ManagementClient` does, in memory, until it is told to break."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from moderate_cli.client import (
    ImageLibrary,
    Keyword,
    KeywordLibrary,
    KeywordsResult,
    LibraryImage,
    ServiceBindings,
    ServiceConfig,
)


@dataclass
class Service:
    title: str
    description: str = ""
    copy_of: str | None = None
    exempt: set[str] = field(default_factory=set)
    ignored: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()
    custom: dict[str, Any] = field(default_factory=dict)


@dataclass
class Images:
    name: str
    comment: str
    images: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Words:
    name: str
    words: dict[str, str] = field(default_factory=dict)


class FakeAccount:
    """`before` and `after` are called with the name of each method, before and after it has its effect."""

    def __init__(self) -> None:
        self.services_by_code = {
            "baselineCheck_global": Service("Baseline"),
            "profilePhotoCheck_global": Service("Profile photos"),
        }
        self.image_libs: dict[str, Images] = {}
        self.keyword_libs: dict[str, Words] = {}
        self.labels: list[Any] = []
        self.refused: set[str] = set()
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda name: None
        self.after: Callable[[str], None] = lambda name: None
        self._numbers = itertools.count(1)

    def _call(self, name: str, effect: Callable[[], Any]) -> Any:
        self.calls.append(name)
        self.before(name)
        result = effect()
        self.after(name)
        return result

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [name for name in self.calls if name.startswith(("add", "create", "copy", "delete", "re", "set", "up"))]

    def services(self) -> list[ServiceConfig]:
        return self._call(
            "services",
            lambda: [
                ServiceConfig(code, one.title, one.description, one.copy_of, "plus", {})
                for code, one in self.services_by_code.items()
            ],
        )

    def service(self, code: str) -> ServiceBindings:
        one = self.services_by_code[code]
        custom = {"KeywordFilterLibs": list(one.ignored), "KeywordHitLibs": list(one.flagged), **one.custom}
        return self._call("service", lambda: ServiceBindings(one.ignored, one.flagged, {"CustomServiceConf": custom}))

    def scene_labels(self, code: str) -> list[Any]:
        return self._call("scene_labels", lambda: self.labels)

    def update_service(
        self, code: str, *, ignored: Sequence[str] | None = None, flagged: Sequence[str] | None = None
    ) -> None:
        def effect() -> None:
            one = self.services_by_code[code]
            one.ignored = one.ignored if ignored is None else tuple(ignored)
            one.flagged = one.flagged if flagged is None else tuple(flagged)

        self._call("update_service", effect)

    def copy_service(self, source: str, title: str, description: str) -> None:
        def effect() -> None:
            number = sum(one.copy_of == source for one in self.services_by_code.values()) + 1
            old = self.services_by_code[source]
            self.services_by_code[f"{source}_{number:02}"] = Service(
                title, description, source, set(old.exempt), old.ignored, old.flagged
            )

        self._call("copy_service", effect)

    def rename_service(self, code: str, title: str, description: str) -> None:
        def effect() -> None:
            self.services_by_code[code].title = title

        self._call("rename_service", effect)

    def image_libraries(self, service: str | None = None) -> list[ImageLibrary]:
        exempt = self.services_by_code[service].exempt if service else set()
        return self._call(
            "image_libraries",
            lambda: [
                ImageLibrary(key, one.name, one.comment, len(one.images), key in exempt, {})
                for key, one in self.image_libs.items()
            ],
        )

    def create_image_library(self, name: str, comment: str) -> str:
        def effect() -> str:
            key = f"lib{next(self._numbers)}"
            self.image_libs[key] = Images(name, comment)
            return key

        return self._call("create_image_library", effect)

    def update_image_library(self, library: str, *, name: str, comment: str) -> None:
        def effect() -> None:
            self.image_libs[library].name, self.image_libs[library].comment = name, comment

        self._call("update_image_library", effect)

    def library_images(self, library: str) -> Iterator[LibraryImage]:
        images = self.image_libs[library].images
        return iter(
            self._call(
                "library_images",
                lambda: [LibraryImage(key, f"http://127.0.0.1/{key}?Signature=x", None, {}) for key in images],
            )
        )

    def add_image(self, library: str, content: BinaryIO, name: str) -> str:
        def effect() -> str:
            key = str(next(self._numbers))
            self.image_libs[library].images[key] = content.read()
            return key

        return self._call("add_image", effect)

    def remove_images(self, library: str, images: Sequence[str]) -> None:
        def effect() -> None:
            for key in images:
                del self.image_libs[library].images[key]

        self._call("remove_images", effect)

    def set_exemptions(self, service: str, libraries: Mapping[str, bool]) -> None:
        def effect() -> None:
            for library, exempt in libraries.items():
                (set.add if exempt else set.discard)(self.services_by_code[service].exempt, library)

        self._call("set_exemptions", effect)

    def keyword_libraries(self) -> list[KeywordLibrary]:
        def users(key: str) -> tuple[str, ...]:
            found = self.services_by_code.items()
            return tuple(code for code, one in found if key in (*one.ignored, *one.flagged))

        return self._call(
            "keyword_libraries",
            lambda: [
                KeywordLibrary(key, one.name, len(one.words), users(key), {}) for key, one in self.keyword_libs.items()
            ],
        )

    def create_keyword_library(self, name: str) -> str:
        def effect() -> str:
            key = f"words{next(self._numbers)}"
            self.keyword_libs[key] = Words(name)
            return key

        return self._call("create_keyword_library", effect)

    def delete_keyword_library(self, library: str) -> None:
        self._call("delete_keyword_library", lambda: self.keyword_libs.pop(library))

    def keywords(self, library: str) -> Iterator[Keyword]:
        words = self.keyword_libs[library].words
        return iter(self._call("keywords", lambda: [Keyword(key, word, {}) for key, word in words.items()]))

    def add_keywords(self, library: str, keywords: Sequence[str]) -> KeywordsResult:
        def effect() -> KeywordsResult:
            taken = [word for word in keywords if word not in self.refused]
            self.keyword_libs[library].words.update({str(next(self._numbers)): word for word in taken})
            refused = tuple(word for word in keywords if word in self.refused)
            return KeywordsResult(len(taken), 0, len(refused), refused)

        return self._call("add_keywords", effect)

    def remove_keywords(self, library: str, ids: Sequence[str]) -> None:
        def effect() -> None:
            for key in ids:
                del self.keyword_libs[library].words[key]

        self._call("remove_keywords", effect)

    def summary(self) -> dict[str, Any]:
        """What it has, by names and contents alone."""
        images = {key: one.name for key, one in self.image_libs.items()}
        words = {key: one.name for key, one in self.keyword_libs.items()}
        return {
            "services": [
                (
                    one.title,
                    one.copy_of,
                    sorted(images[key] for key in one.exempt),
                    [words[key] for key in one.ignored],
                    [words[key] for key in one.flagged],
                )
                for one in self.services_by_code.values()
            ],
            "images": sorted((one.name, one.comment, sorted(one.images.values())) for one in self.image_libs.values()),
            "words": sorted((one.name, sorted(one.words.values())) for one in self.keyword_libs.values()),
        }
