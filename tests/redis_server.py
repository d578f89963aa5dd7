"""A Redis of the tests' own: started on a free port, ended by its own process id."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

_PATIENCE = 30.0

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


@dataclass
class RedisServer:
    """A running server: its address, and its process."""

    address: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(_PATIENCE)

    def client(self) -> Any:
        import redis

        return redis.Redis.from_url(self.address)


@contextmanager
def running_redis(*options: str, port: int | None = None) -> Iterator[RedisServer]:
    """Start a server on a free port, or on one that an earlier one had, and end it."""
    with socket.create_server(("127.0.0.1", port or 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout
        try:
            until = time.monotonic() + _PATIENCE
            for line in process.stdout:
                if b"Ready to accept connections" in line:
                    break
                assert time.monotonic() < until
            assert process.poll() is None
            yield RedisServer(f"redis://127.0.0.1:{port}/0", process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(_PATIENCE)
            process.stdout.close()
