"""Which files did a change add or modify? What git says since the point where HEAD left the history of a revision."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from msgspec import Struct

from moderate_cli.common.errors import InputError, UsageError
from moderate_cli.common.git import Git
from moderate_cli.common.globs import Glob, is_glob
from moderate_cli.sources.addresses import is_address, is_file_uri, path_of
from moderate_cli.sources.ignore import with_separator
from moderate_cli.sources.lists import STANDARD_INPUT

OPTION = "--changed-since"
_DELETED = b"D"
_HINT = "name files, folders and globs of the repository, or nothing for all of it"


class Changes(Struct, frozen=True):
    """Files that are in the working tree and were changed, in git's order, relative to the working folder.

    `top` is the real path of the repository's top, with a separator at its end.
    """

    top: str
    paths: tuple[str, ...]


def changed_since(revision: str, names: Sequence[str]) -> Changes:
    """Return what was added, modified, renamed or copied since the merge base of a revision and HEAD.

    What is not committed yet counts too, for the files of the working tree are what is judged; a new file counts once
    it was added to the index. What is in submodules has a history of its own, and is left out. Of several files only
    those that are named, or below a folder or in a glob that is, count. Raises UsageError where git cannot tell, and
    for a name that stands for nothing.
    """
    git = Git(OPTION)
    top = with_separator(str(git.top()))
    base = git.common_ancestor(revision)
    here = os.path.realpath(os.curdir)
    parts = [part for name in names for part in _Part.named(name)]
    found: dict[str, None] = {}
    matched = set()
    for status, name in _differences(base):
        path = top + name.replace("/", os.sep)
        holders = [part for part in parts if part.holds(path)]
        matched.update(holders)
        if status != _DELETED and (holders or not parts):
            found[os.path.relpath(path, here)] = None
    for part in parts:
        if part not in matched and not part.exists:
            raise UsageError(f"{OPTION}: {part.name!r} is neither here nor was it changed", hint=_HINT)
    return Changes(top, tuple(found))


def _differences(base: str) -> Iterator[tuple[bytes, str]]:
    """Yield the status and the name, from the top, of what differs between a commit and the working tree.

    Of a rename git reports the new name as added. Nothing that the repository configures is run to compare files.
    """
    git = Git(OPTION, _without_filters(Git(OPTION)))
    listed = git.run(
        *("diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", f"-O{os.devnull}"),
        *("--ignore-submodules=all", base, "--"),
    )
    fields = iter(listed.split(b"\0"))
    for status, name in zip(fields, fields, strict=False):
        yield status, os.fsdecode(name)


def _without_filters(git: Git) -> dict[str, str]:
    """Return variables for git that switch off the filters of its configuration, each of which is a program."""
    listed = git.run("config", "--null", "--name-only", "--get-regexp", "^filter[.]", may_fail=True)
    keys = dict.fromkeys(os.fsdecode(key) for key in listed.split(b"\0") if key)
    settings = {key: "false" if key.endswith(".required") else "" for key in keys} | {"diff.relative": "false"}
    first = os.environ.get("GIT_CONFIG_COUNT", "")
    start = int(first) if first.isdecimal() else 0
    variables = {"GIT_CONFIG_COUNT": str(start + len(settings))}
    for number, (key, value) in enumerate(settings.items(), start=start):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


class _Part(Struct, frozen=True):
    """A part of the working tree that somebody named: a file or a folder by its real path, or a glob below one."""

    name: str
    path: str
    glob: Glob | None
    exists: bool

    @classmethod
    def named(cls, name: str) -> Iterator[_Part]:
        """Yield the part behind a name, or two: what a glob matches, and what has the very name of the glob.

        Raises UsageError for what is in no working tree.
        """
        try:
            path = path_of(name) if is_file_uri(name) else name
        except InputError as error:
            raise UsageError(f"{OPTION}: {name!r}: {error.message}", hint=error.hint) from error
        if not path or path == STANDARD_INPUT or is_address(path):
            raise UsageError(f"{OPTION}: {name!r} is in no repository", hint=_HINT)
        if is_glob(path):
            folder, glob = Glob.parse(path)
            yield cls(name, os.path.realpath(folder or os.curdir), glob, exists=True)
            if not os.path.lexists(path):
                return
        folder, last = os.path.split(os.path.abspath(path))  # noqa: PTH100 - the last name may be a changed link
        real = os.path.realpath(path) if os.path.isdir(path) else os.path.join(os.path.realpath(folder), last)  # noqa: PTH112, PTH118
        yield cls(name, real, None, os.path.lexists(path))

    def holds(self, path: str) -> bool:
        """Tell whether a real path is this part, or in it."""
        if path == self.path:
            return self.glob is None
        above = with_separator(self.path)
        if not path.startswith(above):
            return False
        if self.glob is None:
            return True
        places = self.glob.start
        for name in path[len(above) :].split(os.sep):  # noqa: PTH206 - it is text
            places = self.glob.step(places, name)
        return self.glob.is_match(places)
