"""Queued tasks: which of them are meant, asking after them, and waiting for those that were just submitted."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, TextIO, cast

from msgspec import Struct
from msgspec.structs import replace

from moderate_cli.app.cache import RunRecorder, as_item
from moderate_cli.app.run import Run
from moderate_cli.app.session import Session
from moderate_cli.app.spec import WaitOptions
from moderate_cli.client import GreenClient, ModerateError
from moderate_cli.common.errors import ExitCode, InputError, UsageError
from moderate_cli.common.files import atomic_write
from moderate_cli.common.text import with_hint
from moderate_cli.models import Frame, Item, Judged, Outcome, Pending, Post, QueuedTask, SavedFrame, TaskKind
from moderate_cli.records import from_json
from moderate_cli.results import RunSummary
from moderate_cli.scanning import Executor
from moderate_cli.scanning.polling import OnWait, Polling, PollSchedule, TaskJudge, expired, has_expired

_UNSAFE = re.compile(r"^\.|[^A-Za-z0-9_.-]")
_LOCAL_INTERVAL = 0.2  # seconds: the local engine has no quota and is quick
_SOON = 3600.0  # seconds before the service forgets a result, at which to warn
_UNKNOWN = "not in the store: service, ID and parts unknown"
_MAX_LINE_LENGTH = 4_000_000  # characters: a record with the frames of a whole animation has some 100,000
_CUT_OFF_AFTER = 600.0  # seconds after which a submission without an answer was cut off


def pending_tasks(recorder: RunRecorder, kind: TaskKind | None) -> Iterator[Item]:
    """Return the pending tasks of the store, of one kind or of both (None); raises UsageError without a store."""
    if recorder.store is None:
        raise UsageError("no store, so no pending tasks are known", hint="name their ids")
    return map(as_item, recorder.store.pending_tasks(kind=kind))


class NamedTasks(Struct, frozen=True):
    """The tasks that a command line, or standard input, names; those that the store does not know are counted."""

    kind: TaskKind | None
    session: Session
    summary: RunSummary

    def tasks(self, ids: Sequence[str]) -> Iterator[Item]:
        """Yield the tasks behind some ids, and behind what standard input holds for each `-`."""
        for word in ids:
            if word == "-":
                yield from self._tasks_in(self.session.environment.stdin)
            else:
                yield self._task(word)

    def _task(self, req_id: str) -> Item:
        store = self.session.recorder.store
        task = store.find_task(req_id) if store else None
        if task is not None:
            return as_item(task)
        self.summary.notes[_UNKNOWN] += 1
        return Item(req_id, QueuedTask(req_id, self.kind or kind_of(req_id)))

    def _tasks_in(self, stream: TextIO) -> Iterator[Item]:
        """Yield the tasks on standard input: an id a line, or the `req_id` of each of our own records."""
        for number, line in enumerate(iter(lambda: stream.readline(_MAX_LINE_LENGTH + 1), ""), start=1):
            if len(line) > _MAX_LINE_LENGTH:
                raise UsageError(f"line {number} of standard input is too long for an ID or a record")
            text = line.strip()
            if not text.startswith(("{", "[", '"', "\ufeff")):
                if text:
                    yield self._task(text)
                continue
            record = _record(text, number)
            req_id = record.get("req_id")
            if isinstance(req_id, str) and req_id:
                yield self._task(req_id)
            else:
                words, hint = "was not submitted", "its record has no req_id"
                if req_id:
                    words, hint = f"{req_id!r:.40} is no task ID", "it must be text"
                problem = InputError(words, code="no_task", hint=hint)
                yield Item(str(record.get("source") or f"line {number}"), QueuedTask("", "image", problem=problem))


def _record(text: str, number: int) -> dict[str, Any]:
    try:
        record = from_json(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise UsageError(f"line {number} of standard input is neither a task ID nor a record")
    return record


def kind_of(req_id: str) -> TaskKind:
    """Return what a task is about by the shape of its id; those of posts start with `task_` on the vendor's page."""
    return "multimodal" if req_id.startswith("task_") else "image"


def warn_of_tasks(session: Session) -> None:
    """Tell of tasks whose results will soon be gone, and of submissions that were cut off."""
    store, echo = session.recorder.store, session.recorder.echo
    if store is None:
        return
    now = session.environment.clock()
    soon = sum(1 for task in store.pending_tasks() if (task.expires_at or now + _SOON) < now + _SOON)
    if soon:
        echo(f"{soon} pending tasks expire within the hour")
    lost = store.close_lost(older_than=_CUT_OFF_AFTER)
    if lost.count:
        sources = ", ".join(task.source for task in lost.first)
        more = f" and {lost.count - len(lost.first):,} more" if lost.count > len(lost.first) else ""
        echo(
            f"{lost.count:,} submissions were interrupted ({sources}{more}): the service may have these tasks, but "
            "their IDs are unknown; look for them in the console's detection results, or submit them again"
        )


def ask_after(
    session: Session,
    tasks: Iterable[Item],
    wait: WaitOptions,
    on_wait: OnWait | None = None,
    *,
    just_submitted: bool = False,
) -> Polling:
    """Return what polls some tasks, each at the endpoint where it was submitted: at once, if not `just_submitted`."""
    interval = _LOCAL_INTERVAL if session.settings.local else wait.poll_interval
    first = interval if just_submitted else 0.0
    schedule = PollSchedule(first=first, interval=interval, timeout=wait.wait_timeout if wait.wait else 0.0)
    clients = _Clients(session)
    judge: Callable[[Item], Outcome] = TaskJudge(clients.client_for, session.environment.clock)
    if wait.save_frames is not None:
        judge = _FrameSaver(judge, session, clients, wait.save_frames.absolute())
    return Polling(
        map(clients.checked, tasks),
        judge,
        jobs=session.jobs,
        schedule=schedule,
        on_wait=on_wait or _nobody_waits,
        monotonic=session.environment.monotonic,
    )


def _nobody_waits(pending: Sequence[Item], due: float) -> None:
    """No-op."""


def prepare(wait: WaitOptions, *, submits: bool = False) -> None:
    """Check the times and make the folder for frames, before anything is paid for; raises UsageError.

    What `submits` has frames to save only where it waits for the results.
    """
    if submits and wait.save_frames is not None and not wait.wait:
        raise UsageError("--save-frames needs --wait", hint="add --wait, or give it to `moderate poll` later")
    if not isfinite(wait.poll_interval) or not isfinite(wait.wait_timeout):
        raise UsageError("--poll-interval and --wait-timeout must be numbers of seconds")
    if wait.save_frames is not None:
        try:
            wait.save_frames.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write to {str(wait.save_frames)!r}: {error.strerror}") from error


def run_submission(session: Session, run: Run, scan: Executor, wait: WaitOptions) -> ExitCode:
    """Submit what a scan brings, wait for it where that is asked for, and return the exit code."""
    run.summary.awaited = wait.wait
    if not wait.wait:
        return run.execute(scan)
    return run.execute(
        SubmitAndWait(
            scan, lambda tasks: ask_after(session, tasks, wait, run.on_wait, just_submitted=True), run.on_submitted
        )
    )


class _Clients:
    """The clients of the endpoints to which tasks belong; no service is asked about a task of another."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._opened = {client.endpoint: client for client in session.clients}

    def checked(self, item: Item) -> Item:
        """Return a task, with the reason not to ask after it where there is one."""
        task = item.image
        if not isinstance(task, QueuedTask) or task.problem is not None:
            return item
        if task.kind not in {"image", "multimodal"}:
            problem = InputError(f"unknown task type {task.kind!r}", code="unknown_task")
        elif task.endpoint is not None and not self._can_ask(task):
            if has_expired(task, self._session.environment.clock()):
                return replace(item, image=replace(task, problem=expired()))
            hint = "--profile local asks the local engine" if task.region is None else f"--endpoint {task.endpoint}"
            problem = InputError(f"the task belongs to {task.endpoint}", code="other_service", hint=hint)
        else:
            return item
        return replace(item, image=replace(task, problem=problem))

    def client_for(self, task: QueuedTask) -> GreenClient:
        """Return the client of a task's endpoint; without one, the first, which is the one that was asked for."""
        if task.endpoint is None or self._session.settings.local:
            return self._session.clients[0]
        with self._lock:
            if task.endpoint not in self._opened:
                self._opened[task.endpoint] = self._session.open_client(task.region)
            return self._opened[task.endpoint]

    def _can_ask(self, task: QueuedTask) -> bool:
        if self._session.settings.local:
            return task.region is None  # the local engine has another port in each process
        if task.endpoint in self._opened:
            return True
        return task.region is not None and task.endpoint == self._session.endpoint_of(task.region)


class _FrameSaver(Struct, frozen=True):
    """Downloads the frames of a verdict into a folder as soon as it is known."""

    judge: Callable[[Item], Outcome]
    session: Session
    clients: _Clients
    folder: Path

    def __call__(self, item: Item) -> Outcome:
        outcome = self.judge(item)
        if not isinstance(outcome, Judged) or not isinstance(item.image, QueuedTask):
            return outcome
        client, stem = self.clients.client_for(item.image), _UNSAFE.sub("_", item.image.req_id)
        frames = tuple(self._saved(client, frame, f"{stem}-{frame.index}.jpg") for frame in outcome.verdict.frames)
        return replace(outcome, verdict=replace(outcome.verdict, frames=frames))

    def _saved(self, client: GreenClient, frame: Frame, name: str) -> Frame:
        """Return a frame that names its file, if it could be saved."""
        if not frame.url:
            return frame
        path = self.folder / name
        try:
            content = client.download(frame.url)
            atomic_write(path, content)
        except (ModerateError, OSError) as error:
            reason = with_hint(error) if isinstance(error, ModerateError) else error
            self.session.recorder.echo(f"{name} was not saved: {reason}")
            return frame
        return replace(frame, saved=SavedFrame(str(path), hashlib.sha256(content).hexdigest()))


class SubmitAndWait:
    """Submits tasks, and then asks after them; whatever happens, no id is kept back."""

    def __init__(
        self,
        scan: Executor,
        follow_up: Callable[[Iterable[Item]], Polling],
        on_submitted: Callable[[Pending], None],
    ) -> None:
        self._scan = scan
        self._on_submitted = on_submitted
        self._follow_up = follow_up
        self._polling: Polling | None = None
        self._stopping = False

    @property
    def not_tried(self) -> int:
        """How many inputs were not submitted because the run came to an end."""
        return self._scan.not_tried

    @property
    def at_least(self) -> bool:
        """Whether there may be more of them."""
        return self._scan.at_least

    @property
    def is_unreachable(self) -> bool:
        """Whether too many inputs in a row found no connection, as they were submitted or asked after."""
        return self._scan.is_unreachable or (self._polling is not None and self._polling.is_unreachable)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        self._scan.stop()
        if self._polling is not None:
            self._polling.stop()

    def __iter__(self) -> Iterator[Outcome]:
        left: dict[str, list[Pending]] = {}
        for outcome in self._scan:
            if isinstance(outcome, Pending):
                left.setdefault(outcome.req_id, []).append(outcome)
                self._on_submitted(outcome)
            else:
                yield outcome
        if left and not self._stopping and not self._scan.is_unreachable:
            self._polling = self._follow_up([as_task(outcomes[0]) for outcomes in left.values()])
            if self._stopping:  # by a signal in between
                self._polling.stop()
            for outcome in self._polling:
                same = left.pop(cast(QueuedTask, outcome.item.image).req_id, [])
                yield outcome
                yield from (_shared(outcome, pending) for pending in same[1:])
        yield from chain.from_iterable(left.values())


def _shared(outcome: Outcome, pending: Pending) -> Outcome:
    """Return what became of a task as the outcome of another image with the same content."""
    mine = replace(outcome, item=replace(pending.item, image=outcome.item.image))
    if isinstance(mine, Judged):
        return replace(mine, verdict=replace(mine.verdict, data_id=None), reused=True)
    return mine


def as_task(pending: Pending) -> Item:
    """Return a pending outcome as something to ask after."""
    content = pending.item.image.content if isinstance(pending.item.image, Post) else None
    queued = QueuedTask(
        req_id=pending.req_id,
        kind="image" if content is None else "multimodal",
        services=pending.call.services,
        region=pending.call.region,
        endpoint=pending.call.endpoint,
        sha256=pending.sha256,
        size=pending.size,
        expires_at=pending.expires_at,
        data_id=None if pending.reused else pending.item.data_id,  # another image's id was sent with that one
        post=content,
        extents=pending.extents,
    )
    return replace(pending.item, image=queued)
