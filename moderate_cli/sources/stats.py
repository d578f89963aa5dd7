"""Looking at the files of a long walk in two processes, with the results in the order of the walk."""

from __future__ import annotations

import os
import select
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from moderate_cli.sources import stat_process
from moderate_cli.sources.stat_process import Looks, look_at, receive, send

if TYPE_CHECKING:
    from subprocess import Popen

    from moderate_cli.sources.folders import Chunk

_WORTH_IT = 5_000  # files after which a second process pays: to start one takes as long as to look at 4,000
_GROUP = 1_000  # files that it is given at a time: with the way there and back 3 ms
_WAITING = 8_000  # files, and looks into folders, that may wait for those in front of them

# The second process takes names as bytes of UTF-8 and opens them from their folder, which Windows cannot.
_IS_POSSIBLE = (
    os.stat in os.supports_dir_fd
    and sys.getfilesystemencoding() == "utf-8"
    and bool(sys.executable)
    and (os.cpu_count() or 1) > 1
)


class Stats:
    """Looks at the files of a walk, which gives each chunk to `take`; those that are taken are filled in later.

    Without a second process, and while that is at work, nothing is taken, and the walk looks for itself.
    """

    def __init__(self, *, worth_it: int = _WORTH_IT) -> None:
        self._left = worth_it
        self._process: Popen[bytes] | None = None
        self._is_possible = _IS_POSSIBLE
        self._group: list[Chunk] = []
        self._grouped = 0  # files of that group
        self._sent: list[Chunk] = []

    def can_take(self) -> bool:
        """Take in an answer that has come, and tell whether files would be taken now.

        Those of one group may wait while the second process looks at another.
        """
        if self._sent and self._has_answered():
            self._receive()
        return self._is_possible and self._left <= 0 and not self._is_full

    def take(self, chunk: Chunk) -> None:
        """Take a chunk over, of which only names are known."""
        self._group.append(chunk)
        self._grouped += len(chunk.names)
        if self._is_full and not self._sent:
            self._send()

    @property
    def _is_full(self) -> bool:
        return self._grouped >= _GROUP

    def in_order(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield chunks in their order, each as soon as its files are known."""
        waiting: deque[tuple[Chunk, int]] = deque()
        total = 0
        for chunk in chunks:
            self._left -= len(chunk.files)
            size = 1 + len(chunk.files) + len(chunk.names)
            waiting.append((chunk, size))
            total += size
            while waiting and (not waiting[0][0].names or total > _WAITING):
                first, size = waiting.popleft()
                total -= size
                yield self._known(first)
        for chunk, _ in waiting:
            yield self._known(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the second process."""
        if self._process is not None:
            with suppress(OSError), self._process as process:  # what it was not sent is lost with it
                process.kill()

    def _has_answered(self) -> bool:
        if self._process is None or self._process.stdout is None:
            return False
        answers = select.poll()  # which takes every descriptor, other than select
        answers.register(self._process.stdout, select.POLLIN)
        return bool(answers.poll(0))

    def _known(self, chunk: Chunk) -> Chunk:
        while chunk.names:
            if self._sent:
                self._receive()
            else:
                self._send()
        return chunk

    def _send(self) -> None:
        self._sent, self._group, self._grouped = self._group, [], 0
        try:
            if self._process is None:
                self._process = _started()
            if self._process.stdin:
                send([(chunk.folder, chunk.names) for chunk in self._sent], self._process.stdin)
        except OSError:
            self._give_up()

    def _receive(self) -> None:
        looks = None
        with suppress(OSError):
            looks = receive(self._process.stdout) if self._process and self._process.stdout else None
        if looks is None:
            self._give_up()
            return
        done, self._sent = self._sent, []
        if self._is_full:
            self._send()
        for chunk, one in zip(done, looks, strict=True):
            _fill(chunk, one or _own_looks(chunk))

    def _give_up(self) -> None:
        """Do without the second process, which could not be started or has ended."""
        self._is_possible = False
        for chunk in self._sent + self._group:
            _fill(chunk, _own_looks(chunk))
        self._sent, self._group, self._grouped = [], [], 0


def _started() -> Popen[bytes]:
    from subprocess import DEVNULL, PIPE, Popen

    # -I and -S leave out what this program's own start needs, and -X takes the place of variables that -I ignores.
    command = [sys.executable, "-I", "-S", "-X", "utf8", stat_process.__file__]
    return Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)  # noqa: S603


def _own_looks(chunk: Chunk) -> Looks:
    try:
        return look_at(chunk.prefix or os.curdir, chunk.names)
    except (FileNotFoundError, NotADirectoryError):
        return [], []  # the folder vanished meanwhile
    except OSError:
        return [], chunk.names


def _fill(chunk: Chunk, looks: Looks) -> None:
    files, odd = looks
    chunk.files += files
    chunk.files.sort()  # links to files were looked at before
    chunk.odd += odd
    chunk.names = []
