"""The service of the benchmarks in a process of its own, for as long as a `with` block runs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from counting import Counts

_SCRIPT = Path(__file__).with_name("server.py")
_PATIENCE = 10.0  # seconds for a server that was asked to end


@dataclass(frozen=True, slots=True)
class Served:
    """A running service: its address, and the file that makes its certificate trusted."""

    address: str
    bundle: str | None
    process: subprocess.Popen[str]

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which a program finds the service and trusts it."""
        trust = {"REQUESTS_CA_BUNDLE": self.bundle, "AWS_CA_BUNDLE": self.bundle} if self.bundle else {}
        return {"MODERATE_ENDPOINT": self.address, **trust}

    def look(self) -> Counts:
        """Return what was counted since it was last taken."""
        return self._ask("look")

    def take(self) -> Counts:
        """Return what was counted, and let it begin again."""
        return self._ask("take")

    def _ask(self, line: str) -> Counts:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return Counts(**json.loads(self.process.stdout.readline()))


@contextmanager
def serving(*, tls: bool = True, **options: Any) -> Iterator[Served]:
    """Start a service with the options of `server.Service`, over TLS with a certificate of this hour."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = _certificate(Path(folder), options) if tls else None
        command = [sys.executable, _SCRIPT, json.dumps(options)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin
        assert process.stdout
        try:
            yield Served(process.stdout.readline().strip(), bundle, process)
        finally:
            process.stdin.close()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _certificate(folder: Path, options: dict[str, Any]) -> str:
    """Write a certificate for loopback, add its place to the options, and return the file that makes it trusted."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    options["certificate"] = str(folder / "server.pem")
    return str(folder / "authority.pem")
