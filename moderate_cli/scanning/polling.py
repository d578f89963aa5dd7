"""What became of queued tasks: polled, round by round, until all have a verdict or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.client import GreenClient
from moderate_cli.client.parameters import Operation
from moderate_cli.common.errors import (
    ExitCode,
    InputError,
    ModerateError,
    ServiceError,
    StoppedError,
)
from moderate_cli.models import Call, Failed, Item, Judged, Known, Outcome, Pending, QueuedTask, Verdict
from moderate_cli.scanning.executor import Executor, Judge
from moderate_cli.scanning.image_judge import judged, unforeseen, without_verdict
from moderate_cli.scanning.unreachable import Unreachable

_STEP = 0.2  # seconds between two checks for a stop

EXPIRED = "expired"
# The body codes that are about the task's own image, so that polling again changes nothing.
_ABOUT_THE_IMAGE = frozenset({404, 405, 406, 407, 480, 589, 590, 592, 594, 595})

_OPERATIONS: dict[str, Operation] = {
    "image": Operation.DESCRIBE_IMAGE_MODERATION_RESULT,
    "multimodal": Operation.DESCRIBE_MULTIMODAL_MODERATION_RESULT,
}


class PollSchedule(Struct, frozen=True):
    """When to poll, in seconds: before the first poll, between two, and until the time is up.

    The vendor's pages advise 30 s before the first poll and 30 s between two. A `timeout` of 0 polls once, at once.
    """

    first: float = 30.0
    interval: float = 30.0
    timeout: float = 0.0


OnWait = Callable[[Sequence[Item], float], None]
"""Is told, as a wait begins, which tasks are pending, and when by the monotonic clock they are polled again."""


def _ignore(pending: Sequence[Item], due: float) -> None:
    """No-op."""


class Polling:
    """Yields what became of each task: as soon as it has a verdict or failed, or as pending when the time is up."""

    def __init__(
        self,
        tasks: Iterable[Item],
        judge: Judge,
        *,
        jobs: int,
        schedule: PollSchedule,
        on_wait: OnWait = _ignore,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tasks = tasks
        self._judge = judge
        self._jobs = jobs
        self._schedule = schedule
        self._on_wait = on_wait
        self._monotonic = monotonic
        self._sleep = sleep
        self._stopping = False
        self._round: Executor | None = None
        self._unreachable = Unreachable()

    @property
    def not_tried(self) -> int:
        """How many tasks are left without an outcome: none, since those that were not polled are pending."""
        return 0

    @property
    def at_least(self) -> bool:
        """Whether there may be more of them that were not counted: no."""
        return False

    @property
    def is_unreachable(self) -> bool:
        """Whether too many tasks in a row found no connection, so that no further one is polled."""
        return self._unreachable.is_so

    def stop(self) -> None:
        """Ask after no further task."""
        self._stopping = True
        if self._round is not None:
            self._round.stop()

    def __iter__(self) -> Iterator[Outcome]:
        deadline = self._monotonic() + self._schedule.timeout
        source = iter(self._tasks)
        first = next(source, None)
        if first is None:
            return
        tasks: Iterator[Item] = chain([first], source)
        if self._schedule.timeout and self._schedule.first:
            waiting = list(tasks)
            self._wait_until(min(self._monotonic() + self._schedule.first, deadline), waiting)
            tasks = iter(waiting)
        while True:
            open_tasks: list[Outcome] = []
            if not self._stopping:
                yield from self._poll(tasks, open_tasks, deadline)
            if self._stopping and not (self._round and self._round.is_feeding):
                open_tasks += map(_unpolled, tasks)
            if not open_tasks or self._stopping or self._monotonic() >= deadline:
                yield from open_tasks
                return
            waiting = [outcome.item for outcome in open_tasks]
            self._wait_until(min(self._monotonic() + self._schedule.interval, deadline), waiting)
            tasks = iter(waiting)

    def _poll(self, tasks: Iterator[Item], open_tasks: list[Outcome], deadline: float) -> Iterator[Outcome]:
        """Poll tasks once: yield what is final, and all once the time is up; collect what is worth another poll.

        A fatal failure ends it all, and so do enough tasks that find no connection.
        """
        self._unreachable.start_round()
        self._round = Executor(tasks, self._judge, jobs=self._jobs, unreachable=self._unreachable)
        if self._stopping:
            self._round.stop()
        for outcome in self._round:
            is_fatal = isinstance(outcome, Failed) and outcome.error.exit_code is ExitCode.FATAL
            if is_fatal or self._unreachable.is_so:
                self._stopping = True
            is_last_round = self._stopping or self._monotonic() >= deadline
            if not is_last_round and _is_open(outcome):
                open_tasks.append(outcome)
            else:
                yield outcome
        open_tasks += map(_unpolled, self._round.take_left())

    def _wait_until(self, due: float, pending: Sequence[Item]) -> None:
        self._on_wait(pending, due)
        while not self._stopping and (left := due - self._monotonic()) > 0:
            self._sleep(min(_STEP, left))


def _is_open(outcome: Outcome) -> bool:
    """Tell whether a later poll of the task may bring more."""
    return isinstance(outcome, Pending) or (isinstance(outcome, Failed) and _is_transient(outcome.error))


def _is_transient(error: ModerateError) -> bool:
    """Tell whether the poll failed, and not the task, so that a later poll may succeed."""
    if not isinstance(error, ServiceError) or not error.retryable:
        return False
    return error.api_code is None or error.throttled or error.api_code >= 500


class TaskJudge(Struct, frozen=True):
    """Polls one task; safe to share between threads.

    `client_for` returns the client of the region to which a task belongs. A task that is expired by `clock` (Unix
    seconds) is polled all the same, since a clock can be wrong: only a refusal by the service makes it expired.
    """

    client_for: Callable[[QueuedTask], GreenClient]
    clock: Callable[[], float] = time.time

    def __call__(self, item: Item) -> Outcome:
        """Return the verdict on a task, that it is pending, or why there is neither."""
        task = item.image
        if not isinstance(task, QueuedTask):
            raise TypeError(f"{item.source} is not a task")
        known = _known(item, task)
        try:
            return self._answer(known, task)
        except StoppedError:
            return _pending(known, task)
        except Exception as error:  # noqa: BLE001 - the other tasks must still get their outcomes
            return without_verdict(known, unforeseen(known, error))

    def _answer(self, known: Known, task: QueuedTask) -> Outcome:
        if task.problem is not None:
            return without_verdict(known, task.problem)
        client = self.client_for(task)
        known = replace(known, call=client.call(_OPERATIONS[task.kind], task.services))
        try:
            verdict = _ask(client, task, sent_data_id(task))
        except ModerateError as error:
            is_over = _is_refused(error) and has_expired(task, self.clock())
            return without_verdict(known, expired() if is_over else error)
        if verdict is None:
            return _pending(replace(known, call=replace(known.call, attempts=1)), task)
        # The response does not name the task.
        return judged(known, replace(verdict, req_id=verdict.req_id or task.req_id))


def _is_refused(error: ModerateError) -> bool:
    """Tell whether the service refused, by a code, to tell the result of a task."""
    has_code = isinstance(error, ServiceError) and error.api_code is not None
    return has_code and not error.ends_run and not _is_transient(error)


def has_expired(task: QueuedTask, now: float) -> bool:
    """Tell whether the service no longer keeps the result of a task at `now` (Unix seconds)."""
    return task.expires_at is not None and task.expires_at <= now


def expired() -> InputError:
    """Return the error of a task whose result the service no longer keeps."""
    return InputError("the service no longer keeps the result", code=EXPIRED, hint="submit it again")


def _ask(client: GreenClient, task: QueuedTask, data_id: str | None) -> Verdict | None:
    if task.kind == "image":
        return client.describe_image_moderation_result(task.req_id, services=task.services, data_id=data_id)
    return client.describe_multimodal_moderation_result(
        task.req_id, services=task.services, data_id=data_id, post=task.post
    )


def sent_data_id(task: QueuedTask) -> str | None:
    """Return the data id that was sent with a task, if known; a post contains its own."""
    own = task.post.get("dataId") if task.post else None
    return str(own) if own else task.data_id


def call_about(task: QueuedTask, operation: str) -> Call:
    """Return the description of a call about a task that this client has not sent."""
    return Call(operation=operation, services=task.services, region=task.region, endpoint=task.endpoint or "")


def _known(item: Item, task: QueuedTask) -> Known:
    call = call_about(task, _OPERATIONS.get(task.kind, ""))
    return Known(item=item, call=call, sha256=task.sha256, size=task.size, extents=task.extents)


def _pending(known: Known, task: QueuedTask) -> Pending:
    return Pending(
        item=known.item,
        call=known.call,
        sha256=known.sha256,
        size=known.size,
        extents=known.extents,
        req_id=task.req_id,
        data_id=known.item.data_id,
        expires_at=task.expires_at,
    )


def is_final(outcome: Outcome) -> bool:
    """Tell whether another poll would change nothing: there is a verdict, or the service says that there is none.

    That an account lacks a permission, or that another service does not know the task, says nothing about the task.
    """
    if isinstance(outcome, Failed) and isinstance(outcome.error, ServiceError):
        return outcome.error.api_code in _ABOUT_THE_IMAGE
    return isinstance(outcome, Judged)


def _unpolled(item: Item) -> Pending:
    """Return the outcome of a task that was not polled."""
    task = cast(QueuedTask, item.image)
    return _pending(_known(item, task), task)
