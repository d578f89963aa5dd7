"""Which files of a git revision apply? A change must not be able to suppress its own findings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import FileError, read_bytes, upward
from moderate_cli.common.git import Git, check_revision
from moderate_cli.settings.locate import Location, why_superseded

IGNORE_FILES = (".gitignore", ".moderateignore")
_OPTION = "--policy-from"
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHOWN_DIGITS = 12  # of a hash, in messages
_MAX_NAMED = 20  # files of the working tree in messages
_ENTRY = re.compile(rb"(?P<mode>\d+) (?P<kind>\w+) (?P<hash>[0-9a-f]+)\t(?P<path>[^\0]+)\0")
_FILE_MODES = frozenset({b"100644", b"100755"})


class _Entry(Struct, frozen=True):
    """An entry of the revision: a file, or with `is_file` False a link or a folder."""

    hash: str
    is_file: bool


class Policy:
    """The files of one revision; `revision` is its name in messages.

    Files of the working tree at the same paths are ignored, which is reported where they differ.
    """

    def __init__(self, revision: str, commit: str, top: Path) -> None:
        self.revision = revision[:_SHOWN_DIGITS] if _HASH.fullmatch(revision) else revision
        self._git = Git(_OPTION)
        self._commit = commit
        self._top = top
        self._overridden: list[str] = []
        self._echo: Callable[[str], None] | None = None

    @classmethod
    def open(cls, revision: str) -> Policy:
        """Find a revision in the repository around the working folder; raises UsageError where it does not exist."""
        git = Git(_OPTION)
        check_revision(_OPTION, revision)
        top = git.top()
        return cls(revision, git.commit(revision), top)

    @property
    def overridden(self) -> Sequence[str]:
        """A line about each ignored file of the working tree that is known by now."""
        names = self._overridden[:_MAX_NAMED]
        more = [] if len(self._overridden) == len(names) else [self._words("further files are")]
        return [self._words(f"{name} is") for name in names] + more

    def tell(self, echo: Callable[[str], None]) -> None:
        """Report the ignored files of the working tree: those known by now, and each found from now on."""
        for line in self.overridden:
            echo(line)
        self._echo = echo

    def holds(self, path: Path) -> bool:
        """Tell whether a path lies in the repository, so that the revision decides what it holds."""
        return self._inside(path) is not None

    def leaves_open(self, path: Path) -> bool:
        """Tell whether a change could decide what a path holds: it is in the working tree, leads there, or is above."""
        real = Path(os.path.realpath(path))
        return self.holds(path) or real.is_relative_to(self._top) or self._top.is_relative_to(real)

    def tracks(self, path: Path) -> bool:
        """Tell whether a file is one that git knows in the working tree; raises UsageError where git fails."""
        inside = self._inside(Path(os.path.realpath(path)))
        return inside is not None and bool(self._git.run("ls-files", "-z", "--", str(self._top / os.fsdecode(inside))))

    def nearest(self, *names: str) -> Location:
        """Return the nearest file of some names at the revision, from the working folder up to the repository's top.

        In one folder the first name wins. Where there is none, it would be in the working folder. Raises UsageError
        for a link.
        """
        start = Path(os.path.realpath(os.curdir))
        wanted = [Path(folder, name) for folder in upward(str(start)) for name in names]
        paths = {inside: path for path in wanted if (inside := self._inside(path))}
        entries = self._entries(paths)
        for inside, path in paths.items():
            if inside in entries:
                others = (other for other in paths if other != inside and other in entries)
                beside = (self._name(other) for other in others if paths[other].parent == path.parent)
                refused = tuple(f"{name} is ignored: {why_superseded(self._name(inside))}" for name in beside)
                return replace(self._location(path, inside, entries), refused=refused)
            self._compare(path, None)
        return self._location(start / names[0], b"", {})

    def named(self, path: Path, *, required: bool = True) -> Location:
        """Return the location of a file that was named: at the revision, if it lies in the repository.

        Raises UsageError for a link.
        """
        inside = self._inside(path)
        if inside is None:
            return Location(path, str(path), required=required)
        return self._location(path, inside, self._entries([inside]), required=required)

    def read_ignore_file(self, path: str, *, otherwise: Callable[[str], bytes | None]) -> bytes | None:
        """Return the content of an ignore file at the revision, None where there is none; as in Git, links are ignored.

        Files outside of the repository are read by `otherwise`. Raises UsageError where git fails.
        """
        folder, name = os.path.split(path)
        inside = _inside(folder, self._top)
        if inside is None:
            return otherwise(path)
        entry = self._ignore_files.get(inside + os.fsencode(name))
        content = self._blob(entry.hash) if entry is not None and entry.is_file else None
        self._compare(path, content)
        return content

    def _location(
        self, path: Path, inside: bytes, entries: Mapping[bytes, _Entry], *, required: bool = False
    ) -> Location:
        name = self._name(inside or os.fsencode(path.name))
        entry = entries.get(inside)
        if entry is not None and not entry.is_file:
            raise UsageError(f"{name} is not a regular file", hint="replace the link with the file itself")
        content = None if entry is None else self._blob(entry.hash)
        self._compare(path, content)
        return Location(path, name, required=required, revision=self.revision, content=content)

    def _name(self, inside: bytes) -> str:
        return f"{self.revision}:{os.fsdecode(inside)}"

    def _compare(self, path: str | Path, content: bytes | None) -> None:
        """Note a file of the working tree that differs."""
        if not os.path.lexists(path):
            return
        if content is None or not _is_same(Path(path), content):
            self._override(path)

    def _override(self, path: str | Path) -> None:
        name = os.path.relpath(path)
        if name not in self._overridden:
            self._overridden.append(name)
            if self._echo is not None and len(self._overridden) <= _MAX_NAMED + 1:
                self._echo(self.overridden[-1])

    def _words(self, which: str) -> str:
        return f"the working tree's {which} ignored: policy from {self.revision}"

    def _inside(self, path: Path) -> bytes | None:
        """Return a file's path from the top of the repository, as git names it; None outside of it."""
        folder = _inside(os.path.abspath(path.parent), self._top)  # noqa: PTH100 - it follows no link yet
        return folder + os.fsencode(path.name) if folder is not None and path.name else None

    @cached_property
    def _ignore_files(self) -> dict[bytes, _Entry]:
        """All ignore files of the revision, by their path from its top."""
        names = set(map(os.fsencode, IGNORE_FILES))
        return {path: entry for path, entry in self._tree("-r") if path.rpartition(b"/")[2] in names}

    def _entries(self, paths: Mapping[bytes, Path] | list[bytes]) -> dict[bytes, _Entry]:
        return dict(self._tree("--", *map(os.fsdecode, paths))) if paths else {}

    def _tree(self, *what: str) -> Iterator[tuple[bytes, _Entry]]:
        """Yield the files of the revision: all with -r, else those at the paths behind --."""
        options = [word for word in what[:1] if word == "-r"]
        listed = self._git.run("ls-tree", "-z", "--full-tree", *options, self._commit, *what[len(options) :])
        for found in _ENTRY.finditer(listed):
            yield found["path"], _Entry(found["hash"].decode(), found["mode"] in _FILE_MODES)

    def _blob(self, name: str) -> bytes:
        return self._git.run("cat-file", "blob", name)


@lru_cache(maxsize=4096)
def _inside(folder: str, top: Path) -> bytes | None:
    """Return a folder's path from the top of the repository, with / at its end; None outside of it."""
    try:
        path = Path(os.path.realpath(folder)).relative_to(top).as_posix()
    except ValueError:
        return None
    return b"" if path == "." else os.fsencode(f"{path}/")


def _is_same(path: Path, content: bytes) -> bool:
    """Tell whether a file has a content; git may have changed the line endings."""
    try:
        found = read_bytes(path, 2 * len(content), regular_only=True)  # each line may have a carriage return more
        return _with_newlines(found) == _with_newlines(content)
    except FileError:
        return False


def _with_newlines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")
