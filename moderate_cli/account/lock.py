"""Which image of the account is which file? The lock file beside a rules file: the API tells neither name nor hash."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from moderate_cli.common.errors import ModerateError, UsageError
from moderate_cli.common.files import FileError, atomic_write, read_bytes
from moderate_cli.common.text import safe_text

LOCK_NAME = "moderate-rules.lock.json"

_MAX_BYTES = 50_000_000  # 100,000 images take 10 MB
_Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Id = Annotated[str, Meta(min_length=1)]


class LibraryLock(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of the images of one library: the id of each by its SHA-256.

    `others` are ids of images that came from elsewhere. `pending` is the SHA-256 of the image that is being added: an
    id that appears beside it and is none of these must be its own.
    """

    images: Mapping[_Sha256, _Id] = {}
    others: tuple[_Id, ...] = ()
    pending: _Sha256 | None = None

    @property
    def ids(self) -> set[str]:
        """All ids that are known."""
        return {*self.images.values(), *self.others}

    def is_about(self, found: Collection[str]) -> bool:
        """Tell whether this can be about the images that the account has: another account has none of these ids."""
        return not self.ids or not self.ids.isdisjoint(found)

    def settled(self, library: str, found: Collection[str]) -> LibraryLock:
        """Return the same for the ids that the account has now: images may have been added or removed meanwhile.

        Raises UnsettledError where it cannot be told whether the pending image was added.
        """
        ids, there = self.ids, set(found)
        new = [each for each in found if each not in ids]
        images = {sha256: each for sha256, each in self.images.items() if each in there}
        others = tuple(each for each in self.others if each in there)
        if self.pending is not None and len(new) == 1:
            return LibraryLock(images | {self.pending: new[0]}, others)
        if self.pending is not None and new:
            raise UnsettledError(library, len(new), self.pending)
        return LibraryLock(images, (*others, *new))


class UnsettledError(ModerateError):
    """An image was being added, and several ids that nobody knows have appeared since."""

    def __init__(self, library: str, count: int, sha256: str) -> None:
        super().__init__(
            f"{count} images of {library} are new, and one of them may be the image {sha256[:12]} that was being added",
            code="unsettled",
            hint=f"look at `moderate console images {library} list`, remove what is not to be there, and run it again",
        )


class Lock(Struct, frozen=True, forbid_unknown_fields=True):
    """The libraries of a rules file whose images were added from here."""

    version: Literal[1] = 1
    image_libraries: Mapping[str, LibraryLock] = {}

    def with_library(self, name: str, library: LibraryLock) -> Lock:
        """Return the same with one library replaced."""
        return replace(self, image_libraries={**self.image_libraries, name: library})


def lock_path(rules: Path) -> Path:
    """Return where the lock file of a rules file is: beside it."""
    return rules.parent / LOCK_NAME


def read_lock(path: Path) -> Lock:
    """Return what a lock file says, nothing where there is none; raises UsageError where it cannot be read."""
    try:
        content = read_bytes(path, _MAX_BYTES, what="lock file")
    except FileError as error:
        if error.code == "not_found":
            return Lock()
        raise
    try:
        return msgspec.json.decode(content, type=Lock)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{path}: not a lock file of image libraries: {safe_text(str(error))}",
            hint="restore it from version control: without it, images would be unknown",
        ) from error


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock file atomically, an image a line, so that two people can merge theirs; raises ModerateError."""
    content = msgspec.json.format(msgspec.json.encode(lock, order="deterministic"), indent=2)
    try:
        atomic_write(path, content + b"\n")
    except OSError as error:
        raise ModerateError(
            f"cannot write the lock file {path}: {error.strerror or error}",
            code="lock_unwritable",
            hint="without it, the images that were added would be unknown; nothing more was added",
        ) from error
