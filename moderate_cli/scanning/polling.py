"""Asking after queued tasks, round by round, until all have a verdict or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
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
from moderate_cli.models import Call, Failed, Item, Judged, Outcome, Pending, QueuedTask, Verdict
from moderate_cli.scanning.executor import Executor, Judge
from moderate_cli.scanning.image_judge import judged, unforeseen, without_verdict

_STEP = 0.2  # seconds between two looks at whether somebody asked to stop

EXPIRED = "expired"
# The body codes that are about the task's own image, so that asking again changes nothing.
_ABOUT_THE_IMAGE = frozenset({404, 405, 406, 407, 480, 589, 590, 592, 594, 595})

_OPERATIONS: dict[str, Operation] = {
    "image": Operation.DESCRIBE_IMAGE_MODERATION_RESULT,
    "multimodal": Operation.DESCRIBE_MULTIMODAL_MODERATION_RESULT,
}


class PollSchedule(Struct, frozen=True):
    """When to ask, in seconds: first, then again and again, until the time is up.

    The vendor's pages advise 30 s before the first question and 30 s between two. `timeout` of 0 asks once, at once.
    """

    first: float = 30.0
    interval: float = 30.0
    timeout: float = 0.0


class Polling:
    """Yields what became of each task: as soon as it has a verdict or failed, or as pending when the time is up."""

    def __init__(
        self,
        tasks: Iterable[Item],
        judge: Judge,
        *,
        jobs: int,
        patience: PollSchedule,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tasks = tasks
        self._judge = judge
        self._jobs = jobs
        self._patience = patience
        self._monotonic = monotonic
        self._sleep = sleep
        self._stopping = False
        self._round: Executor | None = None

    @property
    def not_tried(self) -> int:
        """How many tasks are left without an outcome: none, since those that nobody asked after are pending."""
        return 0

    @property
    def at_least(self) -> bool:
        """Whether there are more that nobody has counted."""
        return False

    def stop(self) -> None:
        """Ask after no further task."""
        self._stopping = True
        if self._round is not None:
            self._round.stop()

    def __iter__(self) -> Iterator[Outcome]:
        deadline = self._monotonic() + self._patience.timeout
        source = iter(self._tasks)
        first = next(source, None)
        if first is None:
            return
        tasks: Iterator[Item] = chain([first], source)
        if self._patience.timeout:
            self._wait_until(min(self._monotonic() + self._patience.first, deadline))
        while True:
            open_tasks: list[Outcome] = []
            if not self._stopping:
                yield from self._ask(tasks, open_tasks)
            if self._stopping and not (self._round and self._round.is_feeding):
                open_tasks += map(_unasked, tasks)
            if not open_tasks or self._stopping or self._monotonic() >= deadline:
                yield from open_tasks
                return
            waiting = [outcome.item for outcome in open_tasks]
            self._wait_until(min(self._monotonic() + self._patience.interval, deadline))
            tasks = iter(waiting)

    def _ask(self, tasks: Iterator[Item], open_tasks: list[Outcome]) -> Iterator[Outcome]:
        """Yield what is over, and keep what is worth another question; a fatal answer is the last one."""
        self._round = Executor(tasks, self._judge, jobs=self._jobs)
        if self._stopping:
            self._round.stop()
        for outcome in self._round:
            if isinstance(outcome, Failed) and outcome.error.exit_code is ExitCode.FATAL:
                self._stopping = True
            if isinstance(outcome, Pending) or (isinstance(outcome, Failed) and _is_passing(outcome.error)):
                open_tasks.append(outcome)
            else:
                yield outcome
        open_tasks += map(_unasked, self._round.take_left())

    def _wait_until(self, due: float) -> None:
        while not self._stopping and (left := due - self._monotonic()) > 0:
            self._sleep(min(_STEP, left))


def _is_passing(error: ModerateError) -> bool:
    """Tell whether asking failed, and not the task: its image stays as it is, however often one asks."""
    if not isinstance(error, ServiceError) or not error.retryable:
        return False
    return error.api_code is None or error.throttled or error.api_code >= 500


class TaskJudge(Struct, frozen=True):
    """Asks after one task; many threads may call it at once.

    `client_for` returns the client of the region to which a task belongs. By `clock` the service may have forgotten a
    result; it is asked all the same, since a clock can be wrong, and only its refusal makes the task an expired one.
    """

    client_for: Callable[[QueuedTask], GreenClient]
    clock: Callable[[], float] = time.time

    def __call__(self, item: Item) -> Outcome:
        """Return the verdict on a task, that it is pending, or why nobody can tell."""
        task = item.image
        if not isinstance(task, QueuedTask):
            raise TypeError(f"{item.source} is no task")
        known = _known(item, task)
        try:
            return self._answer(known, task)
        except StoppedError:
            return _pending(known, task)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tasks shall have their outcomes
            return without_verdict(known, unforeseen(known, error))

    def _answer(self, known: Outcome, task: QueuedTask) -> Outcome:
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
        # The answer does not name the task.
        return judged(known, replace(verdict, req_id=verdict.req_id or task.req_id))


def _is_refused(error: ModerateError) -> bool:
    """Tell whether the service says by a code that it has nothing to tell of a task."""
    has_code = isinstance(error, ServiceError) and error.api_code is not None
    return has_code and not error.ends_run and not _is_passing(error)


def has_expired(task: QueuedTask, now: float) -> bool:
    """Tell whether the service has forgotten the result of a task by now, as far as this machine's clock tells."""
    return task.expires_at is not None and task.expires_at <= now


def expired() -> InputError:
    """Return the error of a task whose result the service keeps no longer."""
    return InputError("the service keeps the result no longer", code=EXPIRED, hint="submit it again")


def _ask(client: GreenClient, task: QueuedTask, data_id: str | None) -> Verdict | None:
    if task.kind == "image":
        return client.describe_image_moderation_result(task.req_id, services=task.services, data_id=data_id)
    return client.describe_multimodal_moderation_result(
        task.req_id, services=task.services, data_id=data_id, post=task.post
    )


def sent_data_id(task: QueuedTask) -> str | None:
    """Return the id that was sent with a task, where that is known; a post has its own."""
    own = task.post.get("dataId") if task.post else None
    return str(own) if own else task.data_id


def call_about(task: QueuedTask, operation: str) -> Call:
    """Return the description of a call about a task that was not sent by this client, or not yet."""
    return Call(operation=operation, services=task.services, region=task.region, endpoint=task.endpoint or "")


def _known(item: Item, task: QueuedTask) -> Outcome:
    call = call_about(task, _OPERATIONS.get(task.kind, ""))
    return Outcome(item=item, call=call, sha256=task.sha256, size=task.size, extents=task.extents)


def _pending(known: Outcome, task: QueuedTask) -> Pending:
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
    """Tell whether asking again would change nothing: there is a verdict, or the service says that there is none.

    That an account may not ask, or that another service does not know the task, says nothing about the task.
    """
    if isinstance(outcome, Failed) and isinstance(outcome.error, ServiceError):
        return outcome.error.api_code in _ABOUT_THE_IMAGE
    return isinstance(outcome, Judged)


def _unasked(item: Item) -> Pending:
    """Return a task that nobody came to ask after."""
    task = cast(QueuedTask, item.image)
    return _pending(_known(item, task), task)
