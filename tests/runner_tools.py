"""The programs of a runner that would install something, and what stands in for them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MODERATE = Path(sys.executable).with_name("moderate")
_INSTALL = '#!/bin/sh\necho "${{0##*/}} $*" >>"{log}"\n'
# `python3 -I -m venv FOLDER` makes a folder with what stands in for its programs; all else is done by Python itself.
_PYTHON = """#!/bin/sh
for folder; do :; done
case "$*" in
*"-m venv"*) mkdir -p "$folder/bin" && ln -sf "{tools}/pip" "{moderate}" "$folder/bin/" ;;
*) exec "{python}" "$@" ;;
esac
"""


class RunnerTools:
    """A folder of programs that comes first in a runner's PATH; `installs` are the command lines that would install."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "installs"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("pip", "apt-get"):
            self._write(name, _INSTALL.format(log=self._log))
        self._write("python3", _PYTHON.format(tools=folder, moderate=MODERATE, python=sys.executable))

    @property
    def path(self) -> str:
        return os.pathsep.join([str(self.folder), str(MODERATE.parent), os.environ["PATH"]])

    @property
    def installs(self) -> list[str]:
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []

    def _write(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
