"""Which files are below a folder? A lazy walk without recursion or cycles, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from stat import S_ISDIR, S_ISREG

from msgspec import Struct, field

from moderate_cli.common.globs import Glob, Places
from moderate_cli.preflight import HEAD_SIZE, Format, format_of
from moderate_cli.sources.ignore import ANY_NAME, NO_NAME, LastNames, Rules, with_separator
from moderate_cli.sources.read_ahead import CHUNK, Listing, ReadAhead

Found = tuple[str, int, int, int]
"""A file that a walk found: its name, and the size, mtime_ns and inode of a `FileStat`."""

# Names of images: such a file is never skipped, so that a broken one gets reported.
IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".tif", ".tiff", ".webp"}
)

_SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn"})
_EVERYTHING = Rules()
_MANY = 20  # folders that wait beside each other, from which on a second process pays
# A pipe in the place of a file must not block; only Windows has a text mode.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
# From an open folder the system finds a file without looking up its whole path; Windows cannot.
_BY_DESCRIPTOR = os.scandir in os.supports_fd
_NAME = attrgetter("name")


class Chunk(Struct):
    """A part of the content of a folder.

    `folder` is its absolute path; `prefix` and a name make a path as it is shown. `files` are in the order of their
    names, and `odd` the names of what is no file or has no stat. `is_whole` tells whether that is all of the folder,
    `ignored` how much of it was left out, `links` how many lead out of the tree, and `error` why the rest cannot be
    listed.
    """

    folder: str
    prefix: str
    files: list[Found] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    is_whole: bool = True
    ignored: int = 0
    links: int = 0
    error: OSError | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that could be told of."""
        return not (self.files or self.odd or self.ignored or self.links or self.error)


def walk(
    root: str, rules: Rules = _EVERYTHING, glob: Glob | None = None, *, read_ahead: bool = False
) -> Iterator[Chunk]:
    """Yield what is below a folder, the files of each folder before its subfolders; "" is the working folder.

    Links to files are followed. So are links to folders, once each, but never into a folder that the walk is in. Those
    that lead out of the root are counted instead, unless the rules follow them; the root itself may be a link. What is
    below the root and vanished since its name was read is skipped. The folders of version control are left out. With
    `read_ahead` a second process lists every other one of many folders: where hardly a file is judged, that is most of
    the work.
    """
    levels: list[_Level] = []
    followed: set[tuple[int, int]] = set()
    ahead: ReadAhead | None = None
    try:
        yield from _enter(_Folder.root(root, rules, glob), glob, levels, followed)
        while levels:
            level = levels[-1]
            if level.folders:
                folder, listing = level.folders.pop(), None
                if read_ahead and _BY_DESCRIPTOR and ahead is None and len(level.folders) > _MANY:
                    ahead = ReadAhead()
                if ahead is not None:
                    listing = ahead.answer(folder.prefix)
                    if len(level.folders) > 1 and not ahead.expects(level.folders[-1].prefix):
                        ahead.ask(level.folders[-2].prefix)
                yield from _enter(folder, glob, levels, followed, listing)
            elif level.has_more:
                yield level.read()
            else:
                levels.pop()
    finally:
        for level in levels:
            level.close()
        if ahead is not None:
            ahead.close()


def _enter(
    folder: _Folder,
    glob: Glob | None,
    levels: list[_Level],
    followed: set[tuple[int, int]],
    listing: Listing | None = None,
) -> Iterator[Chunk]:
    """Add a folder to those that the walk is in; yield the error where that fails, unless the folder is gone."""
    try:
        level = _Level(folder, glob, listing)
    except OSError as error:
        if not levels or not isinstance(error, FileNotFoundError | NotADirectoryError):
            yield folder.chunk(error)
        return
    if _is_circle(level, levels, followed):
        level.close()
    else:
        levels.append(level)


def _is_circle(level: _Level, levels: list[_Level], followed: set[tuple[int, int]]) -> bool:
    """Tell whether the walk is in this folder already, or followed another link to it; remember the link."""
    if any(other.identity == level.identity for other in levels):
        return True
    if not level.by_link:
        return False
    is_known = level.identity in followed
    followed.add(level.identity)
    return is_known


class _Folder(Struct, frozen=True):
    """A folder to be walked: its path as it is shown and in full, each with a separator at its end."""

    prefix: str
    path: str
    rules: Rules
    places: Places
    by_link: bool = False

    @classmethod
    def root(cls, root: str, rules: Rules, glob: Glob | None) -> _Folder:
        path = with_separator(os.path.abspath(root))  # noqa: PTH100 - Path.resolve follows links
        prefix = with_separator(root) if root else ""
        return cls(prefix, path, rules.at(path), glob.start if glob else frozenset())

    def chunk(self, error: OSError | None = None) -> Chunk:
        return Chunk(os.path.dirname(self.path), self.prefix, error=error)  # noqa: PTH120 - a Path a folder is slow


class _Level:
    """A folder that a walk is in, and those of its folders that wait for their turn, the next one last.

    It is open, unless it was listed already.
    """

    def __init__(self, folder: _Folder, glob: Glob | None, listing: Listing | None) -> None:
        self._folder = folder
        self._glob = glob
        self.folders: list[_Folder] = []
        self.has_more = True
        self._is_first = True
        self._listing = listing
        self._opened: int | str = ""
        self.identity = listing[0] if listing else self._open(folder.prefix or os.curdir)
        self.by_link = folder.by_link
        self._rules = folder.rules.inside(folder.path)

    def _open(self, path: str) -> tuple[int, int]:
        """Open the folder, and return what tells it from all others."""
        self._opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY) if _BY_DESCRIPTOR else path
        try:
            seen = os.stat(self._opened)  # noqa: PTH116 - a Path has no descriptor
            self._entries = os.scandir(self._opened)
        except OSError:
            self._close_descriptor()
            raise
        return seen.st_dev, seen.st_ino

    def read(self) -> Chunk:
        """Return the next files, and let the folders beside them wait."""
        chunk = self._folder.chunk()
        if self._listing:
            self._take(self._listing, chunk)
            return chunk
        entries: list[os.DirEntry[str]] = []
        try:
            entries.extend(islice(self._entries, CHUNK))
        except OSError as error:
            chunk.error = error
        self.has_more = len(entries) == CHUNK
        chunk.is_whole = self._is_first and not self.has_more
        self._is_first = False
        entries.sort(key=_NAME, reverse=True)
        names = self._names()
        if names is not NO_NAME:
            entries = [
                entry
                for entry in entries
                if not names.may_match(entry.name) or self._is_wanted(entry.name, chunk, is_folder=_is_folder(entry))
            ]
        self._add(entries, chunk)
        self.folders.reverse()
        if not self.has_more:
            self.close()
        return chunk

    def _take(self, listing: Listing, chunk: Chunk) -> None:
        """Let a chunk hold what was listed, with the folders beside it waiting."""
        _, files, folders = listing
        names = self._names()
        if names is not NO_NAME:
            files = [
                file
                for file in files
                if not names.may_match(file[0]) or self._is_wanted(file[0], chunk, is_folder=False)
            ]
            folders = [
                name for name in folders if not names.may_match(name) or self._is_wanted(name, chunk, is_folder=True)
            ]
        chunk.files = files
        for name in reversed(folders):
            self._add_folder(name)
        self.has_more = False

    def _names(self) -> LastNames:
        """Return the names that need a closer look."""
        return ANY_NAME if self._glob else self._rules.names

    def close(self) -> None:
        if not self._listing:
            self._entries.close()
            self._close_descriptor()

    def _close_descriptor(self) -> None:
        if isinstance(self._opened, int):
            os.close(self._opened)
            self._opened = ""

    def _add(self, entries: list[os.DirEntry[str]], chunk: Chunk) -> None:
        """Empty a list of entries, from its end, for each of them keeps its stat as long as it lives."""
        take, add = entries.pop, chunk.files.append  # looked up once for the many files of a long walk
        while entries:
            entry = take()
            try:
                if entry.is_file(follow_symlinks=False):
                    seen = entry.stat(follow_symlinks=False)
                    add((entry.name, seen.st_size, seen.st_mtime_ns, seen.st_ino))
                elif entry.is_dir(follow_symlinks=False):
                    self._add_folder(entry.name)
                else:
                    self._add_target(entry, chunk)
            except FileNotFoundError:
                continue
            except OSError:
                chunk.odd.append(entry.name)

    def _add_target(self, entry: os.DirEntry[str], chunk: Chunk) -> None:
        """Add the target of a link; a broken link is odd, and so are pipes and devices."""
        if entry.is_symlink() and self._rules.leads_out(chunk.prefix + entry.name):
            chunk.links += entry.name not in _SKIPPED_FOLDERS
            return
        try:
            seen = entry.stat()
        except OSError:
            chunk.odd.append(entry.name)
            return
        if S_ISDIR(seen.st_mode):
            self._add_folder(entry.name, by_link=True)
        elif S_ISREG(seen.st_mode):
            chunk.files.append((entry.name, seen.st_size, seen.st_mtime_ns, seen.st_ino))
        else:
            chunk.odd.append(entry.name)

    def _add_folder(self, name: str, *, by_link: bool = False) -> None:
        if name in _SKIPPED_FOLDERS:
            return
        folder, below = self._folder, f"{name}{os.sep}"
        places = self._glob.step(folder.places, name) if self._glob else folder.places
        self.folders.append(_Folder(folder.prefix + below, folder.path + below, self._rules, places, by_link))

    def _is_wanted(self, name: str, chunk: Chunk, *, is_folder: bool) -> bool:
        if self._glob:
            places = self._glob.step(self._folder.places, name)
            if not (places if is_folder else self._glob.is_match(places)):
                return False
        if self._rules.leave_out(self._folder.path, name, is_folder=is_folder):
            chunk.ignored += 1
            return False
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def has_image_name(name: str) -> bool:
    """Tell whether a name, without its folder, is one of an image."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES


def has_image_content(path: str) -> bool:
    """Tell whether a regular file can be read and starts like an image, and not like camera raw."""
    try:
        descriptor = os.open(path, _READING)
    except OSError:
        return False
    try:
        return format_of(os.read(descriptor, HEAD_SIZE), path) not in {None, Format.RAW}
    except OSError:
        return False
    finally:
        os.close(descriptor)
