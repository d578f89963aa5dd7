"""Real shells, completing what is typed into them."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "completions"
_PROMPT = "READY>"
_PATIENCE = 30  # seconds that a shell may take on a busy machine
_ARGUMENTS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
_READY = {  # the prompt is written in two parts, so that the echo of these lines is not taken for it
    "bash": r"""source '{script}'; bind 'set enable-bracketed-paste off'; PS1=REA''DY'>'
bind -x '"\C-x": printf %s "$READLINE_LINE" >line.partial; mv line.partial line'
""",
    "zsh": r"""autoload -Uz compinit; compinit -u -D; source '{script}'; bindkey '^X' dump; zle -N dump
dump() {{ print -rn -- "$BUFFER" >line.partial; mv line.partial line }}; PROMPT=REA''DY'>'
""",
}


def environment() -> Mapping[str, str]:
    """Return the environment of a shell that finds the program."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def need(shell: str) -> None:
    """Skip the test where the shell is not installed."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


def run_script(shell: list[str], script: str, folder: Path) -> str:
    """Run a script in a shell, and return its output; it may print nothing on stderr."""
    need(shell[0])
    done = subprocess.run(
        [*shell, "-c", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def completed(shell: str, line: str, folder: Path) -> str:
    """Type a line and the tabulator into an interactive shell, and return what the line is then."""
    need(shell)
    script = SCRIPTS / ("_moderate" if shell == "zsh" else "moderate.bash")
    master, slave = pty.openpty()
    result = folder / "line"
    result.unlink(missing_ok=True)
    with subprocess.Popen(
        _ARGUMENTS[shell],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        cwd=folder,
        env=environment(),
    ) as process:
        os.close(slave)
        try:
            os.write(master, _READY[shell].format(script=script).encode())
            _read_until(master, _PROMPT)
            os.write(master, f"{line}\t\x18".encode())
            _read_until_written(master, result)
        finally:
            process.kill()
            os.close(master)
    return result.read_text(encoding="utf-8")


def _read_until(master: int, text: str) -> None:
    seen = b""
    end = time.monotonic() + _PATIENCE
    while text.encode() not in seen:
        assert time.monotonic() < end, seen
        seen += _some(master)


def _read_until_written(master: int, path: Path) -> None:
    seen = b""
    end = time.monotonic() + _PATIENCE
    while not path.exists():
        assert time.monotonic() < end, seen
        seen += _some(master)


def _some(master: int) -> bytes:
    return os.read(master, 65536) if select.select([master], [], [], 0.05)[0] else b""
