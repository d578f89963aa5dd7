"""What do the image libraries of the rules make of an image? They exempt it, or give it labels at the level high."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from moderate_cli.emulator.engine import Finding
from moderate_cli.emulator.engine.hash_cache import user_cache
from moderate_cli.emulator.engine.image_library import Hit, ImageIndex, ImageLibrary
from moderate_cli.emulator.engine.known_images import KnownImages
from moderate_cli.models import EXEMPT, RiskLevel
from moderate_cli.rules import Rules, ServiceRules


class LibraryRuling(Struct, frozen=True):
    """The findings for an image that libraries know, and what an answer says of it; none where they do not."""

    findings: tuple[Finding, ...] = ()
    ext: Mapping[str, Any] = {}
    is_exempt: bool = False


class LibraryRulings(Struct, frozen=True):
    """What the image libraries of some rules say; where images are known by their `exact` bytes alone, without Pillow.

    `held` are libraries whose images are not in the place that the rules name, and `names` what libraries are called
    whose key is another. The methods raise UsageError where a library cannot be read.
    """

    rules: Rules
    exact: bool = False
    held: Mapping[str, ImageIndex] = {}
    names: Mapping[str, str] = {}

    def library(self, key: str) -> ImageLibrary | ImageIndex:
        """Return a library by its key in the rules."""
        return self.held.get(key) or open_library(self.rules.images_of(key), exact=self.exact)

    def detector(self, services: Iterable[ServiceRules]) -> KnownImages | None:
        """Return what looks at pixels for some services, None where these have no libraries."""
        exempt: set[str] = set()
        flagging: set[str] = set()
        for service in services:
            exempt.update(service.exempt or ())
            flagging.update(service.flagging)
        if not exempt and not flagging:
            return None
        return KnownImages(*({name: self.library(name) for name in sorted(names)} for names in (exempt, flagging)))

    def ruling(
        self, service: str, sha256: str, *, exempt: Mapping[str, Hit] = {}, known: Mapping[str, Hit] = {}
    ) -> LibraryRuling:
        """Return what a service makes of an image with these bytes; an exemption comes before all labels.

        `exempt` and `known` are what was seen in its pixels, by library: images that it is, and that it looks like.
        """
        rules = self.rules.service(service)
        for name in rules.exempt or ():
            if hit := self._hit(name, exempt, sha256):
                finding = Finding(EXEMPT, hit.confidence, f"Image of {self._name(name)} (local engine)", RiskLevel.NONE)
                return LibraryRuling((finding,), {"CustomImage": [self._custom_image(name, hit)]}, is_exempt=True)
        hits = {
            (label, name): hit
            for label, names in (rules.image_libraries or {}).items()
            for name in names
            if (hit := self._hit(name, known, sha256))
        }
        findings = tuple(
            Finding(f"{label}_lib", hit.confidence, f"Image of {self._name(name)} (local engine)", RiskLevel.HIGH)
            for (label, name), hit in hits.items()
        )
        images = [self._custom_image(name, hit) for (_, name), hit in hits.items()]
        return LibraryRuling(findings, {"CustomImage": images} if images else {})

    def _hit(self, library: str, seen: Mapping[str, Hit], sha256: str) -> Hit | None:
        return self.library(library).find(sha256, None, 0) or seen.get(library)

    def _name(self, library: str) -> str:
        return self.names.get(library, library)

    def _custom_image(self, library: str, hit: Hit) -> dict[str, Any]:
        return {"LibId": library, "LibName": self._name(library), "ImageId": hit.entry.id}


@cache
def open_library(path: Path, *, exact: bool = False) -> ImageLibrary:
    """Return the image library of a folder or a file, the same for all that ask in this process."""
    return ImageLibrary(path, cache=user_cache(), exact=exact)


def key_of(rules: Rules) -> str:
    """Return what changes with the rules and with the images of their libraries; raises UsageError as these do."""
    digests = [open_library(rules.images_of(name)).digest for name in rules.file.image_libraries]
    return hashlib.sha256("\n".join([rules.key, *digests]).encode()).hexdigest()[:32]
