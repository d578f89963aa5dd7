"""The user's own verdicts about images: which images a rule is for, and what it lays down."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from moderate_cli.emulator.engine import Check, Examination, Finding, NotChecked
from moderate_cli.globs import Matcher, compile_glob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moderate_cli.emulator.parameters import ImageParameters

_NOBODY_LOOKED = NotChecked("image", "its verdict is laid down by a rule; no detector looked at it")


@dataclass(frozen=True, slots=True)
class ImageRule:
    """A verdict that is laid down for some images, whatever the detectors would find; no finding is one, too.

    It is for images with the SHA-256 `sha256` (hexadecimal, lower case), or with a name that matches the glob `name`:
    the last part of their URL or of their object's key, or their data id. `services` limits it to some moderation
    services. `title` is how answers call it.
    """

    title: str
    findings: tuple[Finding, ...]
    name: str | None = None
    sha256: str | None = None
    services: frozenset[str] = frozenset()

    def is_for(self, names: Sequence[str], sha256: str, service: str) -> bool:
        """Tell whether this rule decides about an image that a moderation service is asked about."""
        if self.services and service not in self.services:
            return False
        if self.sha256 is not None:
            return sha256 == self.sha256
        return self.name is not None and any(map(_matcher(self.name).matches, names))


def forced(rules: Sequence[ImageRule], image: ImageParameters, content: bytes, service: str) -> Examination | None:
    """Return what the first rule that fits lays down, and says that it did; None where none fits."""
    if not rules:
        return None
    names, sha256 = _names(image), hashlib.sha256(content).hexdigest()
    rule = next((rule for rule in rules if rule.is_for(names, sha256, service)), None)
    if rule is None:
        return None
    check = Check("rules", "local rules", {"Rules": [rule.title]})
    return Examination(rule.findings, (check,), (_NOBODY_LOOKED,))


def _names(image: ImageParameters) -> list[str]:
    """Return the names under which the service knows an image."""
    path = image.object_name if image.is_object else unquote(urlsplit(image.image_url).path)
    return [name for name in (path.rpartition("/")[2], image.data_id) if name]


@lru_cache
def _matcher(glob: str) -> Matcher:
    return compile_glob(glob)
