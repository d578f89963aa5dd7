"""Which text does an image show? Its lines, as rapidocr reads them, and their shape in an answer."""

from __future__ import annotations

import functools
import importlib.resources
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from moderate_cli.emulator.engine.detectors import Detection, DetectorUnavailableError, TextLine, silence_onnxruntime

if TYPE_CHECKING:
    from PIL.Image import Image

_SMALLEST_SIDE = 8  # pixels: in fewer no letter can be read, and rapidocr would pad a thin strip to hundreds of MB
_SHORTEST_LINE = 2  # characters: a single one is mostly a picture of something round

# Measured in November 2026 on pages of 1,000 x 700 pixels, plain, on a photo, and turned by 10 degrees: the package's
# own settings take twice as long, and 60 MB more, for the same lines. Nor need it reduce or enlarge a whole picture:
# those of the local engine are small enough, and a line is scaled when it is read.
_SETTINGS = {
    "Global.log_level": "critical",
    "Global.text_score": 0.6,
    "Global.use_cls": True,
    "Global.min_side_len": 1,
    "Global.max_side_len": 4000,
    "Det.limit_type": "max",
    "Det.limit_side_len": 736,
    "EngineConfig.onnxruntime.intra_op_num_threads": 2,
    "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,
}
# Named explicitly: for a model without a path that is missing or altered the package downloads another.
_MODELS = {
    "Det.model_path": "PP-OCRv6_det_small.onnx",
    "Cls.model_path": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec.model_path": "PP-OCRv6_rec_small.onnx",
}

_reading = threading.Lock()


class LibraryHit(Struct, frozen=True):
    """A keyword of a library that occurs in a text."""

    lib_id: str
    lib_name: str
    word: str


class TextReader:
    """Reads text in Chinese, English and whatever else the model of rapidocr knows."""

    name = "text_in_image"
    package = "rapidocr"
    extra = "ocr"
    memory = 250_000_000  # measured in November 2026 on pictures of 2 to 15 megapixels: 90 to 200 MB
    requirements: ClassVar[Mapping[str, str]] = {
        "PIL": "Pillow",
        "numpy": "numpy",
        "onnxruntime": "onnxruntime",
        "rapidocr": "rapidocr",
    }

    def detect(self, image: Image) -> Detection:
        """Read the text in an image."""
        lines = self.read(image)
        return Detection(lines=lines, details={"Lines": len(lines)})

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """Return the lines of text in an image, a frame or a slice, from top to bottom.

        Raises DetectorUnavailableError if the package turns out to be unusable, or fails.
        """
        if min(image.size) < _SMALLEST_SIDE:
            return ()
        # One at a time: a model keeps two cores busy, and the engine is not meant to be shared.
        with _reading:
            engine = _engine()
            try:
                return _lines(engine(image))
            except Exception as error:
                reason = f"The package rapidocr failed to read it ({type(error).__name__})."
                raise DetectorUnavailableError(reason) from error


def _lines(answer: Any) -> tuple[TextLine, ...]:
    """Return the lines of an answer of rapidocr, which has other attributes where lines were found but not read."""
    if answer.txts is None:
        return ()
    return tuple(
        TextLine(text, float(score), tuple((float(x), float(y)) for x, y in box))
        for text, score, box in zip(answer.txts, answer.scores, answer.boxes, strict=True)
        if len(text.strip()) >= _SHORTEST_LINE
    )


@functools.cache
def _engine() -> Any:
    """Load the models, once in the life of a process."""
    silence_onnxruntime()
    try:
        from rapidocr import RapidOCR

        folder = importlib.resources.files("rapidocr") / "models"
        engine = RapidOCR(params=_SETTINGS | {key: str(folder / name) for key, name in _MODELS.items()})
    except Exception as error:
        reason = f"The package rapidocr cannot be loaded ({type(error).__name__})."
        raise DetectorUnavailableError(reason) from error
    return engine


def joined(lines: Iterable[TextLine]) -> str:
    """Return some lines as one text, in which keywords are looked for."""
    return "\n".join(line.text for line in lines)


def confidence(lines: Sequence[TextLine], start: int, end: int) -> float:
    """Return how sure a part of the joined lines was read, from 0 to 100: as sure as its least sure line."""
    scores = []
    first = 0
    for line in lines:
        if first < end and start < first + len(line.text):
            scores.append(line.score)
        first += len(line.text) + 1
    return round(100 * min(scores), 2)


def text_in_image(lines: Iterable[TextLine], hits: Iterable[LibraryHit]) -> dict[str, Any]:
    """Return `TextInImage` of an answer, each hit once.

    The names are those of the vendor's page of the synchronous API (March 2026), which shows null for what is empty.
    """
    custom = [{"KeyWords": hit.word, "LibId": hit.lib_id, "LibName": hit.lib_name} for hit in dict.fromkeys(hits)]
    return {"CustomText": custom or None, "OcrResult": [{"Text": line.text} for line in lines], "RiskWord": None}
