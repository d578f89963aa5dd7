"""QR codes and other barcodes, read with zxing-cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from moderate_cli.emulator.engine.detector import Detection, DetectorUnavailableError, Finding
from moderate_cli.emulator.engine.levels import risk_level

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from PIL.Image import Image

_QR_FORMATS = frozenset({"QRCode", "QRCodeModel1", "QRCodeModel2", "MicroQRCode", "RMQRCode"})

_CONFIDENCE = 100.0
"""A code that was read is there: its checksum fits."""


class QrCodeDetector:
    """Finds QR codes of all kinds; other barcodes are listed in the details and are no finding."""

    name = "qr_code"
    package = "zxing-cpp"
    requirements: ClassVar[Mapping[str, str]] = {"PIL": "Pillow", "zxingcpp": "zxing-cpp"}

    def detect(self, image: Image) -> Detection:
        """Read all codes in an image."""
        # Grey is all that the reader needs, and a third of the memory that it copies.
        formats = {barcode.format.name for barcode in _zxing().read_barcodes(image.convert("L"))}
        barcodes = sorted(formats - _QR_FORMATS)
        finding = Finding("QRCode", _CONFIDENCE, "QR code (local engine)", risk_level(_CONFIDENCE))
        return Detection(
            findings=(finding,) if formats & _QR_FORMATS else (),
            details={"Barcodes": barcodes} if barcodes else {},
        )


def _zxing() -> ModuleType:
    """Import zxing-cpp."""
    try:
        import zxingcpp
    except ImportError as error:
        raise DetectorUnavailableError("The package zxing-cpp cannot be loaded.") from error
    return zxingcpp
