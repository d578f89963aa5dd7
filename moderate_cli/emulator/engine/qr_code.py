"""QR codes, read with zxing-cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from moderate_cli.emulator.engine.detector import Detection, DetectorUnavailableError, Finding
from moderate_cli.emulator.engine.levels import risk_level

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from PIL.Image import Image

_KINDS = ("QRCode", "MicroQRCode", "RMQRCode")
"""What is looked for; to look for all barcodes takes ten times as long."""

_CONFIDENCE = 100.0
"""A code that was read is there: its checksum fits."""


class QrCodeDetector:
    """Finds QR codes of all kinds, and no other barcodes."""

    name = "qr_code"
    package = "zxing-cpp"
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
