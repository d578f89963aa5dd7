"""Which labels can the local engine give? By which detector, and what has to be installed for that."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from moderate_cli.common.installation import install_command
from moderate_cli.emulator.engine import DETECTORS, missing
from moderate_cli.emulator.engine.declared_origin import LABEL, DeclaredOriginDetector
from moderate_cli.emulator.engine.detectors import EXTRA, Detector
from moderate_cli.emulator.engine.known_images import KnownImages
from moderate_cli.models import EXEMPT

_BY = {
    "qr_code": [("QRCode", "a QR code")],
    "adult_content": [("pornographic_adultContent", "a score for adult content")],
    "text_in_image": [("*_tii_lib", "a word of your keyword libraries in the text of an image")],
    "image_libraries": [
        ("*_lib", "an image of your image libraries"),
        (EXEMPT, "an image of a library that exempts, and nothing else is said of it"),
    ],
    "declared_origin": [(LABEL, "declared as made or changed by AI, by a mark in the file")],
    "keywords": [("*_lib", "a word of your keyword libraries in a text of a post")],
}
_BY_RULES = frozenset({"text_in_image", "image_libraries", "keywords"})


class LocalLabel(Struct, frozen=True, kw_only=True):
    """A label, or with * all that end like it: its detector, the package behind that, and what installs it if missing.

    With `rules` it depends on the libraries of a rules file.
    """

    label: str
    meaning: str
    detector: str
    package: str
    rules: bool
    install: str | None


def local_labels() -> Iterator[LocalLabel]:
    """Yield the labels of each detector."""
    detectors: tuple[Detector, ...] = (*DETECTORS, KnownImages({}, {}))
    for detector in detectors:
        install = install_command(detector.extra) if missing(detector.requirements) else None
        yield from _labels(detector.name, detector.package, install)
    yield from _labels(DeclaredOriginDetector.name, DeclaredOriginDetector.package, None)
    lacking = missing({"ahocorasick_rs": "ahocorasick-rs"})
    yield from _labels("keywords", "ahocorasick-rs", install_command(EXTRA) if lacking else None)


def _labels(detector: str, package: str, install: str | None) -> Iterator[LocalLabel]:
    for label, meaning in _BY[detector]:
        by_rules = detector in _BY_RULES
        yield LocalLabel(
            label=label, meaning=meaning, detector=detector, package=package, rules=by_rules, install=install
        )
