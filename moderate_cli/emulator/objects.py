"""Uploaded objects, spooled on disk for as long as the vendor keeps them."""

from __future__ import annotations

import hashlib
import heapq
import tempfile
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME = 30 * 60
"""Seconds that the vendor keeps an uploaded file (page of the synchronous API, March 2026)."""

CAPACITY = 1024**3
"""Bytes on disk beyond which the oldest objects go; a limit of this emulator, not of the vendor."""


@dataclass(frozen=True, slots=True)
class _Spooled:
    """One object on disk."""

    path: Path
    size: int
    stored_at: float


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it: its ETag is the MD5 of its content."""

    key: str
    etag: str
    size: int
    stored_at: float


class StoreFullError(Exception):
    """A store that gives nothing up has no room for an object."""


class ObjectStore:
    """Objects by bucket and key, limited in age and in total size; safe to use from many threads.

    What is too old goes, and so do the oldest objects where room is needed; with `keeps` nothing goes by itself.
    """

    def __init__(self, clock: Callable[[], float], capacity: int = CAPACITY, *, keeps: bool = False) -> None:
        self._clock = clock
        self._capacity = capacity
        self._keeps = keeps
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        # Oldest first: an object that is put again moves to the end.
        self._objects: OrderedDict[tuple[str, str], _Spooled] = OrderedDict()
        self._total = 0

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object, in place of an earlier one of the same name; raises StoreFullError with `keeps`."""
        with self._lock:
            self._forget((bucket, key))
            self._make_room(len(content))
            path = self._spool_folder() / uuid.uuid4().hex
            path.write_bytes(content)
            self._objects[bucket, key] = _Spooled(path, len(content), self._clock())
            self._total += len(content)

    def get(self, bucket: str, key: str, max_age: float = LIFETIME) -> bytes | None:
        """Return an object's bytes, or None where there is no such object any more."""
        with self._lock:
            self._make_room(0)
            spooled = self._objects.get((bucket, key))
            if spooled is None or not (self._keeps or spooled.stored_at > self._clock() - max_age):
                return None
            # Read under the lock: an eviction must not delete the file halfway.
            return spooled.path.read_bytes()

    def listing(self, bucket: str, prefix: str, after: str, limit: int) -> list[Listed]:
        """Return the first objects of a bucket behind a key, in the order of their UTF-8 names."""
        with self._lock:
            self._make_room(0)
            keys = (key for owner, key in self._objects if owner == bucket and key.startswith(prefix) and key > after)
            # The order of code points is that of UTF-8.
            return [self._listed(bucket, key) for key in heapq.nsmallest(limit, keys)]

    def _listed(self, bucket: str, key: str) -> Listed:
        spooled = self._objects[bucket, key]
        digest = hashlib.md5(spooled.path.read_bytes(), usedforsecurity=False).hexdigest()
        return Listed(key, digest.upper(), spooled.size, spooled.stored_at)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object if it is there."""
        with self._lock:
            self._forget((bucket, key))

    def close(self) -> None:
        """Delete all objects and the folder that holds them."""
        with self._lock:
            self._objects.clear()
            self._total = 0
            if self._folder:
                self._folder.cleanup()
                self._folder = None

    @property
    def folder(self) -> Path | None:
        """The folder that holds the objects, or None while nothing was stored."""
        return Path(self._folder.name) if self._folder else None

    def _spool_folder(self) -> Path:
        """Return the folder for objects, made when the first one arrives."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="moderate-emulator-")
        return Path(self._folder.name)

    def _make_room(self, incoming: int) -> None:
        """Drop what is too old, then the oldest until the incoming bytes fit; with `keeps` only see whether they do."""
        if self._keeps:
            if self._total + incoming > self._capacity:
                raise StoreFullError
            return
        limit = self._clock() - LIFETIME
        while self._objects:
            name, oldest = next(iter(self._objects.items()))
            if oldest.stored_at > limit and self._total + incoming <= self._capacity:
                return
            self._forget(name)

    def _forget(self, name: tuple[str, str]) -> None:
        """Delete an object if it is there."""
        spooled = self._objects.pop(name, None)
        if spooled:
            self._total -= spooled.size
            spooled.path.unlink(missing_ok=True)
