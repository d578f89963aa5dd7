"""What does git say about the repository around the working folder? Asked so that the repository cannot run a thing.

Whoever judges a pull request runs this in a folder that somebody else has written. So git reads objects, by plumbing
commands where there are any: no hook, pager or file system monitor is run. The repository must not be a bare one inside
of the working tree, whose config a change could bring along; git knows `safe.bareRepository` from 2.38 on. Objects are
taken as they are, without refs/replace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from moderate_cli.common.errors import UsageError

_TIMEOUT = 60.0  # seconds for one command of git, which may have to fetch in a partial clone
_SAFE = (
    *("--no-replace-objects", "--literal-pathspecs"),
    *("-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"),
)
_FETCH_HINT = "fetch it first: a shallow clone holds only its tip; fetch-depth: 0 or GIT_DEPTH: 0 fetch the rest"


class Git:
    """Runs commands of git for an option of ours, which all errors name."""

    def __init__(self, option: str, variables: Mapping[str, str] | None = None) -> None:
        self._option = option
        self._variables = variables or {}

    def top(self) -> Path:
        """Return the folder at the top of the working tree; raises UsageError outside of a repository."""
        top = Path(os.path.realpath(os.fsdecode(self.run("rev-parse", "--show-toplevel")).removesuffix("\n")))
        if not (os.path.lexists(top / ".git") or os.environ.get("GIT_DIR") or os.environ.get("GIT_WORK_TREE")):
            # Its configuration, core.worktree, could name any folder of this machine.
            raise UsageError(f"{self._option}: the repository's working tree is not where the repository is")
        return top

    def commit(self, revision: str) -> str:
        """Return the id of the commit that a revision names; raises UsageError for one that does not exist."""
        check_revision(self._option, revision)
        found = self.run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", may_fail=True)
        if not found.strip():
            raise UsageError(f"{self._option}: unknown revision {revision!r}", hint=_FETCH_HINT)
        return found.decode().strip()

    def common_ancestor(self, revision: str) -> str:
        """Return the id of the commit where HEAD left the history of a revision; raises UsageError without one."""
        commit, head = self.commit(revision), self.commit("HEAD")
        found = self.run("merge-base", commit, head, may_fail=True)
        if not found.strip():
            message = f"{self._option}: no common ancestor of {revision!r} and HEAD is known here"
            raise UsageError(message, hint=_FETCH_HINT)
        return found.decode().split("\n")[0]

    def run(self, *arguments: str, may_fail: bool = False) -> bytes:
        """Return the output of a command; raises UsageError with its message where it fails."""
        program = shutil.which("git")
        if program is None or not Path(program).is_absolute():  # on Windows that may be one in the working folder
            raise UsageError(f"{self._option} needs git", hint="install it")
        own = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and a revision is never an option
                [program, *_SAFE, *arguments],
                env={**os.environ, **own, **self._variables},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_TIMEOUT,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"{self._option}: git cannot be run: {error}") from error
        if done.returncode and not may_fail:
            words = _reason(done.stderr.decode(errors="replace").strip().splitlines(), done.returncode)
            raise UsageError(f"{self._option}: git failed: {words!r}", hint="run it in the repository, as its owner")
        return done.stdout


def check_revision(option: str, revision: str) -> None:
    """Raise UsageError for what cannot be a revision, such as an option of git."""
    if not revision.strip() or revision.startswith("-") or "\0" in revision:
        raise UsageError(f"{option}: {revision!r} is not a revision", hint="name a commit, a branch or a tag")


def _reason(lines: Sequence[str], code: int) -> str:
    """Return the line of git's messages that says why it failed; advice may follow it."""
    fatal = [line for line in lines if line.startswith("fatal:")]
    return (fatal or list(lines[-1:]) or [f"exit code {code}"])[0]
