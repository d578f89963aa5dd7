"""The store as a run uses it: what is known is kept at once, and trouble with the store is told once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from moderate_cli.client import GreenClient, ModerateError, Submission
from moderate_cli.environment import Environment
from moderate_cli.errors import ExitCode
from moderate_cli.records import Tally, to_record
from moderate_cli.render.notes import say, with_hint
from moderate_cli.scanning.polling import EXPIRED, is_final
from moderate_cli.store import NewTask, Store, StoreError, Task, default_path
from moderate_cli.verdicts import Failed, Item, Json, Outcome, Pending, QueuedTask, TaskKind

T = TypeVar("T")

KEPT_FOR: dict[TaskKind, float] = {"image": 3 * 86_400.0, "multimodal": 86_400.0}
"""Seconds for which the service keeps results (the vendor's pages of the async and multimodal operations)."""

# After these the service may have taken a task whose id nobody knows.
_PERHAPS_TAKEN = frozenset({"read_timeout", "connection_lost", "unreadable_answer"})


class Ledger:
    """Keeps a run's results and tasks in the store; without one that works it keeps nothing, and says so once."""

    def __init__(self, store: Store | None, command: str, environment: Environment) -> None:
        self.store = store
        self._environment = environment
        self._run = self._try(lambda store: store.begin_run(command))

    def keep(self, outcome: Outcome) -> bool:
        """Keep an outcome; False for the result of a task that another process kept before."""
        if isinstance(outcome, Pending):
            return True
        task, record = outcome.item.image, to_record(outcome)
        if not isinstance(task, QueuedTask):
            self._try(lambda store: store.add_result(self._run, record))
            return True
        if isinstance(outcome, Failed) and outcome.error.code == EXPIRED:
            self._try(lambda store: store.add_result(self._run, record))  # one that comes after all is still taken
        if not is_final(outcome):
            return True
        return self._try(lambda store: store.finish_task(task.req_id, record, self._run)) is not False

    def submit(
        self,
        kind: TaskKind,
        known: Outcome,
        client: GreenClient,
        call: Callable[[], Submission],
        post: Json | None = None,
    ) -> Submission:
        """Submit a task that is noted down before it is sent, and again as soon as its id is known."""
        number = self._try(lambda store: store.begin_task(_new_task(kind, known, client, post)))
        try:
            submission = call()
        except ModerateError as error:
            if number is not None and error.code not in _PERHAPS_TAKEN:
                self._try(lambda store: store.drop_task(number))
            raise
        if number is None:
            self.say(f"{known.item.source}: submitted as {submission.req_id}")
        else:
            now = self._environment.clock()
            self._try(
                lambda store: store.accept_task(
                    number,
                    req_id=submission.req_id,
                    submitted_at=now,
                    expires_at=now + KEPT_FOR[kind],
                    request_id=submission.request_id,
                )
            )
        return submission

    def finish(self, tally: Tally, code: ExitCode) -> None:
        """Note down how the run ended."""
        run = self._run
        if run is not None:
            counts = {"judged": tally.judged, "skipped": tally.skipped, "failed": tally.failed}
            self._try(lambda store: store.finish_run(run, exit_code=code, **counts))

    def say(self, text: str) -> None:
        """Write a line for people."""
        say(self._environment, text)

    def give_up(self, error: StoreError) -> None:
        """Go on without the store, and say so."""
        self.store = None
        self.say(with_hint(error, "; this run is not kept"))

    def _try(self, work: Callable[[Store], T]) -> T | None:
        if self.store is None:
            return None
        try:
            return work(self.store)
        except StoreError as error:
            self.give_up(error)
            return None


@contextmanager
def open_ledger(path: Path | None, command: str, environment: Environment) -> Iterator[Ledger]:
    """Yield the ledger of a run, whether its store can be opened or not."""
    try:
        store = Store.open(path or default_path(), clock=environment.clock)
    except StoreError as error:
        ledger = Ledger(None, command, environment)
        ledger.give_up(error)
        yield ledger
        return
    with store:
        yield Ledger(store, command, environment)


def as_item(task: Task) -> Item:
    """Return a task of the store as something to ask after."""
    queued = QueuedTask(
        req_id=task.req_id or "",
        kind=task.kind,
        services=tuple(task.service.split(",")),
        region=task.region,
        endpoint=task.endpoint,
        sha256=task.sha256,
        size=task.size,
        expires_at=task.expires_at,
        post=json.loads(task.post) if task.post else None,
    )
    return Item(task.source, queued, data_id=task.data_id)


def _new_task(kind: TaskKind, known: Outcome, client: GreenClient, post: Json | None) -> NewTask:
    return NewTask(
        kind=kind,
        operation=known.call.operation,
        service=",".join(known.call.services),
        source=known.item.source,
        endpoint=client.endpoint,
        region=client.region,
        sha256=known.sha256,
        size=known.size,
        data_id=known.item.data_id,
        post=None if post is None else json.dumps(post),
    )
