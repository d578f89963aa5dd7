"""A file in memory that counts what is read of it, and the preflight of such a file."""

from __future__ import annotations

import io

from moderate_cli.preflight import Checked, check_file


class CountingFile(io.BytesIO):
    """What lies under a buffered file; `bytes_read` counts every byte that leaves it."""

    bytes_read = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.bytes_read += len(data)
        return data

    def readinto(self, buffer) -> int:
        count = super().readinto(buffer)
        self.bytes_read += count
        return count


def check(content: bytes) -> Checked:
    """Return what the preflight says of a content; raises RefusedError like it."""
    return check_file(io.BufferedReader(io.BytesIO(content)), len(content))
