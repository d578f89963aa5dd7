"""What does a rules file say? Its keys as types, from which its reader and its JSON Schema are made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from moderate_cli.models import RiskLevel

MEDIUM_FROM = 60.0
HIGH_FROM = 90.0
"""The scores where the risks of a label begin: the console has defaults that nobody publishes, and these are ours."""

Score = Annotated[float, Meta(ge=0, le=100)]
Name = Annotated[str, Meta(pattern=r"\S")]
Switch = Literal["on", "off"]


class LabelScope(Struct, frozen=True, forbid_unknown_fields=True):
    """A label that is looked for, with the scores from which it is a medium and a high risk."""

    medium: Score = MEDIUM_FROM
    high: Score = HIGH_FROM

    def level(self, confidence: float) -> RiskLevel:
        """Return the level of a finding with a confidence from 0 to 100: rules 1 to 3 of the console's guide."""
        if confidence >= self.high:
            return RiskLevel.HIGH
        return RiskLevel.MEDIUM if confidence >= self.medium else RiskLevel.LOW


class ServiceRules(Struct, frozen=True, forbid_unknown_fields=True):
    """What is set for one service; None is left to the service that it copies, or to the defaults."""

    copy_of: Annotated[str, Meta(description="The service that this one is a copy of.")] | None = None
    title: Annotated[str, Meta(description="What the console calls a copied service.")] | None = None
    labels: (
        Annotated[
            dict[str, Switch | LabelScope],
            Meta(description="What is looked for: a label is on or off, or has its own medium and high scores."),
        ]
        | None
    ) = None
    exempt: (
        Annotated[list[str], Meta(description="Image libraries of which a hit is nonLabel_lib, and nothing else.")]
        | None
    ) = None
    image_libraries: (
        Annotated[
            dict[str, list[str]],
            Meta(description="Image libraries by label L: a hit is L_lib, at the level high."),
        ]
        | None
    ) = None
    keyword_libraries: (
        Annotated[
            dict[str, list[str]],
            Meta(description="Keyword libraries by label L, as xxx_tii: a word in a text is L_lib, at the level high."),
        ]
        | None
    ) = None
    ignored_keywords: (
        Annotated[list[str], Meta(description="Keyword libraries whose words are taken out of each text first.")] | None
    ) = None
    flagged_keywords: (
        Annotated[list[str], Meta(description="Keyword libraries that the account flags in all of the service.")] | None
    ) = None

    @property
    def flagging(self) -> set[str]:
        """The image libraries whose images get labels."""
        return {name for names in (self.image_libraries or {}).values() for name in names}


class ImageLibrary(Struct, frozen=True, forbid_unknown_fields=True):
    """Images that are known, by which others are recognised."""

    images: Annotated[str, Meta(description="A folder, or JSON Lines of {id, sha256, phash, url}.")]
    comment: Annotated[str, Meta(description="What the console shows beside the library.")] | None = None


class KeywordLibrary(Struct, frozen=True, forbid_unknown_fields=True):
    """Words that are known."""

    keywords: Annotated[str | list[str], Meta(description="A text file with one a line, or the words themselves.")]
    comment: Annotated[str, Meta(description="What the console shows beside the library.")] | None = None


class FixedFinding(Struct, frozen=True, forbid_unknown_fields=True):
    """A finding of a fixed verdict; without a level it follows from the confidence."""

    label: Name
    confidence: Score = 100.0
    level: RiskLevel | None = None


class FixedVerdict(Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict on some images that is laid down, for tests: no detector looks at them.

    They are known by the SHA-256 of their content, or by a glob that fits the last part of their path or address, or
    their data id.
    """

    findings: list[FixedFinding]
    name: Annotated[Name, Meta(description="A glob.")] | None = None
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$", description="64 hexadecimal digits.")] | None = None
    services: Annotated[list[Name] | Name, Meta(description="All services unless some are named.")] = []

    @property
    def title(self) -> str:
        """What it is called in answers."""
        return self.name or self.sha256 or ""


class Keyword(Struct, frozen=True, forbid_unknown_fields=True):
    """A word that gives a text a label at a level, in a rules file of 0.1.0."""

    word: Name
    label: Name
    level: RiskLevel = RiskLevel.HIGH
    services: list[Name] | Name = []


class Opaque(Struct, frozen=True, forbid_unknown_fields=True):
    """What the account says in shapes that no page documents, by operation: kept as it came, and never applied."""

    services: dict[str, dict[str, Any]] = {}
    keyword_libraries: dict[str, dict[str, Any]] = {}


class RulesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A rules file of `moderate`: what a service looks for, and which images and words are known."""

    version: Literal[1]
    services: dict[str, ServiceRules] = {}
    image_libraries: dict[str, ImageLibrary] = {}
    keyword_libraries: dict[str, KeywordLibrary] = {}
    verdicts: list[FixedVerdict] = []
    raw: Annotated[Opaque, Meta(description="Written by `moderate console pull`.")] = Opaque()


class OldRulesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A rules file of 0.1.0."""

    keywords: list[Keyword] | None = None
    images: list[FixedVerdict] | None = None


def is_for(services: list[str] | str, service: str) -> bool:
    """Tell whether something that is limited to some services, if any are named, is for one."""
    names = services.split(",") if isinstance(services, str) else services
    return not names or service in map(str.strip, names)
