"""The local engine looks at an image's pixels with the few detectors that work offline.

It claims no more than it checked: every examination lists the checks that ran and those that did not. It neither
equals nor predicts the cloud's verdict, and finding nothing does not mean that an image is safe.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moderate_cli.emulator.engine import packages
from moderate_cli.emulator.engine.adult_content import AdultContentDetector
from moderate_cli.emulator.engine.detector import Detector, DetectorUnavailableError, Finding
from moderate_cli.emulator.engine.levels import highest
from moderate_cli.emulator.engine.pixels import ImageTooLargeError, UnreadableImageError, decode
from moderate_cli.emulator.engine.qr_code import QrCodeDetector
from moderate_cli.verdicts import RiskLevel

__all__ = [
    "INSTALL_COMMAND",
    "Check",
    "Examination",
    "Finding",
    "ImageTooLargeError",
    "LocalEngine",
    "NotChecked",
    "UnreadableImageError",
]

INSTALL_COMMAND = "pip install 'moderate-cli[local]'"

_AT_ONCE = 2
"""Images examined at one time: the largest that is allowed (164 million pixels) took 1.5 GB in November 2026."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check that ran: the package with its version, and what it measured."""

    name: str
    package: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Something that was not looked for, and the command that changes this if there is one."""

    name: str
    reason: str
    install: str | None = None


@dataclass(frozen=True, slots=True)
class Examination:
    """What the engine found in one image, and where it looked."""

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    not_checked: tuple[NotChecked, ...]

    @property
    def risk_level(self) -> RiskLevel:
        """The highest level among the findings."""
        return highest(finding.risk_level for finding in self.findings)


_NEVER_CHECKED = (
    NotChecked("text_in_image", "this version reads no text"),
    NotChecked(
        "other_risks",
        "no offline detector exists for violence, contraband, politics, logos, public figures, AI-made images"
        " and most others",
    ),
)


class LocalEngine:
    """Runs every detector whose packages are installed."""

    def __init__(self, detectors: Sequence[Detector] | None = None) -> None:
        self._detectors = (QrCodeDetector(), AdultContentDetector()) if detectors is None else tuple(detectors)
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def is_available(self) -> bool:
        """Tell whether at least one detector has its packages."""
        return any(not packages.missing(detector.requirements) for detector in self._detectors)

    def examine(self, content: bytes) -> Examination:
        """Decode an image and look at its pixels.

        Raises ImageTooLargeError or UnreadableImageError where it cannot be decoded within the limits.
        """
        findings: list[Finding] = []
        checks: list[Check] = []
        not_checked: list[NotChecked] = []
        with self._slots:
            image = decode(content)
            for detector in self._detectors:
                lacking = packages.missing(detector.requirements)
                if lacking:
                    not_checked += [_not_installed(detector, package) for package in lacking]
                    continue
                try:
                    detection = detector.detect(image)
                except DetectorUnavailableError as error:
                    not_checked.append(NotChecked(detector.name, str(error), INSTALL_COMMAND))
                    continue
                findings += detection.findings
                checks.append(Check(detector.name, packages.with_version(detector.package), detection.details))
        return Examination(tuple(findings), tuple(checks), (*not_checked, *_NEVER_CHECKED))


def _not_installed(detector: Detector, package: str) -> NotChecked:
    """Say that a detector lacks a package."""
    return NotChecked(detector.name, f"{package} is not installed", INSTALL_COMMAND)
