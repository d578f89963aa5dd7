"""Where the store lies, and who may read it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from moderate_cli.store.problems import StoreError, not_a_database, unwritable

_OWNER_ONLY = 0o600
_SMALLEST_DATABASE = 512  # bytes, one page; SQLite takes a file of one byte for an empty one and overwrites it
_COMPANIONS = ("", "-wal", "-shm", "-journal")  # the files that SQLite keeps beside a database


def default_path() -> Path:
    """Return the place of the store where nothing names another: this system's folder for a user's state."""
    from platformdirs import user_state_path  # not needed by commands that keep nothing

    return user_state_path("moderate", appauthor=False) / "store.db"


def prepare(path: Path) -> Path:
    """Make sure that there is a regular file to open, readable by its owner only, and return its absolute path.

    SQLite gives the files that it keeps beside a database the mode of the database. Raises StoreError.
    """
    try:
        absolute = path.absolute()  # SQLite would take `:memory:` for no file at all
        absolute.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            # An existing file is never opened here: closing it would drop the locks that this process has on it.
            os.close(os.open(absolute, os.O_RDWR | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        status = absolute.stat()
    except (OSError, ValueError) as error:
        raise unwritable(path, getattr(error, "strerror", None) or str(error)) from error
    if not stat.S_ISREG(status.st_mode) or 0 < status.st_size < _SMALLEST_DATABASE:
        raise not_a_database(path)
    if status.st_size == 0:
        protect(absolute)
    return absolute


def protect(path: Path) -> None:
    """Take the right to read away from everybody but the owner; for files that are known to be a store.

    Raises StoreError where the mode is too wide and cannot be changed: then somebody else owns the file.
    """
    for companion in _COMPANIONS:
        file = path.with_name(path.name + companion)
        try:
            if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & ~_OWNER_ONLY:
                file.chmod(_OWNER_ONLY)
        except FileNotFoundError:
            continue  # there is none, or another process has just closed the store and removed it
        except OSError as error:
            message = f"the store {path} is readable by others, and its mode cannot be changed: {error.strerror}"
            raise StoreError(message, code="store_unprotected", hint="name another place with --store") from error
