"""Queued tasks and their results, kept for as long as the vendor keeps them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from moderate_cli.emulator.faults import BodyError
from moderate_cli.emulator.task_files import TaskFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CAPACITY = 10_000
"""Tasks beyond which the oldest finished ones go; a limit of this emulator, not of the vendor."""

IN_PROGRESS = 280

_DAY = 24 * 60 * 60


class Kind(Enum):
    """What a task is about; the value is how long its result is kept, in seconds (vendor's pages, March 2026)."""

    IMAGE = 3 * _DAY
    POST = _DAY


@dataclass(slots=True)
class _Task:
    """One task; its outcome is unknown while it runs."""

    kind: Kind
    polls_left: int
    outcome: Mapping[str, Any] | BodyError | None = None
    finished_at: float = 0


class TaskStore:
    """Tasks by id, limited in number; safe to use from many threads.

    The first `polls_before_result` questions about each task are answered with "in progress".
    """

    def __init__(
        self,
        clock: Callable[[], float],
        polls_before_result: int = 0,
        capacity: int = CAPACITY,
        files: TaskFiles | None = None,
    ) -> None:
        self._clock = clock
        self._files = files
        self._polls = polls_before_result
        self._capacity = capacity
        self._lock = threading.Lock()
        self._running: dict[str, _Task] = {}
        # In the order in which they were finished.
        self._finished: OrderedDict[str, _Task] = OrderedDict()

    def add(self, task_id: str, kind: Kind) -> None:
        """Remember a task that waits; raises BodyError where too many do."""
        with self._lock:
            if len(self._running) >= self._capacity:
                raise BodyError(403, f"{self._capacity} tasks are waiting; try again later")
            while len(self._running) + len(self._finished) >= self._capacity:
                self._finished.popitem(last=False)
            self._running[task_id] = _Task(kind, self._polls)
        self._note(task_id, kind, self._clock())

    def finish(self, task_id: str, outcome: Mapping[str, Any] | BodyError) -> None:
        """Remember what became of a task: the Data of its result, or the error."""
        with self._lock:
            task = self._running.pop(task_id)
            task.outcome, task.finished_at = outcome, self._clock()
            self._finished[task_id] = task
        if isinstance(outcome, BodyError):
            self._note(task_id, task.kind, task.finished_at, error=[outcome.code, outcome.message])
        else:
            self._note(task_id, task.kind, task.finished_at, data=outcome)

    def result(self, task_id: str, kind: Kind) -> Mapping[str, Any]:
        """Return the Data of a task's result, or raise the BodyError that takes its place."""
        with self._lock:
            self._forget_if_outdated(task_id)
            task = self._running.get(task_id) or self._finished.get(task_id) or self._from_file(task_id)
            if task is None or task.kind is not kind:
                # What the service answers here is not documented; "a parameter is incorrect" fits best.
                raise BodyError(401, "there is no task of this ReqId, or its result is kept no longer")
            task.polls_left -= 1
            if task.outcome is None or task.polls_left >= 0:
                raise BodyError(IN_PROGRESS, "the task is being processed")
            if isinstance(task.outcome, BodyError):
                raise BodyError(task.outcome.code, task.outcome.message)
            return task.outcome

    def _note(self, task_id: str, kind: Kind, at: float, **outcome: Any) -> None:
        if self._files:
            self._files.write(task_id, {"kind": kind.name, "at": at, **outcome})

    def _from_file(self, task_id: str) -> _Task | None:
        """Return a task of another process, which may still be at it."""
        content = self._files.read(task_id) if self._files else None
        if content is None or content["at"] <= self._clock() - Kind[content["kind"]].value:
            return None
        outcome = BodyError(*content["error"]) if "error" in content else content.get("data")
        return _Task(Kind[content["kind"]], 0, outcome, content["at"])

    def count(self) -> int:
        """Return how many tasks are remembered."""
        return len(self.ids())

    def ids(self) -> set[str]:
        """Return the ids of the tasks that are remembered."""
        with self._lock:
            return {*self._running, *self._finished}

    def _forget_if_outdated(self, task_id: str) -> None:
        """Drop a result that is kept no longer."""
        task = self._finished.get(task_id)
        if task and task.finished_at <= self._clock() - task.kind.value:
            del self._finished[task_id]
