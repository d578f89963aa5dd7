"""Which files are wanted? What the patterns of the command line and the ignore files leave of a folder."""

from __future__ import annotations

import codecs
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from stat import S_ISLNK, S_ISREG

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.common.errors import UsageError
from moderate_cli.common.files import nearest
from moderate_cli.common.globs import Matcher, compile_git

# In the order in which they are read: where two lines contradict each other, the later one wins.
IGNORE_FILES = (".gitignore", ".moderateignore")
EXCLUDED = "--exclude"
"""The reason that a pattern of the command line or of the settings leaves out a file, and no ignore file."""

ReadIgnoreFile = Callable[[str], bytes | None]
"""Returns the content of the ignore file at a path, None where there is none; raises OSError."""

_MAX_BYTES = 1024 * 1024  # of an ignore file
_CACHED_FOLDERS = 256  # folders of named files whose ignore files need not be read again
# A pattern may cut a character into its bytes: only what is ASCII is sure to be whole.
_BEYOND_ASCII = re.compile(r"[^\0-\x7f]")

log = logging.getLogger(__name__)


def read_ignore_file(path: str) -> bytes | None:
    """Return the content of an ignore file, None where there is none; as in Git, links are ignored. Raises OSError."""
    if not os.access(path, os.F_OK):  # the quickest check, and it runs for every folder of a walk
        return None
    mode = os.lstat(path).st_mode
    if S_ISLNK(mode):
        log.warning("ignored %s: it is a link", path)
    if not S_ISREG(mode):
        return None
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(_MAX_BYTES + 1)


class Selection(Struct, frozen=True):
    """What is wanted of each folder, glob and prefix, in the words of gitignore and relative to it.

    Where something is to be included, nothing else is; what is excluded never is. `ignore_files` are `.gitignore` and
    `.moderateignore`: those below the folder, and those above it up to the folder that holds `.git`. The user's own
    `core.excludesFile` and `.git/info/exclude` are not used.

    What a list names is left out in the same way, and so is what the command line names with `force_exclude`. For those
    patterns are relative to the working folder, where ignore files start to apply if no folder holds `.git`.

    Links that lead out of a folder are followed with `follow_links` only. `read_ignore_file` reads the ignore files.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_files: bool = True
    follow_links: bool = False
    force_exclude: bool = False
    read_ignore_file: ReadIgnoreFile = read_ignore_file

    def rules(self) -> Rules:
        """Return the rules, for no folder yet; raises UsageError for an invalid pattern."""
        include = given_patterns(self.include) if self.include else None
        exclude = given_patterns(self.exclude) if self.exclude else None
        names = ANY_NAME if include else exclude.names if exclude else NO_NAME
        read = partial(_patterns_in, read=self.read_ignore_file)
        return Rules(include, exclude, self.ignore_files, self.follow_links, names=names, read=read)


class LastNames(Struct, frozen=True):
    """What each name that some patterns match must be, or must start or end with.

    Nearly no name can be matched by any pattern; this shows it without trying the patterns.
    """

    names: frozenset[str] = frozenset()
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[Matcher]) -> LastNames:
        """Return those of Git's patterns."""
        names, starts, ends = set(), set(), set()
        for pattern in patterns:
            start, end, is_whole = pattern.last_name
            if is_whole:
                names.add(os.fsdecode(start.encode("latin-1")))
            elif end:
                ends.add(_BEYOND_ASCII.split(end)[-1])
            else:
                starts.add(_BEYOND_ASCII.split(start)[0])
        return cls(frozenset(names), tuple(starts), tuple(ends))

    def __or__(self, other: LastNames) -> LastNames:
        """Return those of the patterns of both."""
        return LastNames(self.names | other.names, self.starts + other.starts, self.ends + other.ends)

    def may_match(self, name: str) -> bool:
        """Tell whether a path that ends with a name may be matched, other than by a folder that it is in."""
        return name in self.names or name.endswith(self.ends) or name.startswith(self.starts)


NO_NAME = LastNames()
ANY_NAME = LastNames(starts=("",))


def _patterns_in(folder: str, read: ReadIgnoreFile = read_ignore_file) -> Patterns | None:
    """Return the patterns of a folder's ignore files, None where there are none."""
    patterns: list[Pattern] = []
    for name in IGNORE_FILES:
        path = folder + name
        try:
            content = read(path)
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error.strerror)
            continue
        if content is not None and len(content) > _MAX_BYTES:
            log.warning("%s is larger than 1 MB; the rest is ignored", path)
            content = content[: content.rfind(b"\n", 0, _MAX_BYTES) + 1]
        patterns += read_patterns(content) if content else []
    return Patterns(patterns) if patterns else None


class Rules(Struct, frozen=True):
    """Decide about what is below one root.

    `root` is the length of what paths have before their part that is relative to it, and `tree` its real path, out of
    which no link is followed; "" where all are. `layers` are the patterns of ignore files, the deepest first, each with
    the length of its folder, and `read` returns those of a folder. Only what has one of the `names` needs a decision.
    Each folder is an absolute path with a separator at its end.
    """

    include: Patterns | None = None
    exclude: Patterns | None = None
    ignore_files: bool = True
    follow_links: bool = False
    root: int = 0
    tree: str = ""
    layers: tuple[tuple[int, Patterns], ...] = ()
    names: LastNames = NO_NAME
    read: Callable[[str], Patterns | None] = _patterns_in

    def at(self, root: str) -> Rules:
        """Return the rules for a root, with the ignore files above it.

        Where those would leave out the root itself, they are not used, since it was named.
        """
        tree = "" if self.follow_links else with_separator(os.path.realpath(root))
        here = replace(self, root=len(root), tree=tree)
        top = _repository(root) if self.ignore_files else None
        if top is None:
            return here
        found = here.below(top, root)
        return here if isinstance(found, str) else found

    def below(self, top: str, folder: str) -> Rules | str:
        """Return the rules with the ignore files from a folder down to another.

        Where they leave that out, it is the folder whose ignore files do.
        """
        rules = self
        start = len(top)
        while (end := folder.find(os.sep, start)) >= 0:
            rules = rules.inside(folder[:start])
            if by := rules.ignored_by(folder[:start], folder[start:end], is_folder=True):
                return by
            start = end + 1
        return rules

    def inside(self, folder: str) -> Rules:
        """Return the rules for what a folder holds."""
        patterns = self.read(folder) if self.ignore_files else None
        if patterns is None:
            return self
        return replace(self, layers=((len(folder), patterns), *self.layers), names=self.names | patterns.names)

    def leave_out(self, folder: str, name: str, *, is_folder: bool) -> bool:
        """Tell whether something in a folder that is wanted is not wanted itself, with all below it."""
        inside = folder[self.root :]
        if self.exclude and self.exclude.decide(inside, name, is_folder=is_folder):
            return True
        if self.include and not is_folder and not self.include.decide_last(inside + name):
            return True
        return self.ignored_by(folder, name, is_folder=is_folder) is not None

    def ignored_by(self, folder: str, name: str, *, is_folder: bool) -> str | None:
        """Return the folder whose ignore files leave out something in another that they do not leave out, or None."""
        for length, patterns in self.layers:
            decision = patterns.decide(folder[length:], name, is_folder=is_folder)
            if decision is not None:
                return folder[:length] if decision else None
        return None

    def is_unselected(self, path: str, *, is_folder: bool = False) -> bool:
        """Tell whether `include` and `exclude` leave out a path below the root; that of a folder ends with a slash."""
        if self.exclude and self.exclude.decide_first(path):
            return True
        return self.include is not None and not is_folder and not self.include.decide_last(path)

    def leads_out(self, link: str) -> bool:
        """Tell whether a link leads out of the tree that was named, and is not to be followed."""
        return bool(self.tree) and not with_separator(os.path.realpath(link)).startswith(self.tree)


class NamedFiles:
    """Tells which of the files and folders that somebody named are not wanted."""

    def __init__(self, rules: Rules) -> None:
        self._rules = replace(rules, read=lru_cache(_CACHED_FOLDERS)(rules.read))
        self._inside = lru_cache(_CACHED_FOLDERS)(self._rules_inside)

    def left_out_by(self, path: str, *, is_folder: bool) -> str | None:
        """Return what leaves out a path, or a folder that it is in: an ignore file's path, or `--exclude`; or None."""
        try:
            here = with_separator(os.getcwd())  # noqa: PTH109 - a Path has no separator at its end
            path = os.path.abspath(path)  # noqa: PTH100 - Path.resolve follows links
            path = with_separator(path) if is_folder else path
            if self._rules.is_unselected(path.removeprefix(here).lstrip(os.sep), is_folder=is_folder):
                return EXCLUDED
            start = path.rfind(os.sep) + 1
            rules = self._inside(path[:start], here)
            if isinstance(rules, str):
                return _ignore_file(rules)
            by = None if is_folder else rules.ignored_by(path[:start], path[start:], is_folder=False)
            return _ignore_file(by) if by is not None else None
        except (OSError, ValueError):  # the working folder was removed, or no file can have such a name
            return None

    def _rules_inside(self, folder: str, here: str) -> Rules | str:
        if not self._rules.ignore_files:
            return self._rules
        top = _repository(folder) or (here if folder.startswith(here) else folder)
        rules = self._rules.below(top, folder)
        return rules if isinstance(rules, str) else rules.inside(folder)


def _ignore_file(folder: str) -> str:
    """Return the name of the ignore file of a folder, from the working folder; of two, the one that counts last."""
    names = [name for name in IGNORE_FILES if os.path.lexists(folder + name)] or [IGNORE_FILES[-1]]
    return os.path.relpath(folder + names[-1])


def _repository(folder: str) -> str | None:
    """Return the closest folder above another, or that one itself, that holds `.git`; None where there is none."""
    top = nearest(".git", folder.rstrip(os.sep) or folder)
    return None if top is None else with_separator(top)


def with_separator(folder: str) -> str:
    """Return the path of a folder with a separator at its end."""
    return os.path.join(folder, "")  # noqa: PTH118 - a Path has none there


class Pattern(Struct, frozen=True):
    """One pattern, and what its marks say: whether it ignores, folders only, and by the last name alone."""

    matcher: Matcher
    ignores: bool
    only_folders: bool
    by_name: bool


class Patterns:
    """Patterns of one origin; the last one that matches something decides about it.

    As in Git, bytes are compared: `?` is one of them, of which a letter beyond ASCII has several.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._last_first = tuple(reversed(patterns))
        self.names = LastNames.of(pattern.matcher for pattern in patterns if pattern.ignores)

    def decide(self, folder: str, name: str, *, is_folder: bool) -> bool | None:
        """Tell whether something in a folder is matched by itself, as Git does it after deciding about the folder.

        The folder is relative to the patterns, and not the top one's ends with a slash. None where no pattern says
        anything about the name.
        """
        name = _as_git_has_it(name)
        path = _as_git_has_it(folder) + name
        for pattern in self._last_first:
            if (is_folder or not pattern.only_folders) and pattern.matcher.matches(name if pattern.by_name else path):
                return pattern.ignores
        return None

    def decide_first(self, path: str) -> bool:
        """Tell whether a path is matched by itself or by a folder that it is in; the path of a folder ends with `/`."""
        path = _with_slashes(path)
        start = 0
        while (end := path.find("/", start)) >= 0:
            if self.decide(path[:start], path[start:end], is_folder=True):
                return True
            start = end + 1
        return start < len(path) and self.decide(path[:start], path[start:], is_folder=False) is True

    def decide_last(self, path: str) -> bool:
        """Tell whether a file is matched by itself or, where nothing says so, by the closest folder that it is in."""
        folder, name = _split(_with_slashes(path))
        decision = self.decide(folder, name, is_folder=False)
        while decision is None and folder:
            folder, name = _split(folder[:-1])
            decision = self.decide(folder, name, is_folder=True)
        return decision is True


def read_patterns(content: bytes) -> list[Pattern]:
    """Return the patterns of an ignore file; invalid lines are skipped, as in Git."""
    lines = content.removeprefix(codecs.BOM_UTF8).decode("latin-1").split("\n")
    return [pattern for line in lines if (pattern := _parse(line.removesuffix("\r"))) is not None]


def given_patterns(texts: Iterable[str]) -> Patterns:
    """Return the patterns of a command line; raises UsageError for an invalid one."""
    patterns = []
    for text in texts:
        pattern = _parse(_as_git_has_it(text))
        if pattern is None:
            hint = "write it as in a .gitignore, such as '*.png' or 'raw/'"
            raise UsageError(f"{text!r} is not a pattern", hint=hint)
        patterns.append(pattern)
    return Patterns(patterns)


def _parse(line: str) -> Pattern | None:
    """Return the pattern of a line, as parse_path_pattern in Git's dir.c reads it; None where nothing can match."""
    text = _without_last_spaces(line.partition("\0")[0])
    ignores = not text.startswith("!")
    text = text.removeprefix("!")
    only_folders = text.endswith("/")
    text = text.removesuffix("/")
    by_name = "/" not in text
    text = text.removeprefix("/")
    if not text or line.startswith("#"):
        return None
    matcher = compile_git(text)
    return None if matcher.is_hopeless else Pattern(matcher, ignores, only_folders, by_name)


def _without_last_spaces(text: str) -> str:
    """Return a text without the spaces at its end; the first of them stays where a backslash is before it."""
    kept = text.rstrip(" ")
    is_escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 == 1
    return text[: len(kept) + is_escaped]


def _split(path: str) -> tuple[str, str]:
    """Return the folder of a path, with the slash at its end, and its name."""
    start = path.rfind("/") + 1
    return path[:start], path[start:]


def _with_slashes(path: str) -> str:
    return path if os.sep == "/" else path.replace(os.sep, "/")


def _as_git_has_it(path: str) -> str:
    """Return a path with slashes, one character a byte."""
    path = _with_slashes(path)
    return path if path.isascii() else os.fsencode(path).decode("latin-1")
