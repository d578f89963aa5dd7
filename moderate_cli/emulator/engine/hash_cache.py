"""Which images of a folder were hashed before? A file for each folder, in the system's folder for a user's caches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import msgspec
from msgspec import Struct

from moderate_cli.common.files import FileError, atomic_write, read_bytes
from moderate_cli.emulator.engine.phash import VERSION

_MAX_BYTES = 64 * 1024 * 1024  # of a cache: 100,000 images take 11 MB
_MAGIC = b"moderate image hashes\n"
_DIGEST_SIZE = hashlib.sha256().digest_size
_OWNER_ONLY = 0o600
_NAME_LENGTH = 32


class HashedFile(Struct, frozen=True, array_like=True, gc=False):
    """An image file with its hashes: `name` is relative to its folder, `stat` its size, mtime in ns and inode.

    `phash` has 32 bytes, or none where the picture has no hash; `remarks` say why, and what else the user should know.
    """

    name: str
    size: int
    mtime_ns: int
    inode: int
    sha256: bytes
    phash: bytes
    remarks: tuple[str, ...] = ()


class _Content(Struct, frozen=True, array_like=True):
    version: str
    folder: str
    files: list[HashedFile]


def user_cache() -> Path:
    """Return the folder in which the hashes of a user's libraries are kept."""
    from platformdirs import user_cache_path  # not needed without a library

    return user_cache_path("moderate", appauthor=False) / "image-libraries"


class HashCache:
    """The hashes of one folder. `place` is the folder of all caches; with None nothing is kept."""

    def __init__(self, place: Path | None, folder: Path) -> None:
        self._folder = str(folder).encode("utf-8", "backslashreplace").decode()
        name = hashlib.sha256(self._folder.encode()).hexdigest()[:_NAME_LENGTH]
        self._path = None if place is None else place / f"{name}.cache"

    def read(self) -> dict[str, HashedFile]:
        """Return the files of the folder by name: none if the cache is absent, damaged, or made in another way."""
        if self._path is None:
            return {}
        try:
            data = read_bytes(self._path, _MAX_BYTES, regular_only=True)
        except FileError:
            return {}
        start = len(_MAGIC) + _DIGEST_SIZE
        head, payload = data[:start], memoryview(data)[start:]
        if head != _MAGIC + hashlib.sha256(payload).digest():
            return {}
        try:
            content = msgspec.msgpack.decode(payload, type=_Content)
        except msgspec.MsgspecError:  # of a version that had other fields
            return {}
        if (content.version, content.folder) != (_version(), self._folder):
            return {}
        return {file.name: file for file in content.files}

    def write(self, files: Iterable[HashedFile]) -> None:
        """Keep the files of the folder instead of those before; raises OSError."""
        if self._path is None:
            return
        payload = msgspec.msgpack.encode(_Content(_version(), self._folder, list(files)))
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(self._path, _MAGIC + hashlib.sha256(payload).digest() + payload, mode=_OWNER_ONLY)


def _version() -> str:
    """Return what the hashes depend on: how they are made, and the decoder of the pictures."""
    try:
        return f"{VERSION}, Pillow {metadata.version('Pillow')}"
    except metadata.PackageNotFoundError:  # frozen programs often carry modules without their metadata
        return f"{VERSION}, some Pillow"
