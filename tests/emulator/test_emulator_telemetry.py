"""The local engine tells nobody that it was used."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytest.importorskip("onnxruntime")

_ALONE = """
import socket
from PIL import Image, ImageDraw
def refuse(*_): raise AssertionError("a connection")
socket.socket.connect = refuse
picture = Image.new("RGB", (300, 300), "white")
ImageDraw.Draw(picture).text((30, 130), "free tables", font_size=40, fill="black")
"""
_ADULT_CONTENT = """
from moderate_cli.emulator.engine.detectors import AdultContentDetector
AdultContentDetector().detect(picture)
"""
_TEXT = """
from moderate_cli.emulator.engine.ocr import TextReader
assert [line.text for line in TextReader().read(picture)] == ["free tables"]
"""
_NEEDS_OCR = pytest.mark.skipif(find_spec("rapidocr") is None, reason="the extra ocr is not installed")


@pytest.mark.parametrize("script", [_ADULT_CONTENT, pytest.param(_TEXT, marks=_NEEDS_OCR)], ids=["adult", "text"])
@pytest.mark.skipif(sys.platform != "linux", reason="the runtime leaves its device id elsewhere")
def test_the_runtime_calls_nobody_and_leaves_nothing_in_the_home_folder(tmp_path, script):
    # It is quiet by itself where it takes its surroundings for a test or for CI: only what it needs is handed on.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE + script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.rglob("*")) == []
