"""Run `moderate` in this process, and write as JSON which of its files were imported and entered.

    python tests/benchmarks/house_probe.py {modules|calls} OUTPUT COMMAND...

`calls` tells of which files a function was entered, in all threads and in the one beside the main thread that enters
most, and how many calls came from another file. What an import runs does not count. PYTHONPATH names the checkout.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

import moderate_cli

_PACKAGE = os.path.dirname(moderate_cli.__file__) + os.sep  # noqa: PTH120 - a string, compared at each call
_OF_FUNCTIONS = 0x1  # CO_OPTIMIZED: bodies of modules and classes lack it


class Calls:
    """Counts the calls of all threads in which it is the profiler."""

    def __init__(self) -> None:
        self.files: defaultdict[int, set[str]] = defaultdict(set)  # by thread
        self.crossings = 0

    def profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_flags & _OF_FUNCTIONS or not code.co_filename.startswith(_PACKAGE):
            return
        caller = _caller(frame.f_back)
        if caller == "<import>":
            return
        self.files[threading.get_ident()].add(code.co_filename)
        self.crossings += caller != code.co_filename


def _caller(frame: FrameType | None) -> str | None:
    """Return the file of the nearest caller in the package, `<import>` for what an import runs."""
    nearest = None
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            if code.co_name == "<module>":
                return "<import>"
            nearest = nearest or code.co_filename
        frame = frame.f_back
    return nearest


def main(what: str, output: str, *arguments: str) -> None:
    """Run one command line."""
    from moderate_cli.main import main as moderate

    sys.argv = ["moderate", *arguments]
    calls = Calls()
    if what == "calls":
        threading.setprofile(calls.profile)
        sys.setprofile(calls.profile)
    try:
        moderate()
    finally:
        sys.setprofile(None)
        names = sorted(name for name in sys.modules if name.split(".")[0] == "moderate_cli")
        others = [files for thread, files in calls.files.items() if thread != threading.get_ident()]
        told = {
            "modules": names,
            "files": sorted(set().union(*calls.files.values())),
            "worker": sorted(max(others, key=len, default=set())),
            "crossings": calls.crossings,
        }
        Path(output).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
