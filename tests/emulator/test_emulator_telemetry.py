"""The local engine tells nobody that it was used."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("onnxruntime")

_SCRIPT = """
from PIL import Image
from moderate_cli.emulator.engine.detectors import AdultContentDetector
AdultContentDetector().detect(Image.new("RGB", (300, 300)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the runtime leaves its device id elsewhere")
def test_the_runtime_leaves_nothing_in_the_home_folder(tmp_path):
    # It is quiet by itself where it takes its surroundings for a test or for CI: only what it needs is handed on.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.rglob("*")) == []
