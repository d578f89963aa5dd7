"""The store as the memory of a scan: nothing that was answered already is asked again."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import cast

from moderate_cli.commands.ledger import Ledger, as_item, is_answer
from moderate_cli.records import is_clean, read_verdict
from moderate_cli.scanning.judging import covered
from moderate_cli.store import Answer, Found, Seen, SeenFile, Task
from moderate_cli.verdicts import (
    Engine,
    FileStat,
    Judged,
    LocalFile,
    Outcome,
    Pending,
    Planned,
    QueuedTask,
)

_SETTLED = 2.0  # seconds after which a change of a file shows in its time on every file system (FAT counts in twos)
_REMEMBERED = 100_000  # contents that a plan knows to be sent once; memory stays flat


@dataclass(frozen=True, slots=True)
class Recollection:
    """What the ledger's store knows that answers one question, given at `since` (Unix seconds) or in this run.

    `since` is None where no answer of an earlier run counts. With `queued` a task that is pending counts as well. An
    answer of another engine than is expected is never clean: it is told of each time.
    """

    ledger: Ledger
    question: str
    since: float | None
    queued: bool = False
    engine: Engine = "cloud"

    def recall(self, known: Outcome, look: FileStat | None) -> Outcome | None:
        """Return the earlier answer about the same content, as the outcome of this image."""
        sha256 = known.sha256
        if sha256 is None:
            return None
        answer = self.ledger.attempt(
            lambda store: store.find_answer(sha256, self.question, since=self.since, run=self.ledger.run)
        )
        if answer is not None:
            reused = _reused(known, answer)
            self._remember(reused, look, answer.judged_at)
            return reused
        task = self._pending(sha256) if self.queued else None
        return None if task is None else _reused_task(known, task)

    def keep(self, outcome: Outcome, look: FileStat | None) -> None:
        """Keep an outcome that is new; what is pending is kept as a task already.

        Only an answer that was read whole is one for the next time.
        """
        if isinstance(outcome, Pending):
            return
        answers = is_answer(outcome)
        self.ledger.keep(
            outcome, question=self.question if answers else None, file=self._seen(outcome, look) if answers else None
        )

    def clean_in(self, folder: str, names: Sequence[str] | None) -> list[Found]:
        """Return the clean files of a folder, or of some of them, where an earlier answer counts."""
        oldest = self.since
        if oldest is None:
            return []
        clean = self.ledger.attempt(lambda store: store.clean_in(folder, self.question, since=oldest, names=names))
        return clean or []

    def seen_in(self, folder: str, names: Sequence[str] | None) -> Mapping[str, Seen]:
        """Return what is known of the files of a folder, or of some of them."""
        return self.ledger.attempt(lambda store: store.seen_in(folder, names=names)) or {}

    def _pending(self, sha256: str) -> Task | None:
        return self.ledger.attempt(lambda store: store.find_pending(sha256, self.question))

    def _remember(self, outcome: Judged, look: FileStat | None, judged_at: float) -> None:
        file = self._seen(outcome, look)
        image, sha256 = outcome.item.image, outcome.sha256
        if file is None or sha256 is None or (isinstance(image, LocalFile) and image.sha256):
            return  # a file that is known as it is need not be written down again
        self.ledger.attempt(lambda store: store.remember_file(file, sha256, self.question, judged_at=judged_at))

    def _seen(self, outcome: Outcome, look: FileStat | None) -> SeenFile | None:
        """Return the file of a verdict as the store keeps it, unless it changed just now and might change unseen."""
        image = outcome.item.image
        if look is None or not isinstance(outcome, Judged) or not isinstance(image, LocalFile):
            return None
        if not self._is_settled(look.mtime_ns):
            return None
        folder, name = os.path.split(os.path.abspath(image.path))  # noqa: PTH100 - Path.resolve follows links
        return SeenFile(folder, name, look, is_clean(outcome) and outcome.verdict.engine == self.engine)

    def _is_settled(self, mtime_ns: int) -> bool:
        return self.ledger.environment.clock() - mtime_ns / 1e9 >= _SETTLED


@dataclass(frozen=True, slots=True)
class Plan:
    """The memory of a run that only looks: earlier answers, and which contents it would send itself."""

    recollection: Recollection
    planned: OrderedDict[str, None] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def recall(self, known: Outcome, look: FileStat | None) -> Outcome | None:
        """Return an earlier answer, or that the same content is sent once already."""
        remembered = self.recollection.recall(known, look)
        if remembered is not None or known.sha256 is None:
            return remembered
        with self.lock:
            if known.sha256 in self.planned:
                return Planned(item=known.item, call=known.call, sha256=known.sha256, size=known.size, calls=0)
        return None

    def keep(self, outcome: Outcome, look: FileStat | None) -> None:
        """Remember a content that would be sent."""
        if isinstance(outcome, Planned) and outcome.sha256 is not None:
            with self.lock:
                self.planned[outcome.sha256] = None
                if len(self.planned) > _REMEMBERED:
                    self.planned.popitem(last=False)


def since(reuse: float | None, now: float) -> float | None:
    """Return from when on answers count that may have an age in seconds; None where none counts."""
    if reuse is None:
        return None
    return 0.0 if reuse == inf else now - reuse


def _reused(known: Outcome, answer: Answer) -> Judged:
    """Return an earlier answer as the outcome of an image, for which no attempt was made."""
    said = read_verdict(answer.record)
    call = replace(said.call, attempts=0, elapsed_ms=None)
    # One of 0.1.0 does not tell how much of an image it is about.
    told = {part.kind for part in said.coverage}
    coverage = covered(said, [extent for extent in known.extents if extent.kind not in told])
    verdict = replace(said, call=call, data_id=None, coverage=coverage)
    return Judged(
        item=known.item,
        call=call,
        sha256=known.sha256,
        size=known.size,
        notes=known.notes,
        verdict=verdict,
        reused=True,
    )


def _reused_task(known: Outcome, task: Task) -> Pending:
    """Return a task that is pending about the same content as the outcome of an image."""
    return Pending(
        item=known.item,
        call=replace(known.call, region=task.region, endpoint=task.endpoint),
        sha256=known.sha256,
        size=known.size,
        notes=known.notes,
        extents=known.extents or cast(QueuedTask, as_item(task).image).extents,
        req_id=task.req_id or "",
        request_id=task.request_id,
        expires_at=task.expires_at,
        reused=True,
    )
