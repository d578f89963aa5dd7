"""What a detector is, and what it says about an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from moderate_cli.verdicts import RiskLevel

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Finding:
    """A risk that a detector found."""

    label: str
    confidence: float
    description: str
    risk_level: RiskLevel


@dataclass(frozen=True, slots=True)
class Detection:
    """The outcome of one detector on one image; the details are shown even if nothing was found."""

    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


class DetectorUnavailableError(Exception):
    """A detector's packages are installed but cannot be used."""


class Detector(Protocol):
    """Something that looks at the pixels of an image, decoded to RGB."""

    @property
    def name(self) -> str:
        """The name of the check in an answer."""
        ...

    @property
    def package(self) -> str:
        """The package that does the work."""
        ...

    @property
    def requirements(self) -> Mapping[str, str]:
        """Every module that must be importable, with the package that brings it."""
        ...

    def detect(self, image: Image) -> Detection:
        """Look at an image; raises DetectorUnavailableError if the packages turn out to be unusable."""
        ...
