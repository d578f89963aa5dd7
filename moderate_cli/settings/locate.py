"""Where are the settings files? The project's, which may be untrusted, and the user's own."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from msgspec import Struct

from moderate_cli.common.files import FileError, check_size, decode, read_bytes, upward

PROJECT_FILE = "moderate.yaml"
USER_FILE = "config.yaml"
CONFIG_VARIABLE = "MODERATE_CONFIG"
_MAX_BYTES = 1_000_000  # of a settings file


class Location(Struct, frozen=True):
    """Where a file that influences runs is: its path, its name in messages, and whether it was named explicitly.

    With a `revision` of git it is read from there and not from the working tree, and `content` is None where it does
    not exist. `refused` says which files nearer or beside it are ignored, and why; with `is_refused` one of them is in
    its folder.
    """

    path: Path
    name: str
    required: bool = False
    refused: tuple[str, ...] = ()
    is_refused: bool = False
    revision: str | None = None
    content: bytes | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a file here that may be used."""
        if self.revision is not None:
            return self.content is not None
        return not self.is_refused and os.path.lexists(self.path)

    @property
    def how_to_name(self) -> str | None:
        """The hint where a named file is missing at a revision, None without one."""
        at = "name a file that is committed there, or one outside of the repository"
        return None if self.revision is None else at

    def open(self) -> IO[bytes]:
        """Open it for reading; raises OSError."""
        if self.content is not None:
            return BytesIO(self.content)
        if self.is_refused or self.revision is not None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.name)
        return self.path.open("rb")

    def read_bytes(self, limit: int, *, what: str, hint: str, regular_only: bool = False) -> bytes:
        """Return its content of at most `limit` bytes; `what` it is and `hint` are for the error where it is missing.

        Raises FileError, with `regular_only` also for what is not a regular file.
        """
        if self.content is not None:
            check_size(self.content, limit, self.name)
            return self.content
        if self.is_refused or self.revision is not None:
            raise FileError.missing(self.name, what=what, hint=self.how_to_name or hint)
        return read_bytes(self.path, limit, name=self.name, what=what, hint=hint, regular_only=regular_only)


def user_file() -> Path:
    """Return the path of the user's file, in the platform's folder for configuration."""
    from platformdirs import user_config_path  # not needed by commands that take no settings

    return user_config_path("moderate", appauthor=False) / USER_FILE


def nearest(*names: str) -> Location:
    """Return the nearest file of some names, from the working folder upward, or where it would be in that folder.

    In one folder the first name wins. The search ends at the top of the repository, the first folder that holds
    `.git`, or at the home folder, because what lies above belongs to somebody else. Files that others could have put
    there are skipped.
    """
    try:
        start = Path.cwd()
    except FileNotFoundError:  # the working folder was removed
        return Location(Path(names[0]), names[0])
    refused: list[str] = []
    for folder in _upward(start):
        found: Path | None = None
        for path in filter(os.path.lexists, (folder / name for name in names)):
            reason = why_unsafe(path) if found is None else why_superseded(found.name)
            if reason is None:
                found = path
            else:
                refused.append(f"{os.path.relpath(path, start)} is ignored: {reason}")
        if found is not None:
            return Location(found, os.path.relpath(found, start), refused=tuple(refused))
    is_refused = any(os.path.lexists(start / name) for name in names)
    return Location(start / names[0], names[0], refused=tuple(refused), is_refused=is_refused)


def _upward(start: Path) -> Iterator[Path]:
    """Yield a folder and its parents, up to the home folder or the top of the repository."""
    try:
        home = Path(os.path.realpath(Path.home()))
    except RuntimeError:  # the home folder is unknown
        home = None
    for folder in map(Path, upward(str(start))):
        yield folder
        if folder == home or os.path.lexists(folder / ".git"):
            return


def why_superseded(name: str) -> str:
    """Return why a file with a former name is ignored: one with the new name is beside it."""
    return f"{name} beside it takes precedence"


def why_unsafe(path: Path) -> str | None:
    """Return why a file or a folder is unsafe, None where only this user and root could have made it."""
    if os.name != "posix":  # Windows keeps permissions in lists that Python does not read
        return None
    try:
        links = [("its folder", path.parent.stat()), ("it", path.lstat()), ("it", path.stat())]
    except OSError:  # reading it will report the problem
        return None
    for what, status in links:
        if status.st_uid not in {0, os.geteuid()}:
            return f"{what} belongs to another user"
        if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode):
            return f"{what} is world-writable"
    return None


def read(location: Location) -> str | None:
    """Return the text of a settings file, None where it does not exist and was not named.

    Raises UsageError for a file that cannot be read, is not UTF-8 text, or is larger than 1 MB.
    """
    hint = f"check --config and {CONFIG_VARIABLE}; `moderate config init` writes a template"
    try:
        # A pipe that was named has a writer (`--config <(...)`); one that was found may have none.
        data = location.read_bytes(_MAX_BYTES, what="settings file", hint=hint, regular_only=not location.required)
    except FileError as error:
        if error.code == "not_found" and not location.required:
            return None
        raise
    return decode(data, location.name)


def under_home(path: Path) -> str:
    """Return a path for people, with ~ for the home folder."""
    try:
        return str("~" / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # it lies elsewhere, or the home folder is unknown
        return str(path)
