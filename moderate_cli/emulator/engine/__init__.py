"""What can the local engine find? It examines pixels with the few detectors that work offline.

It claims no more than it checked: every examination lists the checks that ran. It neither
equals nor predicts the cloud's verdict, and finding nothing does not mean that an image is safe.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.catalog.prices import slices
from moderate_cli.emulator.engine import pixels
from moderate_cli.emulator.engine.bounds import (
    DamagedImageError,
    ImageTooLargeError,
    Room,
    TooLargeForEngineError,
    UnreadableImageError,
)
from moderate_cli.emulator.engine.declared_origin import DeclaredOriginDetector
from moderate_cli.emulator.engine.detectors import (
    EXTRA,
    AdultContentDetector,
    Detection,
    Detector,
    DetectorUnavailableError,
    Finding,
    QrCodeDetector,
    TextLine,
    highest,
)
from moderate_cli.emulator.engine.ocr import TextReader
from moderate_cli.emulator.engine.pixels import decode, decoding_errors, open_image
from moderate_cli.models import RiskLevel

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

    from moderate_cli.emulator.engine.image_library import Hit

__all__ = [
    "EXTRA",
    "Check",
    "DamagedImageError",
    "Examination",
    "Finding",
    "FrameExamination",
    "ImageTooLargeError",
    "LocalEngine",
    "TooLargeForEngineError",
    "UnreadableImageError",
    "merge",
    "strongest",
]

DAMAGED = "damaged: judged as far as it can be decoded"
"""The note on an image of which only a part may have been decoded."""

_AT_ONCE = 2
"""Images examined at once; large ones also wait for memory."""

# A TIFF or a photo with a preview has several pictures too, but they are no animation.
_ANIMATED = ("GIF", "WEBP", "PNG")
_JPEG_QUALITY = 85  # from 1 to 95


class Check(Struct, frozen=True):
    """A check that ran: the package with its version, and its measurements."""

    name: str
    package: str
    details: Mapping[str, Any]


class Examination(Struct, frozen=True):
    """What the engine found in one image, and the checks that ran.

    What it saw is what user's rules judge by: the `lines` of text, and by library the `known` images that it looks
    like, and the `exempt` ones that it is. `ext` is what answers say of these.
    """

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    lines: tuple[TextLine, ...] = ()
    known: Mapping[str, Hit] = {}
    exempt: Mapping[str, Hit] = {}
    ext: Mapping[str, Any] = {}

    @property
    def risk_level(self) -> RiskLevel:
        """The highest level among the findings."""
        return highest(finding.risk_level for finding in self.findings)


class FrameExamination(Struct, frozen=True):
    """What the engine found in one frame of an animation or one slice of a long image, and its picture as JPEG."""

    examination: Examination
    jpeg: bytes


DETECTORS: tuple[Detector, ...] = (QrCodeDetector(), AdultContentDetector(), TextReader())


class LocalEngine:
    """Runs every detector whose packages are installed, and reads what a file declares about its origin.

    `further` returns detectors that change while the engine is in use, as those of libraries that can be edited.
    """

    def __init__(
        self, detectors: Sequence[Detector] = DETECTORS, further: Callable[[], Sequence[Detector]] = tuple
    ) -> None:
        self._detectors = tuple(detectors)
        self._further = further
        self._origin = DeclaredOriginDetector()
        self._room = Room(pixels.MEMORY)
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def is_available(self) -> bool:
        """Tell whether at least one detector has its packages."""
        return any(not missing(detector.requirements) for detector in (*self._detectors, *self._further()))

    def names(self) -> list[str]:
        """Return the names of the checks whose packages are installed."""
        return [detector.name for detector in self._detectors if not missing(detector.requirements)]

    def identity(self) -> list[str]:
        """Return the packages that do the work, with their versions: another version may find something else."""
        return [with_version(detector.package) for detector in self._detectors if not missing(detector.requirements)]

    def examine(self, content: bytes) -> Examination:
        """Decode an image and examine its pixels.

        Of a damaged one that is what viewers show of it, with a note. Raises ImageTooLargeError or UnreadableImageError
        where it cannot be decoded within the limits.
        """
        try:
            return self._decoded(content)
        except DamagedImageError as error:
            with pixels.lenient():
                try:
                    found = self._decoded(content)
                except DamagedImageError:
                    raise error from None
            return replace(found, notes=(DAMAGED, *found.notes))

    def _decoded(self, content: bytes) -> Examination:
        image = open_image(content)
        with decoding_errors():
            memory = pixels.memory_to_decode(image)
        # Closed before the memory is given back, and before the detectors take theirs.
        with self._room.hold(max(memory, self._memory)), closing(image), self._slots:
            picture = decode(image)
            if picture is not image:
                image.close()
            return self._examine(picture, self._origin.read(content))

    def examine_frames(self, content: bytes, interval: int, max_frames: int) -> Iterator[FrameExamination]:
        """Examine the frames of an animation, or the slices of a long image; any other image has none.

        Every `interval`-th one is examined, up to `max_frames`. Raises as `examine` does.
        """
        try:
            captured = capture(content, interval, max_frames)
        except DamagedImageError:
            return  # its frames cannot be told apart; `examine` shows what it is
        if captured is None:
            return
        origin = self._origin.read(content)
        with self._room.hold(max(captured.memory, self._memory)), closing(captured.image):
            while True:
                # One at a time, so that a long animation does not keep the images of other calls waiting.
                with self._slots:
                    picture = next(captured.pictures, None)
                    if picture is None:
                        return
                    frame = FrameExamination(self._examine(picture, origin), as_jpeg(picture))
                yield frame
                origin = Detection()  # it is told once, at the first frame

    @property
    def _memory(self) -> int:
        """The bytes that detectors take for a moment, one after the other."""
        return max((each.memory for each in self._detectors if not missing(each.requirements)), default=0)

    def _examine(self, image: Image, origin: Detection) -> Examination:
        """Run every detector that can run on an image."""
        findings = list(origin.findings)
        checks: list[Check] = []
        notes: list[str] = []
        lines: tuple[TextLine, ...] = ()
        known: dict[str, Hit] = {}
        exempt: dict[str, Hit] = {}
        for detector in (*self._detectors, *self._further()):
            if missing(detector.requirements):
                continue
            try:
                detection = detector.detect(image)
            except DetectorUnavailableError as error:
                notes.append(f"{detector.name} did not run: {str(error).removesuffix('.')}")
                continue
            findings += detection.findings
            lines += detection.lines
            known |= detection.known
            exempt |= detection.exempt
            checks.append(Check(detector.name, with_version(detector.package), detection.details))
        if checks:  # it reads a few bytes alone: without another check nothing was looked at
            checks.append(Check(self._origin.name, with_version(self._origin.package), origin.details))
        return Examination(tuple(findings), tuple(checks), tuple(notes), lines, known, exempt)


def merge(examinations: Iterable[Examination]) -> Examination:
    """Return several examinations as one: each label at its highest confidence, each check once."""
    parts = list(examinations)
    checks: dict[str, Check] = {}
    for check in (check for part in parts for check in part.checks):
        known = checks.get(check.name)
        details = _merged(known.details, check.details) if known else check.details
        checks[check.name] = Check(check.name, check.package, details)
    return Examination(
        strongest(finding for part in parts for finding in part.findings),
        tuple(checks.values()),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        ext=_joined([part.ext for part in parts]),
    )


def _joined(exts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what several answers say of texts and known images as one, each item once."""
    joined: dict[str, Any] = {}
    images = [image for ext in exts for image in ext.get("CustomImage", ())]
    if images:
        joined["CustomImage"] = _each_once(images)
    texts = [ext["TextInImage"] for ext in exts if "TextInImage" in ext]
    if texts:
        words = [word for text in texts for word in text["CustomText"] or ()]
        lines = [line for text in texts for line in text["OcrResult"]]
        joined["TextInImage"] = {"CustomText": _each_once(words) or None, "OcrResult": lines, "RiskWord": None}
    return joined


def _each_once(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(pairs) for pairs in dict.fromkeys(tuple(item.items()) for item in items)]


def strongest(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each label once, with its highest confidence, in the order in which the labels were found."""
    best: dict[str, Finding] = {}
    for finding in findings:
        known = best.get(finding.label)
        if known is None or finding.confidence > known.confidence:
            best[finding.label] = finding
    return tuple(best.values())


def _merged(details: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two runs of one check measured: lists joined, the higher of two numbers."""
    merged = dict(details)
    for name, value in further.items():
        if isinstance(value, list):
            merged[name] = sorted({*merged.get(name, []), *value})
        else:
            merged[name] = max(merged.get(name, value), value)
    return merged


class Captured(Struct, frozen=True):
    """Frames or slices of an open image, decoded when they are asked for, and the bytes that this takes."""

    image: ImageFile
    memory: int
    pictures: Iterator[Image]


def capture(content: bytes, interval: int, max_frames: int) -> Captured | None:
    """Return every interval-th frame or slice of an image, reduced and in RGB; None for one that has only one.

    The rules are those of the vendor's page of the asynchronous API (March 2026), sections "ServiceParameters" and
    "Long image detection logic".

    Raises ImageTooLargeError or UnreadableImageError, as do the pictures.
    """
    image = open_image(content)
    with decoding_errors():
        count = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
        if count > 1:
            return Captured(
                image, pixels.memory_to_animate(image, count), _frames(image, chosen(count, interval, max_frames))
            )
        count = slices(*image.size)
        if count > 1:
            return Captured(
                image, pixels.memory_to_decode(image, count), _slices(image, count, chosen(count, interval, max_frames))
            )
    return None


def chosen(total: int, interval: int, max_frames: int) -> range:
    """Return which frames are examined: the interval grows until `max_frames` of them reach from end to end."""
    return range(0, total, max(interval, -(-total // max_frames)))


def as_jpeg(image: Image) -> bytes:
    """Return an RGB image as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _frames(image: ImageFile, indices: range) -> Iterator[Image]:
    """Yield frames of an animation, one at a time."""
    size = image.size
    for index in indices:
        with decoding_errors():
            for step in range(image.tell() + 1, index + 1):
                image.seek(step)
                if image.size != size:
                    # Pillow lets a frame of a GIF that reaches beyond the canvas enlarge it, to whatever size.
                    raise TooLargeForEngineError(f"frame {step} reaches beyond the others")
        yield decode(image)


def _slices(image: ImageFile, count: int, indices: range) -> Iterator[Image]:
    """Yield some of the equal parts of an image, along its longer side."""
    page = decode(image, count)
    width, height = page.size
    for index in indices:
        start, end = (max(page.size) * edge // count for edge in (index, index + 1))
        yield page.crop((0, start, width, end) if height > width else (start, 0, end, height))


def is_installed(module: str) -> bool:
    """Tell whether a top-level module could be imported."""
    return find_spec(module) is not None


def missing(requirements: Mapping[str, str]) -> list[str]:
    """Return the missing packages, for a mapping of modules to their packages."""
    return [package for module, package in requirements.items() if not is_installed(module)]


def with_version(package: str) -> str:
    """Return a package's name, and its version where that is known."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        # Frozen programs often carry modules without their metadata.
        return package
