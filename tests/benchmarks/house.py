"""How the code is built: its modules, their imports, what one image passes through, and the instructions of a start.

    python tests/benchmarks/house.py [CHECKOUT [OTHER]]

A CHECKOUT is the folder of a working copy, this one where none is named; of two both are measured in one run. All run
in this Python, so that their libraries are the same. Instructions are counted by valgrind, and repeat to 0.1 %.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import json
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from measuring import IMAGE, run, world
from report import Figure
from serving import serving

_HERE = Path(__file__).parents[2]
_PROBE = Path(__file__).with_name("house_probe.py")
_TIMEOUT = 60.0
_SLOWLY = 300.0  # seconds for a command under valgrind, which makes it fifty times slower
_URL = "https://example.com/image.png"
_SCAN = ("-f", "sarif", "--fail-on", "high", "--reuse", "7d")
_LISTEN = ("listen", "--uid", "1", "--seed", "benchmark", "--port", "0")
_START = "from moderate_cli.main import main; main()"
_REFERENCES = re.compile(r"I +refs: +([\d,]+)")
_SIZE = "median lines of a module"  # about so many: neither less nor more is better
# What the design aims at; the unit of the instructions is a million.
AIMS: dict[str, float] = {
    "modules": 115,
    _SIZE: 190,
    "longest module, lines": 650,
    "circles of imports": 0,
    "arrows up": 0,
    "imported: sync URL": 50,
    "imported: sync FOLDER": 55,
    "imported: poll": 50,
    "imported: listen": 55,
    "imported: config show": 35,
    "files entered, one image": 52,
    "files entered, worker": 17,
    "calls across files, one image": 417,
    "instructions: --version": 266,
    "instructions: --help": 600,
    "instructions: sync -h": 700,
    "instructions: sync URL -q": 800,
    "instructions: history": 451,
}
_TARGETS: dict[str, int] = {"--version": 6, "--help": 6, "sync -h": 6, "sync URL -q": 7}


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of this checkout beside their aims; `quick` leaves the instructions out."""
    for name, value in figures(_HERE, with_instructions=not quick).items():
        target = _TARGETS.get(name.removeprefix("instructions: "))
        unit = "M" if name.startswith("instructions") else ""
        aim = AIMS[name] or None
        bound = None if aim is None or name == _SIZE else 1.0
        peer = "the aim" if aim else "none is the aim"
        yield Figure(target=target or "-", name=name, ours=value, peer=peer, theirs=aim, unit=unit, bound=bound)


def figures(checkout: Path, *, with_instructions: bool = True) -> dict[str, float]:
    """Return the figures of a checkout; the instructions are left out where valgrind is not installed."""
    compileall.compile_dir(checkout / "moderate_cli", quiet=1)
    found = {**_shape(checkout)}
    with tempfile.TemporaryDirectory() as name:
        probe = _Probe(checkout, Path(name))
        found |= probe.imported() | probe.entered()
        if with_instructions and shutil.which("valgrind"):
            found |= probe.instructions()
    return found


def _shape(checkout: Path) -> dict[str, float]:
    package = checkout / "moderate_cli"
    trees = {_name(path, checkout): ast.parse(path.read_text(encoding="utf-8")) for path in package.rglob("*.py")}
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in package.rglob("*.py")]
    graph = {name: set(_imports(tree, set(trees))) - {name} for name, tree in trees.items()}
    return {
        "modules": len(lines),
        _SIZE: median(lines),
        "longest module, lines": max(lines),
        "circles of imports": _circles(graph),
        "arrows up": _arrows_up(checkout),
    }


def _name(path: Path, checkout: Path) -> str:
    return ".".join(path.relative_to(checkout).with_suffix("").parts).removesuffix(".__init__")


def _imports(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """Yield the modules that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from known & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from known & {full if full in known else str(node.module)}


def _circles(graph: Mapping[str, set[str]]) -> int:
    """Count the groups of modules that reach one another."""
    reach = {name: _reached(name, graph) for name in graph}
    groups = {frozenset(other for other in reach[name] if name in reach[other]) for name in graph}
    return sum(len(group) > 1 for group in groups)


def _reached(name: str, graph: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = list(graph[name])
    while left:
        other = left.pop()
        if other not in found:
            found.add(other)
            left += graph[other]
    return found


def _arrows_up(checkout: Path) -> int:
    """Count the modules that fail the test of the layers which the checkout brings along."""
    test = runpy.run_path(str(checkout / "tests" / "test_layers.py"))
    failures = 0
    for module in test["MODULES"]:
        try:
            test["test_arrows_go_down"](module)
        except AssertionError:
            failures += 1
    return failures


@dataclass(frozen=True)
class _Probe:
    """Runs commands of a checkout in a folder of their own."""

    checkout: Path
    folder: Path

    def imported(self) -> dict[str, float]:
        """Return how many modules of the package five commands import."""
        images = self.folder / "images"
        images.mkdir()
        shutil.copy(IMAGE, images)
        with serving(tls=False) as service:
            variables = self._variables(service.variables)
            counts = {
                "sync URL": self._modules(variables, "sync", _URL),
                "sync FOLDER": self._modules(variables, "sync", str(images), *_SCAN),
            }
        with _emulated() as emulated:
            variables = self._variables(emulated)
            self._told("modules", variables, "async-submit", str(IMAGE), "-q")
            counts["poll"] = self._modules(variables, "poll", "--wait", "--wait-timeout", "30")
            counts["listen"] = len(self._listened(variables)["modules"])
        counts["config show"] = self._modules(self._variables({}), "config", "show")
        return {f"imported: {name}": count for name, count in counts.items()}

    def entered(self) -> dict[str, float]:
        """Return how many files one image of a folder passes through, and how often it crosses from one to another."""
        with serving(tls=False) as service:
            variables = self._variables(service.variables) | {"MODERATE_STORE": str(self.folder / "entered.db")}
            told = self._told("calls", variables, "sync", str(self.folder / "images"), *_SCAN)
        return {
            "files entered, one image": len(told["files"]),
            "files entered, worker": len(told["worker"]),
            "calls across files, one image": told["crossings"],
        }

    def instructions(self) -> dict[str, float]:
        """Return the millions of instructions of five commands."""
        with serving() as service:
            variables = self._variables(service.variables) | {"MODERATE_STORE": str(self.folder / "counted.db")}
            commands = {
                "--version": ["--version"],
                "--help": ["--help"],
                "sync -h": ["sync", "-h"],
                "sync URL -q": ["sync", _URL, "-q"],
                "history": ["history"],
            }
            return {f"instructions: {name}": self._counted(variables, line) for name, line in commands.items()}

    def _counted(self, variables: Mapping[str, str], line: list[str]) -> float:
        """Run a command once for what it writes down for the next time, and once more under valgrind."""
        command = [sys.executable, "-c", _START, *line]
        run(command, variables, timeout=_TIMEOUT, folder=self.folder).expect(0)
        counting = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
        done = run([*counting, *command], variables, timeout=_SLOWLY, folder=self.folder).expect(0)
        found = _REFERENCES.search(done.stderr)
        assert found, done.stderr
        return int(found[1].replace(",", "")) / 1_000_000

    def _variables(self, own: Mapping[str, str]) -> dict[str, str]:
        return world(self.folder, {"PYTHONPATH": str(self.checkout), "PYTHONHASHSEED": "0", **own})

    def _modules(self, variables: Mapping[str, str], *line: str) -> int:
        return len(self._told("modules", variables, *line)["modules"])

    def _told(self, what: str, variables: Mapping[str, str], *line: str) -> dict[str, Any]:
        run(self._command(what, *line), variables, timeout=_TIMEOUT, folder=self.folder).expect(0)
        return self._read()

    def _listened(self, variables: Mapping[str, str]) -> dict[str, Any]:
        """Return what a server loads until it is stopped, which never gets a callback."""
        with subprocess.Popen(
            self._command("modules", *_LISTEN), stderr=subprocess.PIPE, env=variables, cwd=self.folder
        ) as process:
            try:
                assert process.stderr
                process.stderr.readline()
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=_TIMEOUT)
            finally:
                process.kill()
        return self._read()

    def _command(self, what: str, *line: str) -> list[str]:
        return [sys.executable, str(_PROBE), what, str(self.folder / "told.json"), *line]

    def _read(self) -> dict[str, Any]:
        told = self.folder / "told.json"
        found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        told.unlink()
        return found


@contextmanager
def _emulated() -> Iterator[dict[str, str]]:
    """Start the emulator of this checkout, and yield the variables with which a program finds it."""
    from moderate_cli.emulator import Emulator

    with Emulator() as emulator:
        yield {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": emulator.access_key.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": emulator.access_key.access_key_secret,
            "MODERATE_ENDPOINT": emulator.endpoint,
        }


def main() -> None:
    """Print the figures of the checkouts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs="*", metavar="CHECKOUT", type=Path, help="at most two")
    checkouts = [path.resolve() for path in parser.parse_args().checkouts] or [_HERE]
    if not shutil.which("valgrind"):
        print("valgrind is not installed: no instructions are counted", file=sys.stderr)
    columns = [figures(checkout) for checkout in checkouts]
    print(f"{'figure':<32}{'aim':>10}" + "".join(f"{path.name:>20}" for path in checkouts))
    for name, aim in AIMS.items():
        cells = "".join(f"{column.get(name, float('nan')):>20,.5g}" for column in columns)
        print(f"{name:<32}{aim:>10,.5g}{cells}")


if __name__ == "__main__":
    main()
